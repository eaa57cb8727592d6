#include "core/reload_signal.h"

#include <algorithm>

namespace oxherd {

bool ReloadsItself(const Service& service, const SpecPtr& spec) {
  const Policy& policy = service.spec().policy;
  if (policy.reload_signal == 0 || service.rollout || service.next || service.stop_order) {
    return false;
  }
  if (spec != nullptr && *spec != service.spec()) return false;
  return service.slots.size() == policy.instances &&
         std::ranges::all_of(service.slots, [&](const Slot& slot) {
           const StateKind kind = slot.current.kind();
           const bool is_up = kind == StateKind::kReady || kind == StateKind::kUnhealthy;
           return slot.current.generation == service.generation &&
                  (is_up || slot.wish == Wish::kStopped);
         });
}

void TellToReload(Context& context, Service& service) {
  const std::uint8_t signal = service.policy(service.rollout->target).reload_signal;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const Instance& instance = service.slots[i].current;
    const StateKind kind = instance.kind();
    if (signal == 0 || (kind != StateKind::kReady && kind != StateKind::kUnhealthy)) continue;
    context.actions.push_back(action::Signal{.token = instance.token(), .signal = signal});
    context.actions.push_back(action::Tell{.kind = action::Tell::Kind::kSignalled,
                                           .instance = {service.name, static_cast<SlotIndex>(i)},
                                           .generation = instance.generation,
                                           .token = instance.token(),
                                           .millis = 0,
                                           .number = signal,
                                           .failure = {}});
  }
}

}  // namespace oxherd
