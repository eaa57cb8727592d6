#include "core/rollout.h"

#include <algorithm>
#include <utility>

#include "core/auto_listen.h"
#include "core/generations.h"
#include "core/reload_signal.h"
#include "core/request.h"
#include "core/restart_policy.h"
#include "core/rollout_slot.h"
#include "core/start_order.h"
#include "core/supervisor.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

using Tell = action::Tell;
using Phase = Rollout::Phase;
using Progress = Rollout::Progress;

// From now on the rollout stops all the old ones before it starts a new one, and says so.
void StopFirstThisOnce(Context& context, Service& service, bool is_added,
                       const std::string& address) {
  Rollout& rollout = *service.rollout;
  rollout.changes_hands = true;
  rollout.strategy = ReloadStrategy::kStopFirst;
  TellService(context, service, Tell::Kind::kStopsFirst, rollout.target);
  auto& tell = std::get<Tell>(context.actions.back());
  tell.number = is_added ? 1 : 0;
  tell.failure.address = address;
}

void Begin(Context& context, Service& service, Generation target) {
  ShareFoundAddress(service, service.generation, target);
  const Policy& policy = service.policy(target);
  const bool stop_first = policy.type == ServiceType::kOneshot;
  service.rollout =
      Rollout{.cause = Cause::kPerson,
              .phase = Phase::kForward,
              .from = service.generation,
              .target = target,
              .strategy = stop_first ? ReloadStrategy::kStopFirst : policy.reload_strategy,
              .slots = Rollout::Turns(std::max<std::size_t>(service.slots.size(), policy.instances),
                                      Progress::kTodo),
              .failure = {},
              .hook = {},
              .settle_at = kNever,
              .began = context.now};
  TellService(context, service, Tell::Kind::kReloadBegun, target);
  if (ChangesHands(service, service.generation, target)) {
    const bool is_added = !service.policy(service.generation).has_listen();
    const bool is_known = is_added && policy.has_listen();
    StopFirstThisOnce(context, service, is_added, is_known ? policy.listen.front().address : "");
  }
  service.rollout->phase = Phase::kPreparing;
  PoolsMayBeOpen(context, service);
  context.Touch(service);
}

// Everything is prepared.
void GoForward(Context& context, Service& service) {
  Rollout& rollout = *service.rollout;
  rollout.phase = Phase::kForward;
  if (rollout.cause == Cause::kPerson && rollout.target == rollout.from) {
    TellToReload(context, service);
  }
}

// The last preparation; what can be done before anything has changed.
void RunPreReload(Context& context, Service& service) {
  Rollout& rollout = *service.rollout;
  const Policy& policy = service.policy(rollout.target);
  if (!policy.has_pre_reload) return GoForward(context, service);
  rollout.hook = StartServiceHook(context, service, ProcessKind::kPreReload, rollout.target,
                                  policy.pre_reload_timeout);
}

// Ends the rollout as it stands; whoever waited for it is told, and the next one begins.
void Finish(Context& context, Service& service, Outcome outcome) {
  const Rollout rollout = std::move(*service.rollout);
  service.rollout.reset();
  context.Touch(service);
  if (rollout.cause == Cause::kPerson) {
    Failure failure = rollout.failure;
    const bool all_new = std::ranges::all_of(service.slots, [&](const Slot& slot) {
      const Instance& stays = slot.replacement ? *slot.replacement : slot.current;
      return stays.generation == rollout.target;
    });
    if (outcome == Outcome::kReloaded || (outcome == Outcome::kRolledBack && all_new)) {
      service.generation = rollout.target;
    }
    failure.old_lost = std::ranges::count(rollout.slots.each(), Progress::kGivenUp) > 0;
    const bool reloaded = outcome == Outcome::kReloaded;
    service.last_reload = LastReload{
        .target = rollout.target, .succeeded = reloaded, .ended = context.now, .failure = failure};
    TellService(context, service, reloaded ? Tell::Kind::kReloadDone : Tell::Kind::kRolledBack,
                rollout.target, failure);
    NoteRolloutEnd(context, service, rollout.target, outcome, failure);
    context.actions.push_back(action::SaveWishes{});
  }
  const std::optional<NextRollout> next = std::exchange(service.next, std::nullopt);
  TrimSpecs(service, context.state);
  if (next) Begin(context, service, next->target);
}

