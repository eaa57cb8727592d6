// Rollouts: replacing the instances of one service, slot by slot, forward to a new generation or
// back to the old one, so that a Ready instance is never given up for one that has not proved
// itself.
//
// The one rule that both directions share: in a slot with two instances the current one leaves when
// the replacement is Ready, and the replacement is promoted when the current one is gone.
#pragma once

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// A person's reload to `target`: begins it, or remembers it as next. Whom it replaces as next is
// told that it was superseded.
void RequestRollout(Context& context, Service& service, Generation target);

// Replaces what runs from its own generation: one unhealthy instance, or (routine) the given slot
// or all. Dropped if a rollout is in flight or pending: that one satisfies it. `why` is for people,
// and may be empty.
void RequestReplacement(Context& context, Service& service, Cause cause,
                        std::optional<SlotIndex> slot, const std::string& why = {});

// Ends rollout and next without finishing them; their callers are told by which verb. Instances
// are left as they are: the verb deals with them.
void AbortRollout(Context& context, Service& service, Verb by);

// An instance has failed (see Instance::failure): if it was to prove itself, the rollout turns
// back.
void NewcomerMayHaveFailed(Context& context, Service& service, SlotIndex slot, Which which);

// pre_reload_cmd has ended: begin for real, or fail with nothing changed.
void PreReloadEnded(Context& context, Service& service, const Hook& hook);

// The pools of the target were opened, or one of them was not: begin for real, or fail with nothing
// changed. Nothing if no rollout waits for them.
void PoolsMayBeOpen(Context& context, Service& service);

// An address of the target cannot be opened as the running generation has it: if nothing was
// changed yet, the old instances are stopped first, this once. False: it is too late for that.
bool MustChangeHands(Context& context, Service& service, const std::string& address);
void PoolsFailed(Context& context, Service& service, const Failure& failure);

// Takes the rollout, if there is one, as far as it goes now.
void AdvanceRollout(Context& context, Service& service);

// An instance of the slot is Unhealthy and its next try is due: begins a replacement.
void ReplaceUnhealthy(Context& context, Service& service);

}  // namespace oxherd
