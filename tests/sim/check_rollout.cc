// Checks of rollouts and of the history of slots: 7, 8, 9, 10, 11, 13.
#include <algorithm>

#include "tests/sim/checker.h"

namespace oxherd::sim {
namespace {

// The service whose token an event is about, if it may cost it a Ready instance; else none.
Token DamagedBy(const Moment& moment) {
  if (moment.event == nullptr) return {};
  if (const auto* e = std::get_if<event::Exited>(moment.event)) return e->token;
  if (const auto* e = std::get_if<event::Gone>(moment.event)) return e->token;
  if (const auto* e = std::get_if<event::Probed>(moment.event)) return e->token;
  return {};
}

bool IsByPeople(const Moment& moment) {
  return moment.event != nullptr && (std::holds_alternative<event::Request>(*moment.event) ||
                                     std::holds_alternative<event::Boot>(*moment.event));
}

const Policy* PolicyOf(const Moment& moment, std::size_t service, Generation generation) {
  const Service* found = moment.state.Find(ServiceName(service));
  const KeptSpec* kept = found == nullptr ? nullptr : found->Find(generation);
  return kept == nullptr ? nullptr : &kept->spec->policy;
}

// A start-first rollout was in flight before the step, and nobody interfered in it.
const ServiceView* StartFirst(const Moment& moment, std::size_t service) {
  const ServiceView& before = moment.before.services[service];
  const ServiceView& after = moment.after.services[service];
  const bool undisturbed = before.is_there && after.is_there && before.wanted && after.wanted &&
                           !before.stops_in_turn && !moment.after.shutting_down &&
                           !IsByPeople(moment) && moment.event != nullptr &&
                           !(IsScaled(moment, service) && !after.is_rolling);
  if (!undisturbed || !before.is_rolling || before.phase == Rollout::Phase::kPreparing) {
    return nullptr;
  }
  // The next one may have begun in the same step.
  const bool stops_first = after.is_rolling && after.strategy == ReloadStrategy::kStopFirst;
  return before.strategy == ReloadStrategy::kStartFirst && !stops_first ? &before : nullptr;
}

// On the way back, and an instance of the old generation has ended for good: its surplus goes all
// the same.
bool OldIsLost(const Moment& moment, std::size_t service) {
  const ServiceView& before = moment.before.services[service];
  if (before.phase != Rollout::Phase::kBack) return false;
  return std::ranges::any_of(moment.after.instances(), [&](const InstanceView& one) {
    return one.service == service && one.generation == before.from &&
           (one.kind == StateKind::kFailed || one.kind == StateKind::kExited ||
            one.kind == StateKind::kUnhealthy);
  });
}

// Empty, and not one of those that the definition has: below one that is going, or that a roll-back
// had to leave.
bool IsGap(const Moment& moment, std::size_t service, std::size_t slot) {
  const Policy* policy = PolicyOf(moment, service, moment.after.services[service].generation);
  const InstanceView* one = moment.after.Find(service, slot, false);
  return policy != nullptr && slot >= policy->instances && one != nullptr &&
         one->kind == StateKind::kStopped;
}

bool IsMet(const Moment& moment, const Dependency& need) {
  const std::size_t index = ServiceIndex(need.service);
  const ServiceView& view = moment.after.services[index];
  if (!view.is_there || !view.wanted || view.slots == 0) return false;
  const bool reloads = view.is_rolling && view.began == moment.now;
  for (std::size_t i = 0; i < view.slots; ++i) {
    // Added by a reload or a scale that has begun in this step, after it was met.
    if (reloads && moment.before.Find(index, i, false) == nullptr) continue;
    if (IsAddedByScale(moment, index, i)) continue;
    const SlotHistory& slot = moment.ledger.services[index].slots[i % kMaxSlots];
    const Reached least =
        need.kind == DependencyKind::kStarted ? Reached::kStarted : Reached::kReady;
    if (slot.reached < least && !slot.is_added && !IsGap(moment, index, i)) return false;
  }
  return true;
}

// Kept slots that are through their turn without a start, as they wait for a dependency that is not
// met and may never be: what is surplus goes all the same, or the reload would never end.
std::size_t WaitForOthers(const Moment& moment, std::size_t service, std::size_t kept) {
  const Service* found = moment.state.Find(ServiceName(service));
  if (found == nullptr) return 0;
  const bool all_met = std::ranges::all_of(
      found->waits_for, [&](const Dependency& need) { return IsMet(moment, need); });
  if (all_met) return 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < std::min(kept, found->slots.size()); ++i) {
    const auto* waiting = std::get_if<Waiting>(&found->slots[i].current.state);
    count += waiting != nullptr && waiting->order == Order::kAfterDependencies ? 1U : 0U;
  }
  return count;
}

}  // namespace

