#include "daemon/performer.h"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <type_traits>
#include <utility>
#include <variant>

#include "config/endpoint.h"
#include "control/describe.h"
#include "core/auto_listen.h"
#include "core/traffic.h"
#include "daemon/commands/views.h"
#include "os/cgroup.h"
#include "os/cgroup_limits.h"
#include "os/process.h"
#include "os/random.h"
#include "os/traffic_facts.h"

namespace oxherd {
namespace {

const Spec* SpecOf(const State& state, const InstanceId& instance, Generation generation) {
  const Service* const service = state.Find(instance.service);
  const KeptSpec* const kept = service == nullptr ? nullptr : service->Find(generation);
  return kept == nullptr ? nullptr : kept->spec.get();
}

const Instance* FindInstance(const State& state, const InstanceId& id, Token token) {
  const Service* const service = state.Find(id.service);
  if (service == nullptr || id.slot >= service->slots.size()) return nullptr;
  const Slot& slot = service->slots[id.slot];
  if (slot.current.token() == token) return &slot.current;
  if (slot.replacement && slot.replacement->token() == token) return &*slot.replacement;
  return nullptr;
}

template <typename Visit>
void ForEachLive(const State& state, Visit visit) {
  for (const Service& service : state.services) {
    for (std::size_t i = 0; i < service.slots.size(); ++i) {
      const Slot& slot = service.slots[i];
      const InstanceId id{service.name, static_cast<SlotIndex>(i)};
      if (slot.current.is_live()) visit(id, slot.current);
      if (slot.replacement && slot.replacement->is_live()) visit(id, *slot.replacement);
    }
  }
}

// A cgroup that the keeper has made for one instance: in its "oxherd-PID". Limits are never set on
// one that is shared with others.
bool IsOfInstance(const std::string& folder) {
  constexpr std::string_view kShelf = "/oxherd-";
  const std::string_view above = std::string_view(folder).substr(0, folder.rfind('/'));
  const std::size_t at = above.rfind('/');
  if (at == std::string_view::npos || !above.substr(at).starts_with(kShelf)) return false;
  const std::string_view pid = above.substr(at + kShelf.size());
  return !pid.empty() && pid.find_first_not_of("0123456789") == std::string_view::npos;
}

// What processes and their clients wait for.
template <typename T>
constexpr bool kIsUrgent = std::same_as<T, action::Spawn> || std::same_as<T, action::Stop> ||
                           std::same_as<T, action::Kill> || std::same_as<T, action::OpenPool> ||
                           std::same_as<T, action::ClosePool> || std::same_as<T, action::Steer> ||
                           std::same_as<T, action::Relisten>;

// Its tree was empty in the same wake-up in which its end became known: there is nothing to kill.
bool IsAcknowledged(const Actions& actions, Token token) {
  return std::ranges::any_of(actions, [&](const Action& action) {
    const auto* acknowledge = std::get_if<action::Acknowledge>(&action);
    return acknowledge != nullptr && acknowledge->token == token;
  });
}

// Not for the log: said while something is under way, in its progress.
bool IsHappening(action::Tell::Kind kind) {
  return kind != action::Tell::Kind::kSpawning && kind != action::Tell::Kind::kStarted;
}

keeper::ListenSecret RandomSecret() {
  keeper::ListenSecret secret{};
  os::FillRandom(secret);
  return secret;
}

}  // namespace

// Processes and sockets first, in their order: nobody waits for a log line to be written.
void Performer::Perform(const Actions& actions) {
  for (const Action& action : actions) {
    const auto* const kill = std::get_if<action::Kill>(&action);
    if (kill != nullptr && IsAcknowledged(actions, kill->token)) continue;
    std::visit(
        [this](const auto& each) {
          if constexpr (kIsUrgent<std::decay_t<decltype(each)>>) Do(each);
        },
        action);
  }
  bool is_saved = false;  // each of a hundred services that are started asks for it
  for (const Action& action : actions) {
    if (std::holds_alternative<action::SaveWishes>(action) && std::exchange(is_saved, true)) {
      continue;
    }
    std::visit(
        [this](const auto& each) {
          if constexpr (!kIsUrgent<std::decay_t<decltype(each)>>) Do(each);
        },
        action);
  }
}

void Performer::Do(const action::Spawn& spawn) {
  const Spec* const spec = SpecOf(parts_.state, spawn.instance, spawn.generation);
  if (spec == nullptr) {
    parts_.inbox.Put(Urgency::kProcess,
                     event::SpawnFailed{.token = spawn.token,
                                        .stage = static_cast<std::uint8_t>(keeper::Stage::kPlan),
                                        .number = EINVAL});
    return;
  }
  SpawnOrder order{.spec = *spec,
                   .slot = spawn.instance.slot,
                   .generation = spawn.generation,
                   .token = spawn.token,
                   .purpose = PurposeOf(spawn.kind)};
  if (spawn.socket) {
    const Service& service = *parts_.state.Find(spawn.instance.service);
    order.listen = ListenOrder{.number = *spawn.socket, .addresses = {}, .secret = RandomSecret()};
    order.listen->finds = spec->policy.auto_listen == AutoListen::kAssumed;
    for (std::string& address : OpenAddresses(service, spawn.generation)) {
      const bool shared = parts_.pools.IsShared(service.name, address);
      order.listen->addresses.push_back({std::move(address), shared});
    }
  }
  const bool finds = spawn.kind == ProcessKind::kInstance && !spawn.socket &&
                     IsToTellAddress(*parts_.state.Find(spawn.instance.service), spawn.generation);
  if (finds) order.listen = ListenOrder{.addresses = {}, .secret = RandomSecret(), .finds = true};
  const auto spawned = parts_.spawner.Spawn(order);
  if (spawned) return;
  const PlanFailure& failure = spawned.error();
  if (!failure.text.empty()) parts_.observations.NoteTrouble(spawn.token, failure.text);
  parts_.inbox.Put(Urgency::kProcess,
                   event::SpawnFailed{.token = spawn.token,
                                      .stage = static_cast<std::uint8_t>(failure.stage),
                                      .number = failure.error_number});
}

void Performer::Do(const action::Stop& stop) {
  parts_.probes.Cancel(stop.token);
  parts_.keeper.Send(keeper::Stop{
      .token = stop.token,
      .signal = stop.signal,
      .scope = stop.scope == KillMode::kGroup ? keeper::Scope::kGroup : keeper::Scope::kMain,
      .kill_at = stop.kill_at});
}

void Performer::Do(const action::Kill& kill) { parts_.keeper.Send(keeper::Kill{kill.token}); }

void Performer::Do(const action::Signal& signal) {
  parts_.keeper.Send(keeper::Signal{
      .token = signal.token, .signal = signal.signal, .scope = keeper::Scope::kMain});
  signalled_.push_back(signal.token);
}

// What is in the queue still is lost with us; what is not outlives us.
void Performer::ConfirmSignals() {
  if (parts_.keeper.queued() > 0) return;
  for (const Token token : std::exchange(signalled_, {})) {
    parts_.inbox.Put(Urgency::kControl, event::Signalled{token});
  }
}

void Performer::Do(const action::Acknowledge& acknowledge) {
  parts_.probes.Cancel(acknowledge.token);
  parts_.spawner.Acknowledge(acknowledge.token);
}

void Performer::Do(const action::Probe& probe) {
  const Instance* const instance = FindInstance(parts_.state, probe.instance, probe.token);
  const Spec* const spec = SpecOf(parts_.state, probe.instance, probe.generation);
  if (instance == nullptr || spec == nullptr) return;
  ProbeQuestion question{.token = probe.token,
                         .instance = probe.instance,
                         .generation = probe.generation,
                         .check = probe.check,
                         .kind = spec->health_check.kind,
                         .target = {},
                         .timeout = spec->health_check.timeout};
  if (instance->kind() == StateKind::kStarting) {
    question.purpose = ProbeQuestion::Purpose::kReadiness;
  }
  Result<std::string> target = ProbeTarget(*spec,
                                           {.spec = *spec,
                                            .slot = probe.instance.slot,
                                            .generation = probe.generation,
                                            .token = probe.token},
                                           parts_.ground);
  if (!target) {
    return OnProbed(
        {.token = probe.token, .outcome = ProbeOutcome::kBad, .text = target.error().message});
  }
  question.target = std::move(*target);
  if (probe.socket) AddRoute(question, *probe.socket);
  parts_.probes.Ask(std::move(question));
}

// Over its own socket, if that is where the question goes.
void Performer::AddRoute(ProbeQuestion& question, SocketNumber socket) const {
  const std::string& service = question.instance.service;
  if (question.kind == HealthCheck::Kind::kNone) {  // ready = "listen": any of its ports will do
    const std::vector<std::uint16_t> ports = parts_.pools.PortsOf(service);
    if (ports.empty()) return;
    question.kind = HealthCheck::Kind::kTcp;
    question.target = "127.0.0.1:" + std::to_string(ports.front());
  }
  const auto endpoint = question.kind == HealthCheck::Kind::kHttp
                            ? ParseHttpEndpoint(question.target)
                            : ParseTcpEndpoint(question.target);
  if (!endpoint) return;
  question.route.path = parts_.pools.PathTo(service, endpoint->port, socket);
  if (!question.route.path) return;
  // Nobody waits: then it does not, either. Else one that serves its clients in turn may have taken
  // it, and waits for what it will say, while others wait behind it.
  question.route.is_accepted = [&pools = parts_.pools, service, socket,
                                port = endpoint->port](const os::TcpEndpoint& from) {
    return pools.Waiting(service, socket) == 0 || os::IsAccepted(port, from).value_or(false);
  };
}

void Performer::Do(const action::Reply& reply) { parts_.conversations.OnReply(reply.request); }

void Performer::Do(const action::SaveWishes& /*save*/) { parts_.save_wishes(); }

void Performer::Do(const action::Tell& tell) {
  using Kind = action::Tell::Kind;
  if (tell.kind == Kind::kReady) parts_.output.StopMatching(tell.token);
  parts_.conversations.OnTell(tell);
  const Spec* const spec = SpecOf(parts_.state, tell.instance, tell.generation);
  const control::About about{.spec = spec};
  const control::LogLine line = control::LogLineFor(tell, about);
  if (parts_.log.Wants(line.severity)) {
    parts_.log.Write(line.severity, WithReason(line.text, tell.failure, spec, parts_.observations));
  }
  if (tell.kind == Kind::kUnkillable) TellIfOutOfReach(tell);
  if (tell.kind == Kind::kStarted && spec != nullptr && spec->limits.enforce) {
    Enforce(tell.instance, tell.token, Pid(tell.number), spec->limits);
  }
  if (tell.kind == Kind::kReloadDone || tell.kind == Kind::kRolledBack) {
    parts_.observations.NoteReload(tell.instance.service, tell.kind == Kind::kReloadDone);
  }
  if (tell.kind == Kind::kReplacing && !tell.failure.text.empty()) {
    parts_.observations.NoteReplaced(
        tell.instance, {.unix_ms = Clocks::Read().unix_ms, .text = tell.failure.text});
  }
  if (!IsHappening(tell.kind)) return;
  const std::int64_t unix_ms = Clocks::Read().unix_ms;
  std::string text =
      WithReason(control::Describe(tell, about), tell.failure, spec, parts_.observations);
  parts_.observations.NoteHappening(
      tell.instance.service, {.unix_ms = unix_ms, .text = tell.instance.Text() + " " + text});
  control::EventRecord event{.number = 0,
                             .unix_ms = unix_ms,
                             .kind = std::string(control::KindName(tell.kind)),
                             .service = tell.instance.service,
                             .slot = tell.instance.slot,
                             .generation = tell.generation,
                             .text = std::move(text),
                             .failed = tell.failure.is_set(),
                             .out_of_memory = tell.failure.status.out_of_memory};
  if (Conversations::IsAboutService(tell.kind)) event.slot.reset();
  parts_.note_event(std::move(event));
}

// What cannot be is a remark on the instance; it runs all the same.
void Performer::Enforce(const InstanceId& instance, Token token, Pid pid, const Limits& limits) {
  const os::CgroupLimits wanted{.memory_bytes = limits.memory_bytes,
                                .cpu_permille = limits.cpu_permille,
                                .processes = limits.max_processes};
  if (!wanted.are_set()) return;
  const Result<std::string> folder = os::CgroupDirectoryOf(pid);
  Status enforced = folder ? Status() : std::unexpected(folder.error());
  if (folder && !IsOfInstance(*folder)) {
    enforced = MakeError("it has no cgroup of its own here");
  } else if (folder) {
    enforced = os::EnforceLimits(*folder, wanted);
  }
  if (enforced) return;
  const std::string text = "limits.enforce has no effect: " + enforced.error().message;
  parts_.log.Warn(instance.Text() + " " + text);
  parts_.observations.NoteRemark(token, text);
}

void Performer::EnforceAgain() {
  for (const Service& service : parts_.state.services) {
    for (std::size_t at = 0; at < service.slots.size(); ++at) {
      const Slot& slot = service.slots[at];
      const InstanceId id{service.name, static_cast<SlotIndex>(at)};
      for (const Instance* one : {&slot.current, slot.replacement ? &*slot.replacement : nullptr}) {
        const Process* const process = one == nullptr ? nullptr : one->process();
        const KeptSpec* const kept = one == nullptr ? nullptr : service.Find(one->generation);
        if (process == nullptr || kept == nullptr || !process->pid.is_set()) continue;
        const Limits& limits = kept->spec->limits;
        if (limits.enforce) Enforce(id, process->token, process->pid, limits);
      }
    }
  }
}

// A program that has become another user (set-uid) is out of reach of a daemon that is not root.
void Performer::TellIfOutOfReach(const action::Tell& tell) {
  const Instance* const instance = FindInstance(parts_.state, tell.instance, tell.token);
  const Process* const process = instance == nullptr ? nullptr : instance->process();
  if (process == nullptr || !process->pid.is_set()) return;
  const os::SystemResult<os::Fd> pidfd = os::OpenPidfd(process->pid);
  if (!pidfd) return;
  constexpr int kNoSignal = 0;  // pidfd_send_signal(2): asks only whether it would be allowed
  const os::SystemStatus asked = os::SendSignal(pidfd->get(), kNoSignal);
  if (asked || asked.error().number != EPERM) return;
  const std::string pid = std::to_string(process->pid.number());
  const std::string text = tell.instance.Text() + " pid " + pid +
                           " runs as another user and takes no signals from this daemon; as root: "
                           "kill -9 " +
                           pid;
  parts_.log.Error(text);
  parts_.observations.NoteHappening(tell.instance.service,
                                    {.unix_ms = Clocks::Read().unix_ms, .text = text});
}

// ---- Probes. ----

void Performer::SpawnCheck(const ProbeQuestion& question) {
  const Spec* const spec = SpecOf(parts_.state, question.instance, question.generation);
  const Instance* const instance = FindInstance(parts_.state, question.instance, question.token);
  if (spec == nullptr || instance == nullptr || !instance->is_live()) {
    return parts_.probes.OnCheckNotStarted(question.check, "the instance is gone");
  }
  const auto spawned = parts_.spawner.Spawn({.spec = *spec,
                                             .slot = question.instance.slot,
                                             .generation = question.generation,
                                             .token = question.check,
                                             .purpose = Purpose::kCheck,
                                             .checked = instance->process()->pid});
  if (spawned) {
    checks_.emplace(question.check, question.token);
    return;
  }
  const PlanFailure& failure = spawned.error();
  parts_.probes.OnCheckNotStarted(
      question.check, failure.text.empty() ? std::string(keeper::StageName(failure.stage)) + ": " +
                                                 ErrnoText(failure.error_number)
                                           : failure.text);
}

// Which port it was that another process answers.
void Performer::NoteForeign(const ProbeAnswer& answer) {
  ForEachLive(parts_.state, [&](const InstanceId& id, const Instance& instance) {
    if (instance.token() != answer.token) return;
    const Spec* const spec = SpecOf(parts_.state, id, instance.generation);
    if (spec == nullptr) return;
    const Result<std::string> target = ProbeTarget(
        *spec,
        {.spec = *spec, .slot = id.slot, .generation = instance.generation, .token = answer.token},
        parts_.ground);
    if (!target) return;
    const Result<Endpoint> endpoint = spec->health_check.kind == HealthCheck::Kind::kHttp
                                          ? ParseHttpEndpoint(*target)
                                          : ParseTcpEndpoint(*target);
    if (!endpoint) return;
    if (parts_.observations.ForeignOf(answer.token) != nullptr) return;  // looking costs
    parts_.observations.NoteForeign(
        answer.token,
        {.port = endpoint->port, .who = parts_.ports.TakenBy(id.service, endpoint->port).by});
  });
}

void Performer::OnProbed(const ProbeAnswer& answer) {
  if (answer.outcome == ProbeOutcome::kForeign) NoteForeign(answer);
  control::Health health;
  health.kind = answer.outcome == ProbeOutcome::kGood ? control::Health::Kind::kGood
                                                      : control::Health::Kind::kBad;
  health.ms = ToMillis(answer.took);
  health.text = answer.text;
  if (answer.outcome != ProbeOutcome::kVoid) {
    parts_.observations.NoteHealth(answer.token, std::move(health));
  }
  parts_.inbox.Put(
      Urgency::kRest,
      event::Probed{.token = answer.token, .outcome = answer.outcome, .other = answer.other});
}

std::vector<LiveInstance> Performer::LiveInstances() const {
  std::vector<LiveInstance> live;
  ForEachLive(parts_.state, [&](const InstanceId& id, const Instance& instance) {
    const Process& process = *instance.process();
    if (!process.pid.is_set()) return;
    live.push_back({.token = process.token,
                    .instance = id,
                    .generation = instance.generation,
                    .pid = process.pid,
                    .cgroup = {}});
  });
  return live;
}

std::optional<Pid> Performer::Draining(Token token) const {
  std::optional<Pid> main;
  ForEachLive(parts_.state, [&](const InstanceId& /*id*/, const Instance& instance) {
    const StateKind kind = instance.kind();
    if (instance.token() != token || kind == StateKind::kStopping || kind == StateKind::kKilling) {
      return;
    }
    main = instance.process()->pid;
  });
  return main;
}

std::string Performer::ServiceOf(Token token) const {
  std::string service;
  ForEachLive(parts_.state, [&](const InstanceId& id, const Instance& instance) {
    if (instance.token() == token) service = id.service;
  });
  return service;
}

bool Performer::TakeCheckReport(const keeper::Report& report) {
  const auto is_check = [this](Token token) { return checks_.contains(token); };
  if (const auto* started = std::get_if<keeper::Started>(&report)) return is_check(started->token);
  if (const auto* fired = std::get_if<keeper::KillFired>(&report)) return is_check(fired->token);
  if (const auto* failed = std::get_if<keeper::SpawnFailed>(&report)) {
    if (checks_.erase(failed->token) == 0) return false;
    parts_.probes.OnCheckNotStarted(failed->token, std::string(keeper::StageName(failed->stage)) +
                                                       ": " + ErrnoText(failed->error_number));
    return true;
  }
  if (const auto* exited = std::get_if<keeper::Exited>(&report)) {
    if (!is_check(exited->token)) return false;
    parts_.probes.OnCheckEnded(exited->token, exited->record.status);
    // What a check leaves behind is nothing of the service's.
    parts_.keeper.Send(keeper::Kill{exited->token});
    return true;
  }
  if (const auto* gone = std::get_if<keeper::Gone>(&report)) {
    if (checks_.erase(gone->token) == 0) return false;
    parts_.keeper.Send(keeper::Ack{gone->token});
    return true;
  }
  return false;
}

}  // namespace oxherd
