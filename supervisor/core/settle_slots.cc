#include "core/settle_slots.h"

#include <utility>

#include "core/rollout_slot.h"

namespace oxherd {
namespace {

using Phase = Rollout::Phase;
using Progress = Rollout::Progress;

// Whether the rollout decides what a slot that is empty starts next.
bool IsRolloutsToStart(const Service& service, std::size_t index) {
  if (!service.rollout) return false;
  const Rollout& rollout = *service.rollout;
  if (!rollout.slots.knows(index)) return true;
  const Progress progress = rollout.slots[index];
  return progress == Progress::kInProgress ||
         (progress == Progress::kTodo && rollout.phase == Phase::kBack);
}

// What a slot starts that was empty for another reason: until its turn has come, as if there were
// no rollout.
Generation GenerationToStart(const Service& service, std::size_t index) {
  if (!service.rollout || service.rollout->cause != Cause::kPerson) return service.generation;
  const Progress progress = service.rollout->slots[index];
  if (progress == Progress::kTodo) return service.rollout->from;
  // What could not be killed is gone after all: the old one comes, if there is a way back to it.
  const bool keeps_new = progress == Progress::kGivenUp && HasNoWayBack(service);
  if (!keeps_new) return service.rollout->goal();
  return service.slots[index].current.generation;
}

}  // namespace

void SettleSlots(Context& context, Service& service) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    Slot& slot = service.slots[i];
    if (slot.wish == Wish::kStopped || service.wish == Wish::kStopped) slot.is_due = false;
    if (slot.replacement && slot.replacement->kind() == StateKind::kStopped) {
      slot.replacement.reset();
      context.Touch(service);
    }
    if (slot.replacement && slot.current.kind() == StateKind::kStopped) {
      slot.current = std::move(*slot.replacement);
      slot.replacement.reset();
      slot.socket = slot.current.socket;
      // What it had reached beside the last one, whose failure may have come later.
      if (slot.current.kind() == StateKind::kFailed) slot.reached = Reached::kNothing;
      if (slot.current.kind() == StateKind::kReady && !service.stop_order) {
        slot.reached = Reached::kReady;
      }
      context.Touch(service);
    }
    if (slot.current.kind() != StateKind::kStopped || service.stop_order) continue;
    if (IsRolloutsToStart(service, i) || !IsWanted(context.state, service, slot)) continue;
    const Generation generation = GenerationToStart(service, i);
    // Surplus in what it would start: a rollout to a spec with more of them brings it up in its
    // turn. Surplus in the target: it is being taken away.
    const bool deploys = service.rollout && service.rollout->cause == Cause::kPerson;
    const bool goes = deploys && i >= GoalCount(service);
    if (goes || i >= service.policy(generation).instances) continue;
    if (slot.current.generation != generation || !service.rollout) {
      slot.current = Instance{.generation = generation};
    }
    const bool is_due = std::exchange(slot.is_due, false);
    StepInstance(context, service, static_cast<SlotIndex>(i), Which::kCurrent,
                 on::Start{is_due ? on::Start::Why::kDue : on::Start::Why::kWanted});
  }
  const auto is_surplus = [&] {
    return !service.rollout && service.slots.size() > service.policy(service.generation).instances;
  };
  while (is_surplus() && service.slots.back().current.kind() == StateKind::kStopped &&
         !service.slots.back().replacement) {
    service.slots.pop_back();
    context.Touch(service);
  }
}

}  // namespace oxherd