Violation CheckReadyNeverLowered(const Moment& moment) {
  if (moment.event == nullptr) return {};
  for (std::size_t i = 0; i < kMaxServices; ++i) {
    const ServiceView* rolling = StartFirst(moment, i);
    if (rolling == nullptr) continue;
    if (OldIsLost(moment, i)) continue;
    const Policy* from = PolicyOf(moment, i, rolling->from);
    const Policy* target = PolicyOf(moment, i, rolling->target);
    if (from == nullptr || target == nullptr) continue;
    std::uint16_t floor = std::min({rolling->ready, from->instances, target->instances,
                                    moment.ledger.services[i].ready_at_begin});
    const InstanceView* damaged =
        DamagedBy(moment).is_set() ? moment.before.Find(DamagedBy(moment)) : nullptr;
    if (damaged != nullptr && damaged->service == i && damaged->is_ready() && floor > 0) --floor;
    for (const InstanceView& one : moment.after.instances()) {  // no longer Ready by itself
      const bool by_itself = one.kind == StateKind::kExited || one.kind == StateKind::kUnhealthy;
      if (one.service == i && by_itself && floor > 0) --floor;
    }
    if (moment.after.services[i].ready >= floor) continue;
    const std::size_t waiting = WaitForOthers(moment, i, target->instances);
    if (moment.after.services[i].ready + waiting < floor) {
      return {Invariant::kReadyNeverLowered, "a rollout gave up a Ready instance"};
    }
  }
  return {};
}

namespace {

// All slots that the goal keeps have a Ready instance, or one that a crash took.
bool GoalIsUp(const Moment& moment, std::size_t service, Generation goal, std::size_t count) {
  const Policy* policy = PolicyOf(moment, service, goal);
  const bool has_dependencies = policy != nullptr && !policy->depends_on.empty();
  for (std::size_t slot = 0; slot < count; ++slot) {
    const InstanceView* current = moment.after.Find(service, slot, false);
    const InstanceView* other = moment.after.Find(service, slot, true);
    const auto is_up = [&](const InstanceView* one) {
      return one != nullptr && one->generation == goal && one->kind != StateKind::kStarting &&
             (one->kind != StateKind::kWaiting || has_dependencies);
    };
    if (!is_up(current) && !is_up(other)) return false;
  }
  return true;
}

Violation CheckRetired(const Moment& moment, const ServiceView& rolling, const InstanceView& was,
                       const InstanceView& now) {
  const bool deploys = rolling.from != rolling.target;
  const Generation goal = moment.after.services[was.service].is_rolling
                              ? moment.after.services[was.service].goal()
                              : rolling.goal();
  const Policy* policy = PolicyOf(moment, was.service, goal);
  if (policy == nullptr) return {};
  // Taken away by a scale, before the rollout: what a rollout drains has its successor beside it.
  const bool is_alone = moment.before.Find(was.service, was.slot, true) == nullptr;
  if (is_alone && was.kind == StateKind::kDraining) return {};
  if (deploys && was.slot >= policy->instances) {
    // What counts is how things stood when it began to drain: clients were sent elsewhere then. One
    // of those that crashes since is started again, and what drains goes all the same.
    if (was.kind == StateKind::kDraining) return {};
    if (moment.after.services[was.service].gave_up) return {};    // the reply says so
    if (moment.ledger.services[was.service].is_mixed) return {};  // and so it did before
    if (!GoalIsUp(moment, was.service, goal, policy->instances)) {
      return {Invariant::kRetiredAfterReady, "surplus retired before the rest was replaced"};
    }
    return {};
  }
  for (const InstanceView& other : moment.after.instances()) {
    if (other.service != was.service || other.slot != was.slot || other.token == was.token)
      continue;
    if (!other.is_ready() ||
        (deploys && other.generation != goal && other.generation != rolling.goal()))
      continue;
    const TokenHistory* ready = moment.ledger.Find(other.token);
    const bool told = now.kind == StateKind::kStopping || now.kind == StateKind::kKilling;
    // Noted after the checks: what became Ready in this step is Ready since now.
    const bool known = ready != nullptr && ready->ready_at != kNever;
    const Instant ready_at = known ? ready->ready_at : moment.now;
    if (told && ready != nullptr && moment.now < ready_at + policy->min_uptime) {
      return {Invariant::kRetiredAfterReady,
              "told to stop before the new one was Ready long enough"};
    }
    return {};
  }
  return {Invariant::kRetiredAfterReady, "retired before a new instance was Ready"};
}

}  // namespace

