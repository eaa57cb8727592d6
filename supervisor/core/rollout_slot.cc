#include "core/rollout_slot.h"

#include <algorithm>
#include <utility>

#include "core/rollout.h"
#include "core/traffic.h"
#include "core/trial.h"

namespace oxherd {
namespace {

using Phase = Rollout::Phase;
using Progress = Rollout::Progress;

bool IsStopFirst(const Service& service) {
  return service.rollout->strategy == ReloadStrategy::kStopFirst;
}

// The generation that this slot is to run: its own, where a rollout replaces and does not deploy.
Generation GoalOf(const Service& service, const Slot& slot) {
  if (service.rollout->cause != Cause::kPerson) return slot.current.generation;
  return service.rollout->goal();
}

Instance Newcomer(const Context& context, const Service& service, Generation generation) {
  Instance newcomer{.generation = generation, .state = Waiting{}};
  newcomer.state_since = context.now;
  if (service.policy(generation).scheduled) {  // replacing it is no reason to run it
    newcomer.state = Exited{.awaits_schedule = true};
    return newcomer;
  }
  auto& waiting = std::get<Waiting>(newcomer.state);
  waiting.order = Order::kAtOnce;
  const Millis delay = service.policy(generation).start_delay;
  if (delay > Millis(0)) waiting.delay_until = context.now + delay;
  return newcomer;
}

// Told to stop, for good: its end makes room.
bool IsLeaving(const Instance& instance) {
  if (const auto* stopping = std::get_if<Stopping>(&instance.state)) {
    return stopping->after == After::kStopped;
  }
  if (const auto* killing = std::get_if<Killing>(&instance.state)) {
    return killing->after == After::kStopped;
  }
  return false;
}

// The replacement has taken over: the old one was told to stop, or its end was seen a moment ago
// and SettleSlots() has not moved the replacement up yet.
bool HasHandedOver(const Slot& slot) {
  return IsLeaving(slot.current) || slot.current.kind() == StateKind::kStopped;
}

// Waits for its first start; a crash that is to be followed by a start at once waits too.
bool HasYetToStart(const Instance& instance) {
  const auto* waiting = std::get_if<Waiting>(&instance.state);
  return waiting != nullptr && waiting->order == Order::kAfterDependencies;
}

// What has yet to start takes another spec. What was so far is not held for or against that one.
void TakeSpec(Instance& instance, Generation generation) {
  instance.generation = generation;
  instance.was_ready = false;
  instance.crashes = 0;
  instance.text_busy = 0;
}

// Some instance runs, and is to: what the service depends on was there when it was started.
bool IsUpAlready(const Service& service) {
  return std::ranges::any_of(service.slots, [](const Slot& slot) {
    return slot.current.is_live() && !IsLeaving(slot.current);
  });
}

// Makes an instance leave, whatever it is doing; does nothing to one that is leaving already.
void SendAway(Context& context, Service& service, SlotIndex slot, Which which) {
  const Instance& instance = *Find(service.slots[slot], which);
  if (IsLeaving(instance) || instance.kind() == StateKind::kStopped) return;
  if (instance.kind() == StateKind::kStopping || instance.kind() == StateKind::kKilling) {
    StepInstance(context, service, slot, which, on::Retire{context.now});
  } else {
    StepInstance(context, service, slot, which, on::Stop{});
  }
}

// As SendAway(), but what is under way ends first if others serve meanwhile.
void LeaveTraffic(Context& context, Service& service, SlotIndex slot) {
  const Instance& instance = service.slots[slot].current;
  if (!IsInTraffic(instance) || !OthersServe(service, instance)) {
    return SendAway(context, service, slot, Which::kCurrent);
  }
  StepInstance(context, service, slot, Which::kCurrent, on::Retire{context.now});
}

// The replacement is Ready: the current one goes, not before the new one has lived long enough.
void HandOver(Context& context, Service& service, SlotIndex index, const Ready& ready) {
  Slot& slot = service.slots[index];
  const Millis min_uptime = service.policy(slot.replacement->generation).min_uptime;
  if (IsOnTrial(context, service, index, Which::kReplacement)) {
    Instant& settle_at = service.rollout->settle_at;
    settle_at = std::min(settle_at, ready.since + min_uptime);
    return;
  }
  switch (slot.current.kind()) {
    case StateKind::kStarting:
    case StateKind::kReady:
    case StateKind::kUnhealthy:
      StepInstance(context, service, index, Which::kCurrent, on::Retire{ready.since + min_uptime});
      return;
    case StateKind::kStopping:
    case StateKind::kKilling:
      if (slot.current.is_unkillable()) service.rollout->slots.Set(index, Progress::kDone);
      SendAway(context, service, index, Which::kCurrent);
      return;
    case StateKind::kWaiting:
    case StateKind::kBackoff:
    case StateKind::kExited:
    case StateKind::kFailed:
      StepInstance(context, service, index, Which::kCurrent, on::Stop{});
      return;
    case StateKind::kDraining:
    case StateKind::kStopped:
      return;
  }
}

void UpdateStartFirst(Context& context, Service& service, SlotIndex index) {
  Slot& slot = service.slots[index];
  if (!slot.replacement) {
    service.rollout->slots.Set(index, Progress::kDone);
    context.Touch(service);
    return;
  }
  if (slot.replacement->generation != GoalOf(service, slot)) return;  // it is leaving
  if (const auto* ready = std::get_if<Ready>(&slot.replacement->state)) {
    HandOver(context, service, index, *ready);
    return;
  }
  const bool no_longer_needed =
      service.rollout->cause == Cause::kUnhealthy && slot.current.kind() == StateKind::kReady;
  if (no_longer_needed) SendAway(context, service, index, Which::kReplacement);
}

// Back, but to a generation that never was Ready: the failed one is not tried again either.
void GiveSlotUp(Context& context, Service& service, SlotIndex index) {
  Instance& current = service.slots[index].current;
  service.slots[index].reached = Reached::kNothing;
  current.state = Failed{.retry_at = kNever};
  current.state_since = context.now;
  current.failure = service.rollout->failure;
  service.rollout->slots.Set(index, Progress::kGivenUp);
  context.Touch(service);
}

// Ready, and for as long as it takes to be believed.
bool HasSettled(Context& context, Service& service, const Instance& instance) {
  const auto* ready = std::get_if<Ready>(&instance.state);
  if (ready == nullptr) return false;
  const Instant settled = ready->since + service.policy(instance.generation).min_uptime;
  if (settled <= context.now) return true;
  service.rollout->settle_at = std::min(service.rollout->settle_at, settled);
  return false;
}

// Stop-first slots, and those that had nothing to replace: the new instance is the current one.
void UpdateInPlace(Context& context, Service& service, SlotIndex index) {
  Slot& slot = service.slots[index];
  Rollout& rollout = *service.rollout;
  const bool is_old = rollout.cause == Cause::kPerson ? slot.current.generation != rollout.goal()
                                                      : IsLeaving(slot.current);
  if (slot.current.kind() == StateKind::kStopped) {
    if (!IsWanted(context.state, service, slot)) {
      rollout.slots.Set(index, Progress::kDone);
    } else if (HasNoWayBack(service)) {
      return GiveSlotUp(context, service, index);
    } else {
      slot.current = Newcomer(context, service, GoalOf(service, slot));
      context.starts_may_go = true;
    }
    context.Touch(service);
    return;
  }
  if (is_old) {
    if (slot.current.is_unkillable()) {
      rollout.slots.Set(index, Progress::kGivenUp);
      rollout.failure.kind = Failure::Kind::kUnkillable;
      rollout.failure.slot = index;
      context.Touch(service);
    }
    return;
  }
  const StateKind kind = slot.current.kind();
  // Failed after its predecessor was told to stop: whether the rollout turns back is seen there.
  const bool has_ended = kind == StateKind::kExited || kind == StateKind::kFailed;
  // Bad once its predecessor had been told to go: that is for its health check to see to.
  const bool has_taken_over = kind == StateKind::kUnhealthy && !IsStopFirst(service);
  if (has_ended || has_taken_over || HasSettled(context, service, slot.current)) {
    rollout.slots.Set(index, Progress::kDone);
    context.Touch(service);
  }
}

// A newcomer of a service that is not up: like the others it waits for what that depends on, and
// the rollout does not wait for it.
Progress WaitForDependencies(Instance& newcomer) {
  if (auto* waiting = std::get_if<Waiting>(&newcomer.state)) {
    waiting->order = Order::kAfterDependencies;
  }
  return Progress::kDone;
}

// The slot has taken its turn, or needs none.
Turned Mark(Context& context, Service& service, SlotIndex index, Progress progress) {
  service.rollout->slots.Set(index, progress);
  context.Touch(service);
  context.starts_may_go = true;
  return Turned::kOk;
}

// What the target has left in a slot whose old generation never was Ready: what is there stays, but
// nothing of the target is started again.
Turned StayAsItIs(Context& context, Service& service, SlotIndex index) {
  const StateKind kind = service.slots[index].current.kind();
  if (kind == StateKind::kStopped || kind == StateKind::kBackoff || kind == StateKind::kWaiting) {
    GiveSlotUp(context, service, index);
    return Turned::kOk;
  }
  return Mark(context, service, index, Progress::kGivenUp);
}

}  // namespace

bool HasNoWayBack(const Service& service) {
  const Rollout& rollout = *service.rollout;
  return rollout.phase == Phase::kBack && !service.Find(rollout.from)->was_ready;
}

std::size_t GoalCount(const Service& service) {
  if (!service.rollout) return service.policy(service.generation).instances;
  if (service.rollout->cause != Cause::kPerson) return service.slots.size();
  if (HasNoWayBack(service)) return service.slots.size();  // what is Ready stays
  return service.policy(service.rollout->goal()).instances;
}

Turned TurnSlot(Context& context, Service& service, SlotIndex index) {
  Rollout& rollout = *service.rollout;
  const Generation goal = rollout.goal();
  if (index >= service.slots.size()) {
    while (service.slots.size() <= index) {
      service.slots.push_back(Slot{.current = Newcomer(context, service, goal)});
    }
    const bool is_up = IsUpAlready(service);
    Instance& added = service.slots[index].current;
    return Mark(context, service, index,
                is_up ? Progress::kInProgress : WaitForDependencies(added));
  }
  Slot& slot = service.slots[index];
  Instance& current = slot.current;
  if (slot.replacement) {  // left over from before; it has to go first
    const bool stuck = current.is_unkillable() || slot.replacement->is_unkillable();
    return stuck ? Turned::kStuck : Turned::kOk;
  }
  const bool deploys = rollout.cause == Cause::kPerson;
  if (deploys && current.generation == goal) {
    return Mark(context, service, index, Progress::kDone);
  }
  const StateKind kind = current.kind();
  if (HasNoWayBack(service) && !HasYetToStart(current) && !IsLeaving(current) &&
      IsWanted(context.state, service, slot)) {
    return StayAsItIs(context, service, index);
  }
  if (kind == StateKind::kWaiting ||
      (kind == StateKind::kStopped && !IsWanted(context.state, service, slot))) {
    if (deploys) TakeSpec(current, goal);  // starts nothing now
    return Mark(context, service, index, Progress::kDone);
  }
  if (!deploys && (kind == StateKind::kStopping || kind == StateKind::kKilling ||
                   kind == StateKind::kStopped)) {
    return Mark(context, service, index, Progress::kDone);  // it is being replaced as it is
  }
  if (current.is_unkillable()) return Turned::kStuck;
  if (IsLeaving(current)) return Turned::kOk;  // for another reason: its turn is when it is gone
  if (kind == StateKind::kDraining) return Turned::kOk;  // as if it were stopping
  if (kind == StateKind::kStopped && rollout.phase == Phase::kForward && !IsUpAlready(service)) {
    current = Newcomer(context, service, goal);  // it was told to stop, and the service with it
    return Mark(context, service, index, WaitForDependencies(current));
  }
  if (IsStopFirst(service)) {
    LeaveTraffic(context, service, index);
    return Mark(context, service, index, Progress::kInProgress);
  }
  if (kind == StateKind::kStopping || kind == StateKind::kKilling) return Turned::kOk;  // waits
  if (kind == StateKind::kStopped) {
    current = Newcomer(context, service, goal);
  } else {
    if (kind == StateKind::kBackoff) {
      StepInstance(context, service, index, Which::kCurrent, on::Turn{});
    }
    slot.replacement = Newcomer(context, service, GoalOf(service, slot));
  }
  return Mark(context, service, index, Progress::kInProgress);
}

void UpdateSlot(Context& context, Service& service, SlotIndex index) {
  Rollout& rollout = *service.rollout;
  if (rollout.slots[index] != Progress::kInProgress) return;
  const Slot& slot = service.slots[index];
  if (slot.replacement) return UpdateStartFirst(context, service, index);
  // Without a replacement a start-first slot is through, unless its new instance is the current one
  // and has still to become Ready.
  const bool proving = slot.current.kind() != StateKind::kReady || IsStopFirst(service) ||
                       IsOnTrial(context, service, index, Which::kCurrent);
  const bool returned = rollout.phase == Phase::kBack &&
                        slot.current.generation != rollout.target && !IsStopFirst(service) &&
                        slot.current.kind() != StateKind::kStopped;
  if (returned || !proving) return UpdateStartFirst(context, service, index);
  UpdateInPlace(context, service, index);
}

void KeepCurrent(Context& context, Service& service, SlotIndex index) {
  const StateKind kind = service.slots[index].current.kind();
  if (kind != StateKind::kDraining && kind != StateKind::kExited) return;
  StepInstance(context, service, index, Which::kCurrent, on::Undrain{});
}

bool HasTakenOver(const Service& service, SlotIndex index, Which which) {
  const StateKind kind = service.slots[index].current.kind();
  const bool serves = kind == StateKind::kReady || kind == StateKind::kUnhealthy;
  const bool is_alone = which == Which::kCurrent && !service.slots[index].replacement;
  return is_alone && serves && !IsStopFirst(service);
}

void ReverseSlot(Context& context, Service& service, SlotIndex index) {
  Rollout& rollout = *service.rollout;
  Slot& slot = service.slots[index];
  const auto set = [&](Progress progress) { rollout.slots.Set(index, progress); };
  switch (rollout.slots[index]) {
    case Progress::kTodo:
      if (slot.current.kind() == StateKind::kDraining) KeepCurrent(context, service, index);
      set(Progress::kDone);
      return;
    case Progress::kDone:
    case Progress::kGivenUp:
      set(Progress::kTodo);
      if (!HasYetToStart(slot.current) || slot.replacement) return;
      // Beside what stays of the target it could never start: only one of them can have the port.
      if (HasNoWayBack(service) && rollout.changes_hands) {
        return GiveSlotUp(context, service, index);
      }
      TakeSpec(slot.current, rollout.from);  // it has only taken the other one
      if (index >= service.policy(rollout.from).instances) {
        StepInstance(context, service, index, Which::kCurrent, on::Stop{});
      }
      set(Progress::kDone);
      return;
    case Progress::kInProgress:
      break;
  }
  if (!slot.replacement) {
    if (HasTakenOver(service, index, Which::kCurrent)) {
      set(Progress::kTodo);  // back the way it went forward
    } else if (slot.current.generation == rollout.target) {
      SendAway(context, service, index, Which::kCurrent);
    }
    return;
  }
  if (HasHandedOver(slot)) {  // too late for this one: back the way it went forward
    set(Progress::kTodo);
    return;
  }
  KeepCurrent(context, service, index);
  SendAway(context, service, index, Which::kReplacement);
}

bool IsProvingItself(Service& service, SlotIndex index, Which which) {
  const Slot& slot = service.slots[index];
  const Instance& instance = *Find(service.slots[index], which);
  const bool deploys = service.rollout->cause == Cause::kPerson;
  if (deploys && instance.generation != service.rollout->goal()) return false;
  if (which == Which::kReplacement) return !HasHandedOver(slot);
  // In place: the old one is told to stop in its turn, so what fails otherwise is the new one. The
  // current one of a slot with a replacement is the old one.
  return !slot.replacement && (deploys || IsStopFirst(service));
}

void RemoveNewcomer(Context& context, Service& service, SlotIndex slot, Which which) {
  SendAway(context, service, slot, which);
}

void AddSlot(Context& context, Service& service) {
  service.slots.push_back(Slot{.current = Newcomer(context, service, service.generation)});
  (void)WaitForDependencies(service.slots.back().current);
  context.starts_may_go = true;
}

void LeaveSurplus(Context& context, Service& service, std::size_t count) {
  for (std::size_t i = count; i < service.slots.size(); ++i) {
    const auto slot = static_cast<SlotIndex>(i);
    if (service.slots[i].current.kind() != StateKind::kDraining) {
      LeaveTraffic(context, service, slot);
    }
    if (service.slots[i].replacement) SendAway(context, service, slot, Which::kReplacement);
  }
}

bool RetireSurplus(Context& context, Service& service, std::size_t count) {
  LeaveSurplus(context, service, count);
  while (service.slots.size() > count) {
    const Slot& last = service.slots.back();
    if (last.current.kind() != StateKind::kStopped || last.replacement) break;
    service.slots.pop_back();
    auto& turns = service.rollout->slots;
    turns.Resize(std::min(turns.size(), service.slots.size()));
    context.Touch(service);
  }
  const auto waits = [](const Slot& slot) {
    return slot.current.kind() != StateKind::kStopped && !slot.current.is_unkillable();
  };
  return std::none_of(service.slots.begin() + static_cast<std::ptrdiff_t>(count),
                      service.slots.end(), waits);
}

}  // namespace oxherd
