#include "core/request.h"

#include <algorithm>

#include "core/request_accept.h"
#include "core/start_order.h"
#include "core/supervisor.h"

namespace oxherd {
namespace {

void End(RequestItem& item, Outcome outcome, const Failure& failure = {}) {
  item.outcome = outcome;
  item.failure = failure;
}

Failure Because(Failure::Kind kind, const std::string& service) {
  Failure failure;
  failure.kind = kind;
  failure.service = service;
  return failure;
}

template <typename Visit>
void ForEachInstance(const Service& service, const RequestItem& item, Visit visit) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    if (item.slot && *item.slot != i) continue;
    visit(service.slots[i].current);
    if (service.slots[i].replacement) visit(*service.slots[i].replacement);
  }
}

// Of the processes that lived when the item was accepted: is one left, and will it ever go?
struct Left {
  bool any = false;
  bool unkillable = false;
};
Left WhatIsLeft(const Service& service, const RequestItem& item) {
  Left left;
  ForEachInstance(service, item, [&](const Instance& instance) {
    const auto* stopping = std::get_if<Stopping>(&instance.state);
    const bool hook_runs = stopping != nullptr && stopping->phase == Stopping::Phase::kPostStop;
    const Token token = hook_runs ? stopping->process.token : instance.token();
    if (!token.is_set() || token >= item.limit) return;
    left.any = true;
    const auto* killing = std::get_if<Killing>(&instance.state);
    if (killing != nullptr && killing->unkillable) left.unkillable = true;
  });
  return left;
}

void EvaluateStop(RequestItem& item, const Service& service) {
  if (service.stop_order) return;
  const Left left = WhatIsLeft(service, item);
  if (left.unkillable) {
    End(item, Outcome::kFailed, Because(Failure::Kind::kUnkillable, item.service));
  } else if (!left.any && item.verb == Verb::kStop) {
    End(item, Outcome::kStopped);
  }
}

// The failed instance that ends a start, if there is one.
const Instance* FailedSlot(const Service& service, const RequestItem& item) {
  const Instance* found = nullptr;
  ForEachInstance(service, item, [&](const Instance& instance) {
    const StateKind kind = instance.kind();
    // A 0 before it was ready is a failed start all the same.
    const bool was_up = !instance.failure.is_set() || instance.failure.was_ready;
    const bool ended_well = was_up && instance.last_exit && instance.last_exit->success();
    const bool has_ended = kind == StateKind::kExited && !instance.awaits_schedule();
    const bool given_up = kind == StateKind::kFailed || (has_ended && !ended_well);
    const auto* killing = std::get_if<Killing>(&instance.state);
    const bool stuck = killing != nullptr && killing->unkillable;
    if (given_up || stuck) found = &instance;
  });
  return found;
}

bool WaitsForDependencies(const Service& service) {
  return std::ranges::any_of(service.slots, [](const Slot& slot) {
    const auto* waiting = std::get_if<Waiting>(&slot.current.state);
    return waiting != nullptr && waiting->order == Order::kAfterDependencies;
  });
}

// A dependency that will not be met without somebody doing something. Looks `far` steps along the
// dependencies: definitions of different times can form a cycle.
const Dependency* LostDependency(const State& state, const Service& service,
                                 const RequestRecord& record, std::size_t far) {
  for (const Dependency& need : service.waits_for) {
    if (IsMet(state, need)) continue;
    const Service* other = state.Find(need.service);
    if (other == nullptr || other->wish == Wish::kStopped) return &need;
    const auto same = std::ranges::find(record.items, need.service, &RequestItem::service);
    if (same != record.items.end() && same->outcome == Outcome::kFailed) return &need;
    if (FailedSlot(*other, RequestItem{.service = other->name})) return &need;
    const bool waits = far > 0 && WaitsForDependencies(*other);
    if (waits && LostDependency(state, *other, record, far - 1) != nullptr) return &need;
  }
  return nullptr;
}

// What waits for a dependency that will not come has failed.
void EndIfDependencyIsLost(const State& state, const RequestRecord& record, RequestItem& item,
                           const Service& service) {
  if (!WaitsForDependencies(service)) return;
  const std::size_t far = state.services.size();
  if (const Dependency* lost = LostDependency(state, service, record, far)) {
    Failure failure = Because(Failure::Kind::kDependency, lost->service);
    const Service* other = state.Find(lost->service);
    const RequestItem whole{.service = lost->service};
    if (const Instance* cause = other == nullptr ? nullptr : FailedSlot(*other, whole)) {
      failure.status = cause->failure.status;
      failure.token = cause->failure.token;
    }
    End(item, Outcome::kFailed, failure);
  }
}