// The target has failed: every slot goes back to where it came from.
void TurnBack(Context& context, Service& service, const Failure& failure) {
  Rollout& rollout = *service.rollout;
  rollout.phase = Phase::kBack;
  rollout.failure = failure;
  rollout.settle_at = kNever;
  TellService(context, service, Tell::Kind::kRollingBack, rollout.target, failure);
  // Slots that came since it began are surplus to it, or have their turn like the others.
  rollout.slots.Resize(std::max(rollout.slots.size(), service.slots.size()));
  const std::size_t count = GoalCount(service);
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    if (i < count) {
      ReverseSlot(context, service, static_cast<SlotIndex>(i));
    } else {
      service.rollout->slots.Set(i, Progress::kTodo);  // added: now surplus
    }
  }
  service.rollout->slots.Resize(std::max(count, service.slots.size()));
  context.Touch(service);
}

// A replacement from the same spec has failed: no generation to go back to, so it just ends.
void GiveUpReplacing(Context& context, Service& service, SlotIndex slot) {
  Rollout& rollout = *service.rollout;
  std::ranges::replace(rollout.slots.each(), Progress::kTodo, Progress::kGivenUp);
  rollout.slots.Set(slot, Progress::kGivenUp);
  if (auto* bad = std::get_if<Unhealthy>(&service.slots[slot].current.state)) {
    ++bad->tries;
    const auto crashes = static_cast<std::uint16_t>(bad->tries + 1);
    const Millis delay = BackoffDelay(service.policy(service.slots[slot].current.generation),
                                      crashes, context.state.seed, {service.name, slot});
    bad->next_try = context.now + std::max(delay, kRespawnDelay);
  }
  context.Touch(service);
}

// Given up, or ended by itself and not well, and the policy does not start it again.
bool HasFailedForGood(const Instance& instance) {
  if (instance.kind() == StateKind::kFailed) return true;
  if (instance.awaits_schedule()) return false;
  const bool ended_well = instance.last_exit && instance.last_exit->success();
  return instance.kind() == StateKind::kExited && !ended_well;
}

// A slot that was done and then crashed for good, while others are still to follow.
const Instance* DoneSlotThatFailed(const Service& service) {
  const Rollout& rollout = *service.rollout;
  if (rollout.cause != Cause::kPerson || rollout.phase != Phase::kForward) return nullptr;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const Instance& current = service.slots[i].current;
    if (rollout.slots[i] == Progress::kDone && current.generation == rollout.target &&
        HasFailedForGood(current)) {
      return &current;
    }
  }
  return nullptr;
}

// About to start, if not for a dependency that may never be met.
bool IsComing(const State& state, const Service& service, const Waiting& waiting) {
  return waiting.order == Order::kAtOnce ||
         std::ranges::all_of(service.waits_for,
                             [&](const Dependency& need) { return IsMet(state, need); });
}

// Between two steps of a crash and its restart: a reload does not end on such a slot.
bool IsUnsettled(const State& state, const Service& service, const Slot& slot) {
  if (!IsWanted(state, service, slot)) return false;
  if (const auto* waiting = std::get_if<Waiting>(&slot.current.state)) {
    return IsComing(state, service, *waiting);
  }
  if (const auto* killing = std::get_if<Killing>(&slot.current.state)) return !killing->unkillable;
  const StateKind kind = slot.current.kind();
  return kind == StateKind::kBackoff || kind == StateKind::kStarting ||
         kind == StateKind::kStopping;
}