Violation CheckRetiredAfterReady(const Moment& moment) {
  for (const InstanceView& was : moment.before.instances()) {
    const bool serves = was.kind == StateKind::kReady || was.kind == StateKind::kUnhealthy ||
                        was.kind == StateKind::kDraining;
    if (!serves) continue;
    const ServiceView* rolling = StartFirst(moment, was.service);
    const InstanceView* now = rolling == nullptr ? nullptr : moment.after.Find(was.token);
    if (now == nullptr || now->kind == was.kind) continue;
    const bool leaves = now->kind == StateKind::kDraining || now->is_leaving();
    if (!leaves) continue;
    const TokenHistory* history = moment.ledger.Find(was.token);
    if (history != nullptr && history->ended_at != kNever) continue;  // it ended by itself
    // The new one that failed is told to go: the target's, on the way back.
    const ServiceView& after = moment.after.services[was.service];
    const bool back = after.is_rolling && after.phase == Rollout::Phase::kBack;
    const bool newcomer =
        was.is_replacement || (now->is_replacement && was.generation == rolling->target);
    if (newcomer && DamagedBy(moment) == was.token) continue;  // it turned bad
    const Process* process = moment.kernel.Find(was.token);
    if (newcomer && process != nullptr && process->has_shut) continue;  // nobody can reach it
    if (newcomer &&
        (back || was.kind == StateKind::kUnhealthy || rolling->from == rolling->target)) {
      continue;
    }
    if (const Violation violation = CheckRetired(moment, *rolling, was, *now)) return violation;
  }
  return {};
}

Violation CheckRolloutTarget(const Moment& moment) {
  for (std::size_t i = 0; i < kMaxServices; ++i) {
    const ServiceView& before = moment.before.services[i];
    const ServiceView& after = moment.after.services[i];
    if (!before.is_there || !after.is_there || !before.is_rolling) continue;
    if (before.cause != Cause::kPerson) {
      if (after.is_rolling && after.cause == Cause::kPerson && before.target != after.from) {
        return {Invariant::kOneRollout, "a reload from a generation that does not run"};
      }
      continue;
    }
    // One that waited behind it, or came in this step, may be through in the same step.
    const bool ended = after.ended == moment.now && after.ended_target >= before.target;
    const bool same =
        after.is_rolling && after.target == before.target && after.cause == before.cause;
    if (!same && !ended) return {Invariant::kOneRollout, "a reload's target changed under way"};
    const bool back = before.phase == Rollout::Phase::kBack;
    if (same && !ended && back && after.phase != Rollout::Phase::kBack) {
      return {Invariant::kOneRollout, "a roll-back that went forward again"};
    }
    if (same && !ended && (after.from != before.from || after.strategy != before.strategy)) {
      return {Invariant::kOneRollout, "a reload that forgot where it came from"};
    }
  }
  return {};
}

Violation CheckFailedStaysFailed(const Moment& moment) {
  for (const Action& action : moment.actions) {
    const auto* spawn = std::get_if<action::Spawn>(&action);
    if (spawn == nullptr || spawn->kind != ProcessKind::kInstance) continue;
    const std::size_t index = ServiceIndex(spawn->instance.service);
    ServiceHistory& service = moment.ledger.services[index];
    const ServiceView& now = moment.after.services[index];
    const bool mixed = service.is_mixed || (now.ended == moment.now && now.old_is_lost);
    if (service.At(spawn->generation).failed && !mixed) {
      return {Invariant::kFailedStaysFailed, "a failed generation was tried again by itself"};
    }
    const ServiceView& view = moment.after.services[index];
    const bool back = view.is_rolling && view.phase == Rollout::Phase::kBack;
    // Only where an instance of the target was: what waited or was down anyway just starts.
    const InstanceView* was = moment.before.Find(index, spawn->instance.slot, false);
    const bool lived_on =
        was == nullptr || was->generation != view.target || was->kind == StateKind::kWaiting;
    if (back && !lived_on && spawn->generation == view.from && view.from != view.target &&
        !service.At(view.from).was_ready) {
      return {Invariant::kFailedStaysFailed, "back to a generation that never was Ready"};
    }
  }
  return {};
}