void EvaluateStart(const State& state, const RequestRecord& record, RequestItem& item,
                   const Service& service) {
  if (item.verb == Verb::kRestart) {
    const Left left = WhatIsLeft(service, item);
    if (left.unkillable) {
      return End(item, Outcome::kFailed, Because(Failure::Kind::kUnkillable, item.service));
    }
    if (left.any || service.stop_order) return;
  }
  item.generation = service.generation;
  const bool oneshot = service.spec().policy.type == ServiceType::kOneshot;
  if (IsUp(service, item)) return End(item, oneshot ? Outcome::kDone : Outcome::kStarted);
  if (const Instance* failed = FailedSlot(service, item)) {
    return End(item, Outcome::kFailed, failed->failure);
  }
  EndIfDependencyIsLost(state, record, item, service);
}

// Beyond what the definition has, and on its way; what a roll-back has left there stays.
bool IsOnItsWay(const Service& service, const Instance& surplus) {
  const StateKind kind = surplus.kind();
  const bool is_leaving =
      kind == StateKind::kDraining || kind == StateKind::kStopping || kind == StateKind::kKilling;
  return is_leaving || (surplus.is_live() && service.rollout.has_value());
}

// As many as were wanted, all up, and the others gone.
void EvaluateScale(const State& state, const RequestRecord& record, RequestItem& item,
                   const Service& service) {
  bool waits = false;
  for (std::size_t i = service.spec().policy.instances; i < service.slots.size(); ++i) {
    const Instance& surplus = service.slots[i].current;
    waits |= IsOnItsWay(service, surplus);
    if (!surplus.is_unkillable()) continue;
    return End(item, Outcome::kFailed, Because(Failure::Kind::kUnkillable, item.service));
  }
  if (service.wish != Wish::kRunning) return End(item, Outcome::kDone);
  if (!waits && IsUp(service, item)) return End(item, Outcome::kDone);
  if (waits) return;
  if (const Instance* failed = FailedSlot(service, item)) {
    return End(item, Outcome::kFailed, failed->failure);
  }
  EndIfDependencyIsLost(state, record, item, service);
}

bool Holds(const Service& service, const RequestItem& item, event::Request::Until until) {
  switch (until) {
    case event::Request::Until::kReady:
      return IsUp(service, item);
    case event::Request::Until::kHealthy:
      return IsUp(service, item) && std::ranges::none_of(service.slots, [](const Slot& slot) {
               return slot.current.kind() == StateKind::kUnhealthy;
             });
    case event::Request::Until::kDone:
      return !service.slots.empty() && std::ranges::all_of(service.slots, [](const Slot& slot) {
        return slot.current.kind() == StateKind::kExited && slot.current.last_exit;
      });
  }
  return false;
}

// Out of traffic, and nothing of it under way; or it is gone.
void EvaluateDrain(RequestItem& item, const Service& service) {
  bool waits = false;
  ForEachInstance(service, item, [&](const Instance& instance) {
    waits |= instance.token() == item.limit && instance.out_until != kNever;
  });
  if (!waits) End(item, Outcome::kDone);
}

// As State::Find(); items mostly come in the services' order, so that the one after the last found
// is tried first.
const Service* FindNext(const State& state, const std::string& name, std::size_t& next) {
  const Service* found = next < state.services.size() && state.services[next].name == name
                             ? &state.services[next]
                             : state.Find(name);
  if (found != nullptr) next = static_cast<std::size_t>(found - state.services.data()) + 1;
  return found;
}

void EvaluateItem(const State& state, const RequestRecord& record, RequestItem& item,
                  const Service* service) {
  if (service == nullptr) {
    const bool wanted_gone = item.verb == Verb::kDelete || item.verb == Verb::kStop;
    return End(item, wanted_gone ? Outcome::kStopped : Outcome::kFailed,
               wanted_gone ? Failure{} : Because(Failure::Kind::kUnknown, item.service));
  }
  switch (item.verb) {
    case Verb::kStart:
    case Verb::kRestart:
      return EvaluateStart(state, record, item, *service);
    case Verb::kStop:
    case Verb::kDelete:
      return EvaluateStop(item, *service);
    case Verb::kWait:
      if (Holds(*service, item, record.until)) End(item, Outcome::kDone);
      return;
    case Verb::kNone:
    case Verb::kReload:  // NoteRolloutEnd() ends it
    case Verb::kApply:
    case Verb::kShutdown:
    case Verb::kBoot:
    case Verb::kReplace:
    case Verb::kResume:
    case Verb::kReset:
      return;
    case Verb::kDrain:
      return EvaluateDrain(item, *service);
    case Verb::kScale:
      return EvaluateScale(state, record, item, *service);
  }
}

