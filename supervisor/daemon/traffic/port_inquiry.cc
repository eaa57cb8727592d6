#include "daemon/traffic/port_inquiry.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/number.h"
#include "config/endpoint.h"
#include "daemon/commands/views.h"
#include "daemon/traffic/port_evidence.h"
#include "os/clock.h"
#include "os/process_tree.h"

namespace oxherd {
namespace {

using control::TakenPort;

// So soon after its start a process that was Ready may still have failed for a port: some programs
// try to bind again and again before they give up.
constexpr Seconds kSoon{30};
// A stack trace may follow the line that says it.
constexpr std::uint16_t kLinesToRead = 60;

struct Place {
  InstanceId id;
  const Instance* instance = nullptr;
};
std::optional<Place> PlaceOf(const State& state, Token token) {
  for (const Service& service : state.services) {
    for (std::size_t i = 0; i < service.slots.size(); ++i) {
      const Slot& slot = service.slots[i];
      const InstanceId id{service.name, static_cast<SlotIndex>(i)};
      if (slot.current.token() == token) return Place{id, &slot.current};
      if (slot.replacement && slot.replacement->token() == token) {
        return Place{id, &*slot.replacement};
      }
    }
  }
  return std::nullopt;
}

const Spec* SpecOf(const State& state, const std::string& service, Generation generation) {
  const Service* const found = state.Find(service);
  const KeptSpec* const kept = found == nullptr ? nullptr : found->Find(generation);
  return kept == nullptr ? nullptr : kept->spec.get();
}

// "" for all addresses: as it is to be written before the port in `listen`.
std::string HostText(const os::PortHolder& holder) {
  if (holder.local.host == decltype(holder.local.host){}) return "";
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_ipv6 = holder.family == AF_INET6;
  inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, holder.local.host.data(), text.data(), text.size());
  return is_ipv6 ? "[" + std::string(text.data()) + "]" : std::string(text.data());
}

std::string AsWritten(const ListenAddress& listen) {
  const std::string& address = listen.address;
  if (listen.any_family) return address.substr(address.rfind(':') + 1);
  return "\"" + (address.starts_with("tcp:") ? address.substr(4) : address) + "\"";
}

TakenPort::Cause CauseOf(const os::PortHolder& holder) {
  switch (holder.how) {
    case os::PortHolder::How::kListens:
      return holder.pm2 ? TakenPort::Cause::kPm2 : TakenPort::Cause::kStranger;
    case os::PortHolder::How::kConnects:
      return TakenPort::Cause::kConnection;
    case os::PortHolder::How::kJustEnded:
      return TakenPort::Cause::kJustEnded;
    case os::PortHolder::How::kNotToBeSeen:
      break;
  }
  return TakenPort::Cause::kNotToBeSeen;
}

bool IsOwn(TakenPort::Cause cause) {
  switch (cause) {
    case TakenPort::Cause::kGeneration:
    case TakenPort::Cause::kSibling:
    case TakenPort::Cause::kOldSibling:
    case TakenPort::Cause::kOwnListen:
    case TakenPort::Cause::kOldListen:
    case TakenPort::Cause::kSecondPort:
      return true;
    case TakenPort::Cause::kStranger:
    case TakenPort::Cause::kPm2:
    case TakenPort::Cause::kService:
    case TakenPort::Cause::kListenOf:
    case TakenPort::Cause::kConnection:
    case TakenPort::Cause::kJustEnded:
    case TakenPort::Cause::kNotToBeSeen:
      break;
  }
  return false;
}

// To which of ours the process belongs. One look through /proc.
const LiveInstance* InstanceOf(Pid pid, const std::vector<LiveInstance>& live) {
  std::vector<os::TreeRoot> roots;
  roots.reserve(live.size());
  for (const LiveInstance& each : live) roots.push_back({.main = each.pid, .token = each.token});
  std::ranges::sort(roots, {}, &os::TreeRoot::main);
  Result<os::ProcessTrees> trees = os::ProcessTrees::Open();
  if (!trees || !trees->Scan(Pid(::getpid()), roots)) return nullptr;
  const auto member = std::ranges::find(trees->members(), pid,
                                        [](const os::Member& each) { return each.stat.pid; });
  if (member == trees->members().end() || member->tree == os::kNoTree) return nullptr;
  const auto found = std::ranges::find(live, roots[member->tree].main, &LiveInstance::pid);
  return found == live.end() ? nullptr : &*found;
}

}  // namespace

// ---- One that failed. ----