bool AllKeptSlotsDone(const Context& context, const Service& service, std::size_t count) {
  const Rollout& rollout = *service.rollout;
  if (service.slots.size() < count) return false;  // they are still to be added
  for (std::size_t i = 0; i < count; ++i) {
    if (rollout.slots[i] != Progress::kDone && rollout.slots[i] != Progress::kGivenUp) return false;
    if (rollout.cause == Cause::kPerson && IsUnsettled(context.state, service, service.slots[i])) {
      return false;
    }
  }
  return true;
}

// A failed generation is not tried again: what of it crashes on the way back makes room at once.
void StopRestartsOfTarget(Context& context, Service& service) {
  const Rollout& rollout = *service.rollout;
  if (rollout.cause != Cause::kPerson) return;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const Progress progress = rollout.slots[i];
    if (!rollout.slots.knows(i)) return;  // came after it, and is not its to stop
    if (progress != Progress::kTodo && progress != Progress::kInProgress) continue;
    for (const Which which : {Which::kCurrent, Which::kReplacement}) {
      const Instance* instance = Find(service.slots[i], which);
      if (instance == nullptr || instance->generation != rollout.target) continue;
      const auto* waiting = std::get_if<Waiting>(&instance->state);
      const bool is_surplus = i >= GoalCount(service);
      const bool restarts = waiting != nullptr && (waiting->order == Order::kAtOnce || is_surplus);
      if (!restarts && instance->kind() != StateKind::kBackoff) continue;
      StepInstance(context, service, static_cast<SlotIndex>(i), which, on::Stop{});
    }
  }
}

// The old instances hold the port together: it is free when all of them are gone.
int ParallelTurns(const Service& service) {
  const Rollout& rollout = *service.rollout;
  if (rollout.changes_hands) return kMaxInstances;
  return service.policy(rollout.goal()).reload_parallel;
}

void TakeTurns(Context& context, Service& service, std::size_t count) {
  Rollout& rollout = *service.rollout;
  const auto in_progress = [&] {
    int busy = 0;
    for (std::size_t i = 0; i < rollout.slots.size(); ++i) {
      const bool has_two = i < service.slots.size() && service.slots[i].replacement.has_value();
      busy += has_two || rollout.slots[i] == Progress::kInProgress ? 1 : 0;
    }
    return busy;
  };
  const int parallel = ParallelTurns(service);
  for (std::size_t i = 0; i < count; ++i) {
    if (rollout.slots[i] != Progress::kTodo) continue;
    if (in_progress() >= parallel) return;
    const auto slot = static_cast<SlotIndex>(i);
    if (TurnSlot(context, service, slot) == Turned::kStuck) {
      Failure failure;
      failure.kind = Failure::Kind::kUnkillable;
      failure.slot = slot;
      rollout.slots.Set(i, Progress::kGivenUp);
      if (rollout.phase == Phase::kForward) return TurnBack(context, service, failure);
    }
  }
}

// A rollout is given up under way: newcomers go, unless they have taken over already.
void LeaveSlots(Context& context, Service& service) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const auto slot = static_cast<SlotIndex>(i);
    if (!service.slots[i].replacement) continue;
    const bool has_taken_over = service.slots[i].replacement->is_ready() &&
                                service.slots[i].current.kind() == StateKind::kStopping;
    if (has_taken_over) continue;
    KeepCurrent(context, service, slot);
    RemoveNewcomer(context, service, slot, Which::kReplacement);
  }
}

}  // namespace

void RequestRollout(Context& context, Service& service, Generation target) {
  if (!service.rollout) return Begin(context, service, target);
  if (service.next) {
    Failure failure;
    failure.kind = Failure::Kind::kSuperseded;
    failure.other = target;
    const Generation superseded = service.next->target;
    NoteRolloutEnd(context, service, superseded, Outcome::kFailed, failure);
  }
  service.next = NextRollout{target};
  TrimSpecs(service, context.state);
  context.Touch(service);
}

