// Requests: what people asked for, what each still waits for, and exactly one final reply.
#pragma once

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// Takes a request; the same id twice is one request.
void AcceptRequest(Context& context, const event::Request& request);

// Looks at every open request: begins what is its turn, ends what is done, replies, forgets.
void AdvanceRequests(Context& context);

// The earliest deadline of a request; kNever if there is none.
[[nodiscard]] Instant RequestDeadline(const State& state);

// A start of `instance` has failed and its tree is gone: whoever waits for it is answered.
void NoteFailedStart(Context& context, const Service& service, const Instance& instance);

// The rollout to `target` has ended so.
void NoteRolloutEnd(Context& context, const Service& service, Generation target, Outcome outcome,
                    const Failure& failure);

// The replacement of one instance has failed: whoever asked for it is told, the old one stays.
void NoteReplacementFailed(Context& context, const Service& service, SlotIndex slot,
                           const Failure& failure);

}  // namespace oxherd
