// How long clients would have to wait for an instance that has no process yet.
#include "core/start_order.h"
#include "core/traffic.h"

namespace oxherd {

Instant StartsAt(const State& state, const Service& service, const Slot& slot,
                 const Instance& instance) {
  if (state.shutdown || service.wish != Wish::kRunning || slot.wish != Wish::kRunning) {
    return kNever;
  }
  if (const auto* waiting = std::get_if<Waiting>(&instance.state)) {
    if (waiting->delay_until != kNever) return waiting->delay_until;
    const bool may_go = waiting->order == Order::kAtOnce || DependenciesMet(state, service);
    return may_go ? instance.state_since : kNever;
  }
  if (const auto* backoff = std::get_if<Backoff>(&instance.state)) return backoff->until;
  if (const auto* failed = std::get_if<Failed>(&instance.state)) return failed->retry_at;
  // It has told its address: clients are sent to where it will be, as soon as it is gone.
  const auto* killing = std::get_if<Killing>(&instance.state);
  const bool is_back_at_once =
      killing != nullptr && killing->after == After::kAgain && !killing->unkillable;
  if (is_back_at_once) return instance.state_since;
  const auto* stopping = std::get_if<Stopping>(&instance.state);
  const bool has_gone = stopping != nullptr && stopping->phase == Stopping::Phase::kPostStop;
  return has_gone ? stopping->until : kNever;
}

bool IsComing(const Context& context, const Service& service, const Slot& slot,
              const Instance& instance) {
  return StartsAt(context.state, service, slot, instance) <= context.now + kWaitForOwner;
}

}  // namespace oxherd