void RequestReplacement(Context& context, Service& service, Cause cause,
                        std::optional<SlotIndex> slot, const std::string& why) {
  if (!service.may_replace() || context.state.shutdown) return;
  const Policy& policy = service.policy(service.generation);
  if (policy.type == ServiceType::kOneshot) return;
  // Surplus is leaving, and gets no successor.
  const bool is_leaving = slot && *slot < service.slots.size() && *slot >= policy.instances &&
                          service.slots[*slot].current.kind() == StateKind::kDraining;
  if (is_leaving) return;
  Rollout::Turns slots(service.slots.size(), slot ? Progress::kDone : Progress::kTodo);
  if (slot && slots.knows(*slot)) slots.Set(*slot, Progress::kTodo);
  service.rollout = Rollout{.cause = cause,
                            .phase = Phase::kForward,
                            .from = service.generation,
                            .target = service.generation,
                            .strategy = policy.reload_strategy,
                            .slots = std::move(slots),
                            .failure = {},
                            .hook = {},
                            .settle_at = kNever,
                            .began = context.now};
  Failure because;
  if (!why.empty()) because.kind = Failure::Kind::kRoutine;
  because.text = why;
  TellService(context, service, Tell::Kind::kReplacing, service.generation, because);
  if (slot) std::get<Tell>(context.actions.back()).instance.slot = *slot;
  context.Touch(service);
}

void AbortRollout(Context& context, Service& service, Verb by) {
  Failure failure;
  failure.kind = Failure::Kind::kAborted;
  failure.verb = by;
  if (service.rollout) {
    LeaveSlots(context, service);
    const Rollout rollout = std::move(*service.rollout);
    service.rollout.reset();
    for (Hook& hook : service.hooks) {
      if (hook.token != rollout.hook || hook.killed) continue;
      hook.killed = true;
      context.actions.push_back(action::Kill{hook.token});
    }
    if (rollout.cause == Cause::kPerson) {
      service.last_reload = LastReload{
          .target = rollout.target, .succeeded = false, .ended = context.now, .failure = failure};
      NoteRolloutEnd(context, service, rollout.target, Outcome::kFailed, failure);
    }
  }
  if (service.next) {
    const Generation target = service.next->target;
    service.next.reset();
    NoteRolloutEnd(context, service, target, Outcome::kFailed, failure);
  }
  context.Touch(service);
}

void NewcomerMayHaveFailed(Context& context, Service& service, SlotIndex slot, Which which) {
  if (!service.rollout || service.rollout->phase == Phase::kPreparing) return;
  Rollout& rollout = *service.rollout;
  if (rollout.slots[slot] != Progress::kInProgress) return;
  if (!IsProvingItself(service, slot, which)) return;

  const Failure failure = Find(service.slots[slot], which)->failure;
  if (rollout.cause != Cause::kPerson) {
    if (rollout.cause == Cause::kRoutine) NoteReplacementFailed(context, service, slot, failure);
    // Stopped first: there is nothing but the new one, so it lives on by restart policy.
    if (which == Which::kReplacement) {
      RemoveNewcomer(context, service, slot, which);
      KeepCurrent(context, service, slot);
    }
    return GiveUpReplacing(context, service, slot);
  }
  if (rollout.phase == Phase::kForward) {
    if (!HasTakenOver(service, slot, which)) RemoveNewcomer(context, service, slot, which);
    return TurnBack(context, service, failure);
  }
  // The way back is barred: what is Ready stays; where nothing is, the old spec is tried again.
  if (which == Which::kReplacement && service.slots[slot].current.is_live()) {
    RemoveNewcomer(context, service, slot, which);
    KeepCurrent(context, service, slot);
    rollout.slots.Set(slot, Progress::kGivenUp);
  } else {
    if (which == Which::kReplacement) {
      StepInstance(context, service, slot, Which::kCurrent, on::Stop{});
    }
    rollout.slots.Set(slot, Progress::kDone);
  }
  context.Touch(service);
}

