#include "daemon/commands/conversations.h"

#include <algorithm>
#include <new>
#include <utility>
#include <variant>

#include "config/freeze.h"
#include "control/describe.h"
#include "control/wire.h"
#include "core/auto_listen.h"
#include "core/supervisor.h"
#include "daemon/commands/verb_of.h"
#include "daemon/launch/service_environment.h"
#include "os/clock.h"

namespace oxherd {
namespace {

using Asked = control::Command;
using control::FromDaemon;
using control::Reply;
using Delivery = ControlServer::Delivery;

control::PlanStep::Kind StepFor(const RequestItem& item) {
  using Kind = control::PlanStep::Kind;
  if (item.was_stopped) return Kind::kLeaveStopped;
  if (item.outcome == Outcome::kUnchanged) return Kind::kKeep;
  if (item.verb == Verb::kReload) return Kind::kReload;
  if (item.verb == Verb::kStop) return Kind::kStop;
  if (item.verb == Verb::kRestart) return Kind::kRestart;
  return item.verb == Verb::kDelete ? Kind::kDelete : Kind::kStart;
}

std::uint16_t InstancesOf(const State& state, const std::string& name) {
  const Service* const service = state.Find(name);
  return service == nullptr ? 0 : service->spec().policy.instances;
}

bool Concerns(const RequestRecord& record, const std::string& service) {
  return record.verb == Verb::kShutdown ||
         std::ranges::find(record.items, service, &RequestItem::service) != record.items.end();
}

std::size_t ReadyCount(const Service& service) {
  std::size_t count = 0;
  for (const Slot& slot : service.slots) {
    if (slot.current.is_ready() || (slot.replacement && slot.replacement->is_ready())) ++count;
  }
  return count;
}

}  // namespace

bool Conversations::IsAboutService(action::Tell::Kind kind) {
  using Kind = action::Tell::Kind;
  return kind == Kind::kReloadBegun || kind == Kind::kReloadDone || kind == Kind::kRollingBack ||
         kind == Kind::kRolledBack || kind == Kind::kStopsFirst || kind == Kind::kReopened;
}

CommandContext Conversations::context() const {
  return {.state = parts_.state,
          .surroundings = parts_.surroundings,
          .find_row = [this](std::uint32_t id) { return parts_.observations.InstanceOfRow(id); }};
}

Views Conversations::views() {
  return Views({.state = parts_.state,
                .observations = parts_.observations,
                .usage = usage_,
                .pools = parts_.pools,
                .timetable = parts_.timetable,
                .files = parts_.files,
                .ground = parts_.ground});
}

void Conversations::Answer(ClientId client, Reply reply) {
  reply.daemon_version = OXHERD_VERSION;
  server_->SendLast(client, control::EncodeLine(FromDaemon(std::move(reply))));
}

void Conversations::OnSaid(ClientId client, control::FromClient message) {
  std::visit([&](const auto& said) { On(client, said); }, message);
}

void Conversations::On(ClientId client, const control::Request& request) {
  if (!control::IsTracked(request.command)) return Look(client, request);
  // The same id twice is one request.
  if (open_.contains(request.id) || parts_.state.Find(request.id) != nullptr) {
    return Join(client, request.id);
  }
  Begin(client, request);
}

void Conversations::On(ClientId client, const control::Attach& attach) {
  if (open_.contains(attach.id) || parts_.state.Find(attach.id) != nullptr) {
    return Join(client, attach.id);
  }
  Reply reply;
  reply.code = control::ExitCode::kLost;
  reply.error = "the daemon does not know this request; see oxherd list for how things are";
  Answer(client, std::move(reply));
}

// ---- Commands that only look. ----

void Conversations::Look(ClientId client, const control::Request& request) {
  if (request.command == Asked::kDaemonUpgrade) return BeginUpgrade(client, request);
  Answer(client, LookAt(request));
}

Figures Conversations::FiguresNow() {
  Figures figures{.services = views().Details({}), .reloads = {}, .daemon = parts_.daemon_detail()};
  for (const control::ServiceDetail& service : figures.services) {
    figures.reloads.push_back(parts_.observations.ReloadsOf(service.name));
  }
  return figures;
}

Reply Conversations::LookAt(const control::Request& request) {
  Reply reply;
  reply.command = request.command;
  reply.daemon_version = OXHERD_VERSION;
  std::vector<InstanceId> selected;
  if (!request.names.empty()) {
    auto selection = ReadSelection(request, context());
    if (!selection) return std::move(selection.error());
    selected = std::move(*selection);
  }
  switch (request.command) {
    case Asked::kList:
      reply.instances = views().Rows(selected, Views::WithUsage::kYes, Views::WithLogs::kNo);
      break;
    case Asked::kLogs:
      reply.instances = views().Rows(selected, Views::WithUsage::kNo, Views::WithLogs::kYes);
      break;
    case Asked::kStatus:
      reply.details = views().Details(selected);
      for (control::ServiceDetail& detail : reply.details) {
        if (!detail.ready) reply.code = control::ExitCode::kNotDone;
        if (!request.names.empty()) AddDifferences(detail);
      }
      break;
    case Asked::kEnvironment:
      AddEnvironments(selected, request.reveal, reply);
      break;
    case Asked::kSignal:
      SendSignals(selected, request.signal, reply);
      break;
    case Asked::kPing:
    case Asked::kDaemonStatus:
      reply.daemon = parts_.daemon_detail();
      break;
    case Asked::kStart:
    case Asked::kStop:
    case Asked::kRestart:
    case Asked::kReload:
    case Asked::kApply:
    case Asked::kDelete:
    case Asked::kDrain:
    case Asked::kResume:
    case Asked::kReplace:
    case Asked::kRollback:
    case Asked::kReset:
    case Asked::kScale:
    case Asked::kWait:
    case Asked::kDaemonStop:
    case Asked::kDaemonUpgrade:
      break;  // answered elsewhere
  }
  return reply;
}

// A reply that asked for nothing names nothing: env and signal want a name.
void Conversations::SendSignals(const std::vector<InstanceId>& selected, std::uint8_t signal,
                                Reply& reply) {
  std::vector<InstanceId> reached;
  for (const InstanceId& id : selected) {
    const Service* const service = parts_.state.Find(id.service);
    if (service == nullptr || id.slot >= service->slots.size() || signal == 0) continue;
    const Slot& slot = service->slots[id.slot];
    bool is_live = false;
    for (const Instance* instance :
         {&slot.current, slot.replacement ? &*slot.replacement : nullptr}) {
      if (instance == nullptr || !instance->is_live()) continue;
      parts_.send_signal(instance->token(), signal);
      is_live = true;
    }
    if (is_live) reached.push_back(id);
  }
  if (reached.empty()) {
    reply.code = control::ExitCode::kNotDone;
    reply.error = "nothing of it runs; no signal was sent";
    return;
  }
  reply.instances = views().Rows(reached, Views::WithUsage::kNo, Views::WithLogs::kNo);
}

// Of the first of the instances of each service that were named.
void Conversations::AddEnvironments(const std::vector<InstanceId>& selected, bool reveal,
                                    Reply& reply) const {
  for (const InstanceId& id : selected) {
    const Service* const service = parts_.state.Find(id.service);
    const bool is_there =
        std::ranges::find(reply.environments, id.service, &control::ServiceEnvironment::service) !=
        reply.environments.end();
    if (service == nullptr || is_there) continue;
    const Token token =
        id.slot < service->slots.size() ? service->slots[id.slot].current.token() : Token();
    auto environment =
        EnvironmentFor(service->spec(), {id.slot, service->generation, token}, parts_.ground.base,
                       reveal ? Secrets::kShown : Secrets::kHidden);
    if (!environment) {
      reply.code = control::ExitCode::kNotDone;
      reply.error = id.service + ": " + environment.error().message;
      return;
    }
    reply.environments.push_back(std::move(*environment));
  }
}

void Conversations::BeginUpgrade(ClientId client, const control::Request& request) {
  const auto answer = [this, client](const Status& status) {
    Reply reply;
    reply.command = Asked::kDaemonUpgrade;
    reply.daemon = parts_.daemon_detail();
    if (!status) {
      reply.code = control::ExitCode::kNotDone;
      reply.error = status.error().message;
    }
    Answer(client, std::move(reply));
  };
  const auto is_absolute = [](const std::string& path) { return path.starts_with('/'); };
  if (request.names.size() != 2 || !std::ranges::all_of(request.names, is_absolute)) {
    return answer(MakeError("an upgrade names the new keeper and the new daemon"));
  }
  parts_.upgrade({.keeper = request.names[0], .daemon = request.names[1]}, answer);
}

// What the files say now.
void Conversations::AddDifferences(control::ServiceDetail& detail) const {
  const Service* const service = parts_.state.Find(detail.name);
  if (service == nullptr || detail.oxfile.empty()) return;
  auto oxfile =
      LoadOxfile(detail.oxfile, parts_.surroundings, ProfilesOf(parts_.state, detail.oxfile));
  if (!oxfile) {
    detail.file_problem = oxfile.error().empty() ? "it is not valid" : oxfile.error().front();
    return;
  }
  const auto found = std::ranges::find(oxfile->specs, detail.name, &Spec::name);
  if (found == oxfile->specs.end()) {
    detail.file_problem = detail.name + " is no longer in it";
    return;
  }
  KeepStoredPath(*found, service->spec());
  Result<Spec> frozen = Freeze(std::move(*found), parts_.surroundings.base);
  if (!frozen) {
    detail.file_problem = frozen.error().message;
    return;
  }
  KeepFoundAddress(*frozen, service->spec(), Runs::kYes);
  detail.differences = Differences(service->spec(), *frozen);
}

// ---- Commands that change something. ----

void Conversations::Begin(ClientId client, const control::Request& request) {
  auto understood = ReadCommand(request, context());
  if (!understood) return Answer(client, std::move(understood.error()));
  if (request.dry_run) return Rehearse(client, request, *understood);
  if (understood->settings) parts_.use_settings(*understood->settings);
  Open& open = open_[request.id];
  open.command = request.command;
  open.clients = {client};
  open.no_wait = request.no_wait;
  event::Request event = std::move(understood->event);
  open.understood = std::move(*understood);
  try {
    parts_.ask_core(std::move(event));
  } catch (const std::bad_alloc&) {  // for ControlServer, which says so
    open_.erase(request.id);
    throw;
  }
}

// What it would do is what it does to a copy.
void Conversations::Rehearse(ClientId client, const control::Request& request,
                             const Understood& understood) {
  State copy = parts_.state;
  Actions unused;
  Apply(copy, understood.event, os::Now(), unused);
  Reply reply;
  reply.command = request.command;
  reply.notes = understood.notes;
  const RequestRecord* const record = copy.Find(request.id);
  for (const RequestItem& item : record->items) {
    control::PlanStep step{.service = item.service};
    const auto spec = std::ranges::find_if(
        understood.event.specs, [&](const SpecPtr& each) { return each->name == item.service; });
    const bool has_spec = spec != understood.event.specs.end();
    if (has_spec) step.instances = (*spec)->policy.instances;
    step.kind = StepFor(item);
    if (step.instances == 0) step.instances = InstancesOf(parts_.state, item.service);
    const Service* const service = parts_.state.Find(item.service);
    if (service != nullptr && has_spec) step.differences = Differences(service->spec(), **spec);
    reply.plan.push_back(std::move(step));
  }
  for (const std::string& name : understood.left_file) {
    reply.plan.push_back({.service = name, .kind = control::PlanStep::Kind::kLeftFile});
  }
  Answer(client, std::move(reply));
}

void Conversations::Join(ClientId client, RequestId id) {
  const RequestRecord* const record = parts_.state.Find(id);
  const auto [place, is_new] = open_.try_emplace(id);
  Open& open = place->second;
  if (is_new) {
    // Asked for under an earlier daemon.
    open.command = CommandOf(record->verb);
    open.is_announced = true;
    open.is_replied = record->finished;
  }
  open.clients.push_back(client);
  if (!open.is_announced) return;
  server_->Send(client,
                control::EncodeLine(FromDaemon(control::Accepted{
                    .id = id, .oxfiles = open.understood.oxfiles, .notes = open.understood.notes})),
                Delivery::kSurely);
  if (record != nullptr && record->finished) Conclude(id, open, {client});
}

void Conversations::OnGone(ClientId client) {
  for (auto& [id, open] : open_) std::erase(open.clients, client);
  for (Assembling& assembling : assembling_) std::erase(assembling.clients, client);
}

void Conversations::OnTurn(Instant now) {
  std::erase_if(open_, [&](const auto& entry) {
    return entry.second.is_announced && parts_.state.Find(entry.first) == nullptr;
  });
  for (auto& [id, open] : open_) {
    const RequestRecord* const record = parts_.state.Find(id);
    if (record == nullptr) continue;  // its event comes with the next turn
    if (!open.is_announced) Announce(id, open);
    if (!record->finished || !open.is_replied) Follow(*record, open, now);
    if (open.no_wait && !open.clients.empty() && !record->finished) {
      Conclude(id, open, std::exchange(open.clients, {}));
    }
  }
}

void Conversations::Announce(RequestId id, Open& open) {
  open.is_announced = true;
  const std::string line = control::EncodeLine(FromDaemon(control::Accepted{
      .id = id, .oxfiles = open.understood.oxfiles, .notes = open.understood.notes}));
  for (const ClientId client : open.clients) server_->Send(client, line, Delivery::kSurely);
}

// When each service had its turn, and how long nothing of it was Ready.
void Conversations::Follow(const RequestRecord& record, Open& open, Instant now) const {
  for (const RequestItem& item : record.items) {
    if (item.outcome == Outcome::kQueued) continue;
    Course& course = open.courses[item.service];
    if (course.began == kNever) course.began = now;
    if (course.ended != kNever) continue;
    const Service* const service = parts_.state.Find(item.service);
    const bool is_empty =
        item.verb == Verb::kReload && service != nullptr && ReadyCount(*service) == 0;
    if (is_empty && course.gap_began == kNever) course.gap_began = now;
    if (!is_empty && course.gap_began != kNever) {
      course.longest_gap = std::max(course.longest_gap, now - course.gap_began);
      course.gap_began = kNever;
    }
    if (IsFinal(item.outcome)) course.ended = now;
  }
}

void Conversations::OnTell(const action::Tell& tell) {
  std::string line;
  for (const auto& [id, open] : open_) {
    if (open.clients.empty() || !open.is_announced) continue;
    const RequestRecord* const record = parts_.state.Find(id);
    if (record == nullptr || open.is_replied || !Concerns(*record, tell.instance.service)) {
      continue;
    }
    if (line.empty()) {
      const Service* const service = parts_.state.Find(tell.instance.service);
      const KeptSpec* const kept = service ? service->Find(tell.generation) : nullptr;
      control::Progress progress;
      progress.kind = tell.kind;
      progress.service = tell.instance.service;
      if (!IsAboutService(tell.kind)) progress.slot = tell.instance.slot;
      progress.generation = tell.generation;
      const Spec* const spec = kept ? kept->spec.get() : nullptr;
      progress.text = WithReason(control::Describe(tell, {.spec = spec}), tell.failure, spec,
                                 parts_.observations);
      if (tell.kind == action::Tell::Kind::kReady && kept != nullptr) {
        progress.detail = control::EvidenceText(*kept->spec);
      }
      progress.ms = tell.millis;
      progress.failed = tell.failure.is_set();
      line = control::EncodeLine(FromDaemon(std::move(progress)));
    }
    for (const ClientId client : open.clients) server_->Send(client, line, Delivery::kMayDrop);
  }
}

}  // namespace oxherd
