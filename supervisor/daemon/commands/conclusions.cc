// The end of a conversation: what became of each service, with the last lines of what failed.
#include <algorithm>
#include <optional>
#include <utility>

#include "control/wire.h"
#include "daemon/commands/conversations.h"
#include "os/clock.h"

namespace oxherd {
namespace {

using control::FromDaemon;
using control::Reply;
using control::ServiceResult;

// A reply that does not wait has to say how it will be.
Outcome OutcomeToSay(const RequestItem& item) {
  if (IsFinal(item.outcome)) return item.outcome;
  switch (item.verb) {
    case Verb::kStop:
    case Verb::kDelete:
    case Verb::kShutdown:
      return Outcome::kStopped;
    case Verb::kReload:
    case Verb::kApply:
      return Outcome::kReloaded;
    case Verb::kNone:
    case Verb::kStart:
    case Verb::kRestart:
    case Verb::kWait:
    case Verb::kBoot:
    case Verb::kReplace:
    case Verb::kDrain:
    case Verb::kResume:
    case Verb::kReset:
    case Verb::kScale:
      break;
  }
  return Outcome::kStarted;
}

// Who goes on running although what it depends on was stopped.
std::vector<std::string> RunningDependents(const State& state, const std::string& name) {
  std::vector<std::string> dependents;
  for (const Service& service : state.services) {
    if (service.wish != Wish::kRunning || service.is_down()) continue;
    const auto& depends_on = service.spec().policy.depends_on;
    if (std::ranges::find(depends_on, name, &Dependency::service) != depends_on.end()) {
      dependents.push_back(service.name);
    }
  }
  return dependents;
}

std::string FailedInstance(const RequestItem& item) {
  using Kind = Failure::Kind;
  switch (item.failure.kind) {
    case Kind::kExited:
    case Kind::kNotReady:
    case Kind::kSpawn:
    case Kind::kUnhealthy:
    case Kind::kForeignPort:
    case Kind::kBindFamily:
    case Kind::kBindWidth:
    case Kind::kNotInTraffic:
    case Kind::kLastInTraffic:
    case Kind::kDeaf:
      return InstanceId{item.service, item.failure.slot}.Text();
    case Kind::kNone:
    case Kind::kDependency:
    case Kind::kHook:
    case Kind::kAborted:
    case Kind::kSuperseded:
    case Kind::kUnkillable:
    case Kind::kUnknown:
    case Kind::kTimeout:
    case Kind::kListen:
    case Kind::kRoutine:
    case Kind::kCount:
      break;
  }
  return "";
}

// A wait whose time is over is not done, and not failed either: what it waits for goes on.
control::ExitCode CodeForFailures(const RequestRecord& record) {
  const bool in_time = std::ranges::none_of(record.items, [](const RequestItem& item) {
    return item.failure.kind == Failure::Kind::kTimeout;
  });
  return in_time ? control::ExitCode::kNotDone : control::ExitCode::kLost;
}

const Spec* SpecOfFailure(const Service& service, const RequestItem& item) {
  const KeptSpec* kept = item.tried.is_set() ? service.Find(item.tried) : nullptr;
  if (kept == nullptr) kept = service.Find(service.generation);
  return kept == nullptr ? nullptr : kept->spec.get();
}

// The old generation serves, but what it would be started from again is what the new one brought.
std::optional<std::string> SharedFolderNote(const Service& service, const RequestItem& item) {
  if (item.outcome != Outcome::kRolledBack || item.tried == service.generation) return std::nullopt;
  const KeptSpec* const tried = service.Find(item.tried);
  const KeptSpec* const kept = service.Find(service.generation);
  if (tried == nullptr || kept == nullptr) return std::nullopt;
  const std::string& folder = kept->spec->working_dir;
  if (folder != tried->spec->working_dir) return std::nullopt;
  return "both generations run from " + folder + ": a crash would start what is there now";
}

}  // namespace

void Conversations::OnReply(RequestId request) {
  const auto found = open_.find(request);
  if (found == open_.end()) return;
  found->second.is_replied = true;
  if (found->second.clients.empty()) return;
  Conclude(request, found->second, std::exchange(found->second.clients, {}));
}

void Conversations::Conclude(RequestId id, Open& open, std::vector<ClientId> clients) {
  const RequestRecord* const record = parts_.state.Find(id);
  if (record == nullptr) return;
  Assembling assembling{.request = id, .clients = std::move(clients)};
  assembling.reply = ReplyFor(*record, open, assembling.tails);
  if (assembling.tails.empty()) return Finish(assembling);
  assembling_.push_back(std::move(assembling));
  for (const RequestItem& item : record->items) {
    if (item.failure.token.is_set() && IsFinal(item.outcome)) {
      AskForTail(item.failure.token, item);
    }
  }
}

Reply Conversations::ReplyFor(const RequestRecord& record, const Open& open,
                              std::unordered_map<Token, std::size_t>& tails) const {
  Reply reply;
  reply.command = open.command;
  reply.ms = ToMillis(os::Now() - record.accepted);
  const bool ok = record.finished ? record.succeeded() : true;
  reply.code = ok ? control::ExitCode::kDone : CodeForFailures(record);
  for (const RequestItem& item : record.items) {
    if (item.failure.token.is_set() && IsFinal(item.outcome)) {
      tails.emplace(item.failure.token, reply.services.size());
    }
    reply.services.push_back(ResultFor(item, open));
  }
  return reply;
}

ServiceResult Conversations::ResultFor(const RequestItem& item, const Open& open) const {
  ServiceResult result;
  result.name = item.service;
  if (item.slot) result.instance = InstanceId{item.service, *item.slot}.Text();
  result.outcome = OutcomeToSay(item);
  result.generation = item.generation;
  result.tried = item.tried;
  const Service* const service = parts_.state.Find(item.service);
  const Spec* const spec = service == nullptr ? nullptr : SpecOfFailure(*service, item);
  if (service != nullptr) {
    result.generation = service->generation;
    result.instances = static_cast<std::uint16_t>(service->slots.size());
  }
  if (const auto course = open.courses.find(item.service); course != open.courses.end()) {
    const Instant ended = course->second.ended == kNever ? os::Now() : course->second.ended;
    result.ms = ToMillis(ended - course->second.began);
    if (course->second.longest_gap > Duration::zero()) {
      result.gap_ms = ToMillis(course->second.longest_gap);
    }
  }
  if (item.failure.is_set()) {
    result.reason = ReasonFor(item.failure, spec, parts_.observations);
    result.failed_instance = FailedInstance(item);
  }
  const auto notes = open.understood.service_notes.find(item.service);
  if (notes != open.understood.service_notes.end()) {
    result.notes = notes->second;
  } else if (item.differs) {
    result.notes.push_back(item.service + " runs with another definition: oxherd reload " +
                           item.service);
  }
  if (service != nullptr) {
    if (auto note = SharedFolderNote(*service, item)) result.notes.push_back(std::move(*note));
  }
  if (item.was_stopped) {
    result.notes.push_back(item.service + " was stopped and stays so: oxherd start " +
                           item.service);
  }
  if (item.verb == Verb::kStop && item.outcome == Outcome::kStopped && !item.slot) {
    for (const std::string& dependent : RunningDependents(parts_.state, item.service)) {
      result.notes.push_back(dependent + " depends on " + item.service + " and keeps running");
    }
  }
  return result;
}

void Conversations::AskForTail(Token token, const RequestItem& item) {
  OutputLog::TailQuestion question{.token = token, .logs = {}, .lines = control::kLogTailLines};
  const bool is_other = item.failure.kind == Failure::Kind::kDependency;
  const std::string& name = is_other ? item.failure.service : item.service;
  if (const Service* const service = parts_.state.Find(name)) {
    if (const Spec* const spec = SpecOfFailure(*service, item)) {
      if (Result<LogSpec> logs = LogsOf(*spec, item.failure.slot, parts_.ground)) {
        question.logs = std::move(*logs);
      }
    }
  }
  parts_.output.RequestTail(std::move(question));
}

// What its last lines have shown by now.
void Conversations::Sharpen(RequestId request, std::size_t index, ServiceResult& result) const {
  const RequestRecord* const record = parts_.state.Find(request);
  if (record == nullptr || index >= record->items.size()) return;
  const RequestItem& item = record->items[index];
  const Service* const service = parts_.state.Find(item.service);
  const Spec* const spec = service == nullptr ? nullptr : SpecOfFailure(*service, item);
  result.reason = ReasonFor(item.failure, spec, parts_.observations);
}

void Conversations::OnTail(Token token, std::vector<std::string> lines) {
  for (Assembling& assembling : assembling_) {
    const auto wanted = assembling.tails.find(token);
    if (wanted == assembling.tails.end()) continue;
    assembling.reply.services[wanted->second].log_tail = lines;
    Sharpen(assembling.request, wanted->second, assembling.reply.services[wanted->second]);
    assembling.tails.erase(wanted);
    if (assembling.tails.empty()) Finish(assembling);
  }
  std::erase_if(assembling_, [](const Assembling& each) { return each.tails.empty(); });
}

void Conversations::Finish(Assembling& done) {
  done.reply.daemon_version = OXHERD_VERSION;
  const std::string line = control::EncodeLine(FromDaemon(std::move(done.reply)));
  for (const ClientId client : done.clients) server_->SendLast(client, line);
  done.clients.clear();
}

}  // namespace oxherd