// Reloads go one after the other; after a failure the rest is skipped.
void RunQueue(Context& context, RequestRecord& record) {
  const auto failed = [](const RequestItem& item) {
    return item.outcome == Outcome::kFailed || item.outcome == Outcome::kRolledBack;
  };
  for (RequestItem& item : record.items) {
    if (item.outcome != Outcome::kQueued) continue;
    if (std::ranges::any_of(record.items, failed)) {
      item.outcome = Outcome::kSkipped;
      continue;
    }
    const auto running = std::ranges::count(record.items, Outcome::kRunning, &RequestItem::outcome);
    if (running >= record.parallel) return;
    BeginItem(context, item);
  }
}

void AdvanceRecord(Context& context, RequestRecord& record) {
  RunQueue(context, record);
  std::size_t next = 0;
  for (RequestItem& item : record.items) {
    if (item.outcome != Outcome::kRunning) continue;
    EvaluateItem(context.state, record, item, FindNext(context.state, item.service, next));
    if (item.outcome == Outcome::kRunning && record.deadline <= context.now) {
      Failure failure = Because(Failure::Kind::kTimeout, item.service);
      failure.millis = static_cast<std::uint32_t>(ToMillis(record.deadline - record.accepted));
      End(item, Outcome::kFailed, failure);
    }
  }
  RunQueue(context, record);
  const bool open = std::ranges::any_of(
      record.items, [](const RequestItem& item) { return !IsFinal(item.outcome); });
  if (open || (record.verb == Verb::kShutdown && !ShutdownFinished(context.state))) return;
  record.finished = true;
  record.deadline = context.now + kKeepOutcome;
  context.actions.push_back(action::Reply{record.id});
}

}  // namespace

void AcceptRequest(Context& context, const event::Request& request) {
  // A signal to the daemon has no id and waits for no reply: each is a request of its own.
  if (request.id.is_set() && context.state.Find(request.id) != nullptr) return;
  RequestRecord record;
  record.id = request.id;
  record.verb = request.verb;
  record.parallel = std::max<std::uint16_t>(request.parallel, 1);
  record.accepted = context.now;
  AcceptVerb(context, request, record);
  if (request.id.is_set()) context.state.requests.push_back(std::move(record));
}

void AdvanceRequests(Context& context) {
  // By index: a turn that begins may end other items, but never adds a record.
  for (std::size_t i = 0; i < context.state.requests.size(); ++i) {
    RequestRecord& record = context.state.requests[i];
    if (!record.finished) AdvanceRecord(context, record);
  }
  std::erase_if(context.state.requests, [&](const RequestRecord& record) {
    return record.finished && record.deadline <= context.now;
  });
}

Instant RequestDeadline(const State& state) {
  Instant earliest = kNever;
  for (const RequestRecord& record : state.requests) {
    earliest = std::min(earliest, record.deadline);
  }
  return earliest;
}

void NoteFailedStart(Context& context, const Service& service, const Instance& instance) {
  if (instance.failure.was_ready || !instance.failure.is_set()) return;
  for (RequestRecord& record : context.state.requests) {
    for (RequestItem& item : record.items) {
      const bool waits =
          item.verb == Verb::kStart || item.verb == Verb::kRestart || item.verb == Verb::kScale;
      if (item.service != service.name || !waits || item.outcome != Outcome::kRunning) continue;
      if (item.slot && *item.slot != instance.failure.slot) continue;
      if (instance.failure.token < item.limit) continue;  // a process from before the restart
      End(item, Outcome::kFailed, instance.failure);
    }
  }
}

void NoteReplacementFailed(Context& context, const Service& service, SlotIndex slot,
                           const Failure& failure) {
  for (RequestRecord& record : context.state.requests) {
    for (RequestItem& item : record.items) {
      if (item.service != service.name || item.verb != Verb::kRestart) continue;
      if (item.slot != slot || item.outcome != Outcome::kRunning) continue;
      End(item, Outcome::kFailed, failure);
    }
  }
}

void NoteRolloutEnd(Context& context, const Service& service, Generation target, Outcome outcome,
                    const Failure& failure) {
  for (RequestRecord& record : context.state.requests) {
    for (RequestItem& item : record.items) {
      if (item.service != service.name || item.verb != Verb::kReload) continue;
      if (item.generation != target || IsFinal(item.outcome)) continue;
      End(item, outcome, failure);
      if (outcome == Outcome::kReloaded) continue;
      item.tried = target;
      item.generation = service.generation;
    }
  }
}

}  // namespace oxherd