Violation CheckRestartLimit(const Moment& moment) {
  if (moment.ledger.image_was_lost) return {};  // and the counts with it
  for (const InstanceView& one : moment.after.instances()) {
    if (one.kind != StateKind::kBackoff || one.is_replacement) continue;
    const InstanceView* was = moment.before.Find(one.service, one.slot, false);
    if (was != nullptr && was->kind == StateKind::kBackoff && was->deadline == one.deadline)
      continue;
    const SlotHistory& slot = moment.ledger.services[one.service].slots[one.slot % kMaxSlots];
    if (moment.ledger.services[one.service].was_refused) continue;  // tried again, not counted
    const TokenHistory* last = moment.ledger.Find(slot.last);
    const bool counts = last != nullptr && !last->no_crash && slot.generation == one.generation;
    const Policy* policy = PolicyOf(moment, one.service, one.generation);
    if (counts && policy != nullptr && slot.restarts > 0) {
      const Duration doubled = Millis(100) * (1LL << std::min<int>(slot.restarts - 1, 10));
      if (one.deadline - moment.now < std::min<Duration>(doubled, policy->restart_delay_max)) {
        return {Invariant::kRestartLimit, "a back-off that does not grow"};
      }
    }
    if (counts && slot.restarts > 0 && one.deadline - moment.now < slot.last_delay) {
      return {Invariant::kRestartLimit, "a back-off shorter than the one before"};
    }
  }
  for (const Action& action : moment.actions) {
    const auto* spawn = std::get_if<action::Spawn>(&action);
    if (spawn == nullptr || spawn->kind != ProcessKind::kInstance) continue;
    const InstanceView* one = moment.after.Find(spawn->token);
    if (one == nullptr || one->is_replacement) continue;
    const SlotHistory& slot = moment.ledger.services[one->service].slots[one->slot % kMaxSlots];
    const TokenHistory* last = moment.ledger.Find(slot.last);
    const Policy* policy = PolicyOf(moment, one->service, one->generation);
    if (last == nullptr || policy == nullptr || slot.generation != one->generation) continue;
    if (last->no_crash) continue;                                    // the same try once more
    if (moment.ledger.services[one->service].was_refused) continue;  // tried again, not counted
    if (IsReplacing(moment, *one)) continue;
    if (policy->max_restarts == 0 || slot.restarts < policy->max_restarts) continue;
    // One of which no end is known was lost with the daemon.
    const bool retry =
        policy->failed_retry > Millis(0) &&
        (last->ended_at == kNever || moment.now >= last->ended_at + policy->failed_retry);
    if (!retry) return {Invariant::kRestartLimit, "started again more often than max_restarts"};
  }
  return {};
}

// Whatever was before it in its slot: dependents may rely on what is Ready.
Violation CheckReliedOn(const State& state) {
  for (const Service& service : state.services) {
    if (service.stop_order) continue;  // of before the restart
    for (const Slot& slot : service.slots) {
      if (slot.current.kind() == StateKind::kReady && slot.reached != Reached::kReady) {
        return {Invariant::kDependencies, "Ready, and dependents are not to rely on it"};
      }
    }
  }
  return {};
}

Violation CheckDependencies(const Moment& moment) {
  if (const Violation violation = CheckReliedOn(moment.state)) return violation;
  for (const Action& action : moment.actions) {
    const auto* spawn = std::get_if<action::Spawn>(&action);
    if (spawn == nullptr || spawn->kind != ProcessKind::kInstance) continue;
    const std::size_t index = ServiceIndex(spawn->instance.service);
    ServiceHistory& service = moment.ledger.services[index];
    if (service.started_by == Verb::kNone) continue;
    const SlotHistory& slot = service.slots[spawn->instance.slot % kMaxSlots];
    if (slot.spawned_since_start) continue;
    const bool runs = std::ranges::any_of(service.slots, &SlotHistory::spawned_since_start);
    if (runs && moment.after.services[index].is_rolling) continue;  // a slot that a reload adds
    const Policy* policy = PolicyOf(moment, index, spawn->generation);
    if (policy == nullptr) continue;
    for (const Dependency& need : policy->depends_on) {
      if (((service.bound >> ServiceIndex(need.service)) & 1U) == 0) continue;
      const ServiceView& other = moment.after.services[ServiceIndex(need.service)];
      if (service.started_by == Verb::kRestart && (!other.is_there || !other.wanted)) continue;
      if (!IsMet(moment, need)) {
        return {Invariant::kDependencies, "started before what it depends on"};
      }
    }
  }
  return {};
}

}  // namespace oxherd::sim