void PreReloadEnded(Context& context, Service& service, const Hook& hook) {
  if (!service.rollout || service.rollout->hook != hook.token) return;
  Rollout& rollout = *service.rollout;
  rollout.hook = {};
  context.Touch(service);
  if (hook.status && hook.status->success() && !hook.killed) return GoForward(context, service);
  rollout.failure.kind = Failure::Kind::kHook;
  rollout.failure.token = hook.token;
  if (hook.status) rollout.failure.status = *hook.status;
  if (hook.killed) {
    rollout.failure.millis =
        static_cast<std::uint32_t>(service.policy(rollout.target).pre_reload_timeout.count());
  }
  Finish(context, service, Outcome::kFailed);
}

void PoolsMayBeOpen(Context& context, Service& service) {
  if (!service.rollout) return;
  const Rollout& rollout = *service.rollout;
  if (rollout.phase != Phase::kPreparing || rollout.hook.is_set()) return;
  // Those that the old instances hold themselves are opened when these are gone.
  const bool ready = rollout.changes_hands || OpenPools(context, service, rollout.target);
  if (ready) RunPreReload(context, service);
}

bool MustChangeHands(Context& context, Service& service, const std::string& address) {
  if (!service.rollout) return false;
  const Rollout& rollout = *service.rollout;
  if (rollout.phase != Phase::kPreparing || rollout.hook.is_set() || rollout.changes_hands) {
    return false;
  }
  if (!Lists(service, rollout.target, address)) return false;
  StopFirstThisOnce(context, service, true, address);
  PoolsMayBeOpen(context, service);
  return true;
}

void PoolsFailed(Context& context, Service& service, const Failure& failure) {
  if (!service.rollout) return;
  Rollout& rollout = *service.rollout;
  if (rollout.phase != Phase::kPreparing || rollout.hook.is_set()) return;
  if (!Lists(service, rollout.target, failure.address)) return;
  rollout.failure = failure;
  Finish(context, service, Outcome::kFailed);
}

void AdvanceRollout(Context& context, Service& service) {
  if (!service.rollout) return;
  // Who has stopped may have been in the way of the target's pools.
  if (service.rollout->phase == Phase::kPreparing) return PoolsMayBeOpen(context, service);
  if (service.stop_order) return;  // what is to stop first stops first, in its turn
  service.rollout->settle_at = kNever;
  if (service.rollout->phase == Phase::kBack) StopRestartsOfTarget(context, service);
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    UpdateSlot(context, service, static_cast<SlotIndex>(i));
  }
  if (const Instance* failed = DoneSlotThatFailed(service)) {
    const Failure failure = failed->failure;
    return TurnBack(context, service, failure);
  }
  const Phase phase = service.rollout->phase;
  const std::size_t count = GoalCount(service);
  // Who holds the port goes before anybody comes, and so do those that will not be replaced.
  if (service.rollout->changes_hands) {
    (void)RetireSurplus(context, service, count);
  }
  TakeTurns(context, service, count);
  if (service.rollout->phase != phase || !AllKeptSlotsDone(context, service, count)) return;
  if (!RetireSurplus(context, service, count)) return;
  const bool back = phase == Phase::kBack;
  if (!back && AwaitsTelling(service)) return;
  // With a reload signal there is no other generation to go back to.
  const bool one_generation = service.rollout->target == service.rollout->from;
  const Outcome gone_back = one_generation ? Outcome::kFailed : Outcome::kRolledBack;
  Finish(context, service, back ? gone_back : Outcome::kReloaded);
}

void ReplaceUnhealthy(Context& context, Service& service) {
  if (!service.may_replace()) return;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const auto* bad = std::get_if<Unhealthy>(&service.slots[i].current.state);
    if (bad == nullptr || service.slots[i].replacement || bad->next_try > context.now) continue;
    return RequestReplacement(context, service, Cause::kUnhealthy, static_cast<SlotIndex>(i));
  }
}

}  // namespace oxherd