void PortInquiry::OnExited(Token token, const ExitStatus& status) {
  const std::optional<Place> place = PlaceOf(parts_.state, token);
  if (!place) return;
  const Instance& instance = *place->instance;
  const Process* const process = instance.process();
  const bool is_new = process != nullptr && os::Now() - process->spawned_at < kSoon;
  const Spec* const spec = SpecOf(parts_.state, place->id.service, instance.generation);
  if (spec == nullptr) return;
  const bool is_starting = instance.kind() == StateKind::kStarting;
  const bool never_served = is_starting && spec->policy.type == ServiceType::kService;
  const bool failed = (is_starting || (instance.is_ready() && is_new)) && !status.success();
  if (!never_served && !failed) return;
  Result<LogSpec> logs = LogsOf(*spec, place->id.slot, parts_.ground);
  if (!logs) return;
  failed_.insert_or_assign(token, Wanting{.instance = place->id,
                                          .generation = instance.generation,
                                          .token = token,
                                          .own = parts_.pools.PortsOf(place->id.service)});
  parts_.output.RequestTail({.token = token, .logs = std::move(*logs), .lines = kLinesToRead});
}

bool PortInquiry::OnTail(Token token, const std::vector<std::string>& lines) {
  const auto found = failed_.find(token);
  if (found == failed_.end()) return false;
  const Wanting who = std::move(found->second);
  failed_.erase(found);
  Judge(who, lines);
  return true;
}

void PortInquiry::Judge(const Wanting& who, const std::vector<std::string>& lines) {
  if (parts_.observations.WasSocketRefused(who.token)) return;  // the core says what to write
  const PortEvidence evidence = EvidenceIn(lines);
  if (evidence.is_path) return;
  std::vector<std::uint16_t> ports = evidence.ports;
  std::ranges::copy(PortsFor(who), std::back_inserter(ports));
  const auto taken = HeldByOthers(who, ports);
  if (evidence.is_taken && taken) {
    return Say(who,
               "port " + std::to_string(taken->port) + " is taken by " + control::TakenBy(*taken));
  }
  if (evidence.is_taken && !evidence.ports.empty()) {
    return Say(who,
               "port " + std::to_string(evidence.ports.front()) + " was taken, and is free by now");
  }
  if (evidence.is_taken || !taken || taken->cause != TakenPort::Cause::kGeneration) return;
  Say(who, "perhaps as port " + std::to_string(taken->port) + " is taken by " +
               control::TakenBy(*taken));
}

void PortInquiry::Say(const Wanting& who, std::string text) {
  parts_.log.Warn(who.instance.Text() + " gen=" + std::to_string(who.generation.number()) + " " +
                  text);
  parts_.observations.NoteHappening(
      who.instance.service,
      {.unix_ms = Clocks::Read().unix_ms, .text = who.instance.Text() + " " + text});
  parts_.observations.NotePortTaken(who.token, std::move(text));
}

// ---- Who has it. ----

PortTaken PortInquiry::TakenBy(const std::string& service, std::uint16_t port) const {
  const Service* const found = parts_.state.Find(service);
  Wanting who{.instance = {service, 0}, .generation = {}, .token = {}};
  if (found != nullptr) {
    who.generation = found->rollout ? found->rollout->target : found->generation;
  }
  const TakenPort taken = Find(who, port);
  return {.by = control::TakenBy(taken), .is_own = IsOwn(taken.cause)};
}

// Ports that its spec and its fellows tell of.
std::vector<std::uint16_t> PortInquiry::PortsFor(const Wanting& who) const {
  std::vector<std::uint16_t> ports;
  const Spec* const spec = SpecOf(parts_.state, who.instance.service, who.generation);
  if (spec == nullptr) return ports;
  const auto add = [&](std::uint16_t port) {
    if (port != 0 && std::ranges::count(ports, port) == 0) ports.push_back(port);
  };
  if (!spec->policy.has_listen()) {  // else the library answers for the ones that it knows
    const SpawnOrder order{
        .spec = *spec, .slot = who.instance.slot, .generation = who.generation, .token = who.token};
    if (const auto target = ProbeTarget(*spec, order, parts_.ground)) {
      const auto endpoint = spec->health_check.kind == HealthCheck::Kind::kHttp
                                ? ParseHttpEndpoint(*target)
                                : ParseTcpEndpoint(*target);
      const bool asks_port = spec->health_check.kind == HealthCheck::Kind::kHttp ||
                             spec->health_check.kind == HealthCheck::Kind::kTcp;
      if (asks_port && endpoint) add(endpoint->port);
    }
    for (const auto& [name, value] : spec->env) {
      if (name == "PORT") add(ParseNumber<std::uint16_t>(value).value_or(0));
    }
  }
  std::ranges::for_each(who.own, add);
  const auto sockets = os::DumpTcp(1U << TCP_LISTEN, os::kAnyPort);
  if (!sockets) return ports;
  for (const LiveInstance& other : parts_.live_instances()) {
    if (other.instance.service != who.instance.service || other.token == who.token) continue;
    for (const os::TcpSocket& socket : os::OpenIn(other.pid, *sockets)) add(socket.local.port);
  }
  return ports;
}

