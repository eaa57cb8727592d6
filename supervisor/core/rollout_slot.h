// One slot of a rollout: its turn, what its two instances make of each other, and the way back.
//
// Internal to core/rollout; everything here expects service.rollout to be set.
#pragma once

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

enum class Turned : std::uint8_t {
  kOk,     // begun, done, or to be tried again later
  kStuck,  // an unkillable process holds the slot: it cannot be replaced
};

// The slot's turn has come: begins to replace what is in it.
[[nodiscard]] Turned TurnSlot(Context& context, Service& service, SlotIndex slot);

// Takes a slot in progress as far as it goes now.
void UpdateSlot(Context& context, Service& service, SlotIndex slot);

// The slot's replacement has failed: its current instance stays, if it was not told to stop yet, or
// goes on with the back-off that was cancelled for the new one.
void KeepCurrent(Context& context, Service& service, SlotIndex slot);

// The rollout goes back to a generation that never was Ready: it is not tried again either.
[[nodiscard]] bool HasNoWayBack(const Service& service);

// How many slots there are to be when the rollout, if there is one, is through.
[[nodiscard]] std::size_t GoalCount(const Service& service);

// The rollout has just turned back: what this slot has to do for it.
void ReverseSlot(Context& context, Service& service, SlotIndex slot);

// True if this instance is the slot's new one and may still be dropped: the old one has not been
// told to stop for it.
[[nodiscard]] bool IsProvingItself(Service& service, SlotIndex slot, Which which);

// True if the slot's instance is the only one there and serves, start-first: what it was to replace
// is gone already, so it stays until it is replaced itself.
[[nodiscard]] bool HasTakenOver(const Service& service, SlotIndex slot, Which which);

// Ends an instance that failed to prove itself; it does not come back.
void RemoveNewcomer(Context& context, Service& service, SlotIndex slot, Which which);

// Retires and removes the slots from `count` on. True when they are gone, or cannot be made to go.
[[nodiscard]] bool RetireSurplus(Context& context, Service& service, std::size_t count);

// ---- without a rollout: scale

// One more slot at the end, whose instance is started when what the service needs is there.
void AddSlot(Context& context, Service& service);

// Those from `count` on leave: what serves is drained if others serve meanwhile.
void LeaveSurplus(Context& context, Service& service, std::size_t count);

}  // namespace oxherd
