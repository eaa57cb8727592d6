#include "core/schedule.h"

namespace oxherd {

void RunScheduled(Context& context, Service& service) {
  const Policy& policy = service.policy(service.generation);
  if (!policy.scheduled || context.state.shutdown) return;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const Slot& slot = service.slots[i];
    if (i >= policy.instances || !IsWanted(context.state, service, slot)) continue;
    const auto index = static_cast<SlotIndex>(i);
    // A reload is about to put another instance here.
    const bool runs = !service.rollout && StepInstance(context, service, index, Which::kCurrent,
                                                       on::Start{on::Start::Why::kDue});
    if (runs) continue;
    context.actions.push_back(action::Tell{.kind = action::Tell::Kind::kRunSkipped,
                                           .instance = {service.name, index},
                                           .generation = slot.current.generation,
                                           .token = slot.current.token(),
                                           .millis = 0,
                                           .number = 0,
                                           .failure = {}});
  }
}

}  // namespace oxherd