// The first of the ports that somebody has.
std::optional<TakenPort> PortInquiry::HeldByOthers(const Wanting& who,
                                                   const std::vector<std::uint16_t>& ports) const {
  for (const std::uint16_t port : ports) {
    TakenPort taken = Find(who, port);
    const bool is_served = taken.cause == TakenPort::Cause::kOwnListen &&
                           parts_.observations.HasTakenSocket(who.token);
    if (taken.cause != TakenPort::Cause::kNotToBeSeen && !is_served) return taken;
  }
  return std::nullopt;
}

TakenPort PortInquiry::Find(const Wanting& who, std::uint16_t port) const {
  TakenPort taken;
  taken.port = port;
  const Spec* const spec = SpecOf(parts_.state, who.instance.service, who.generation);
  const std::string pool = parts_.pools.HolderOf(port);
  // Its own may be closed by now, as it has failed.
  const bool is_own =
      pool.empty() ? std::ranges::count(who.own, port) > 0 : pool == who.instance.service;
  if (is_own || !pool.empty()) {
    taken.cause = is_own ? TakenPort::Cause::kOwnListen : TakenPort::Cause::kListenOf;
    taken.name = pool;
    const auto has_port = [port](const ListenAddress& listen) {
      return listen.address.ends_with(":" + std::to_string(port));
    };
    if (is_own && spec != nullptr && std::ranges::none_of(spec->policy.listen, has_port)) {
      taken.cause = TakenPort::Cause::kOldListen;
      taken.name = who.instance.service;
      std::ranges::transform(spec->policy.listen, std::back_inserter(taken.listed), AsWritten);
    }
    if (spec != nullptr) taken.why = WhyNotHanded(*spec);
    return taken;
  }
  const Result<os::PortHolder> holder = os::HolderOf(port);
  if (!holder) return taken;
  taken.cause = CauseOf(*holder);
  taken.host = HostText(*holder);
  taken.pid = holder->pid;
  taken.uid = holder->uid;
  taken.command = holder->command;
  taken.name = holder->pm2.value_or("");
  if (taken.cause == TakenPort::Cause::kConnection || !holder->pid.is_set()) return taken;
  const std::vector<LiveInstance> live = parts_.live_instances();
  if (const LiveInstance* ours = InstanceOf(holder->pid, live)) NameOurs(who, *ours, taken);
  return taken;
}

void PortInquiry::NameOurs(const Wanting& who, const LiveInstance& holder, TakenPort& taken) const {
  taken.name = holder.instance.Text();
  if (holder.instance.service != who.instance.service) {
    taken.cause = TakenPort::Cause::kService;
    return;
  }
  const bool is_old = holder.generation != who.generation;
  taken.cause = is_old ? TakenPort::Cause::kGeneration : TakenPort::Cause::kSibling;
  taken.other = holder.generation;
  const Spec* const spec = SpecOf(parts_.state, who.instance.service, who.generation);
  if (spec == nullptr) return;
  const bool stops_first = spec->policy.reload_strategy == ReloadStrategy::kStopFirst;
  if (is_old && stops_first && holder.instance.slot != who.instance.slot) {
    taken.cause = TakenPort::Cause::kOldSibling;
  }
  if (!spec->policy.has_listen()) return;
  taken.cause = TakenPort::Cause::kSecondPort;
  if (is_old) taken.name.clear();
  for (const ListenAddress& listen : spec->policy.listen) taken.listed.push_back(AsWritten(listen));
}

TakenPort::Why PortInquiry::WhyNotHanded(const Spec& spec) const {
  using Why = TakenPort::Why;
  const std::vector<std::string>& words = spec.command.argv;
  const bool has_sudo = std::ranges::any_of(words, [](const std::string& word) {
    return word == "sudo" || word.starts_with("sudo ") || word.contains("/sudo ") ||
           word.ends_with("/sudo") || word.contains(" sudo ");
  });
  if (has_sudo) return Why::kSudo;
  switch (os::LoadingOf(spec.program)) {
    case os::Loading::kStatic:
      return Why::kStatic;
    case os::Loading::kMusl:
      return Why::kMusl;
    case os::Loading::kNotElf:
    case os::Loading::kDynamic:
      break;
  }
  return Why::kUnknown;
}

}  // namespace oxherd
