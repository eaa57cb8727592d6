#include "core/generations.h"

#include <cstddef>
#include <utility>

#include "core/supervisor.h"

namespace oxherd {

Generation AddGeneration(Service& service, SpecPtr spec) {
  service.last_generation = service.last_generation.Next();
  service.specs.push_back({.generation = service.last_generation, .spec = std::move(spec)});
  return service.last_generation;
}

void TrimSpecs(Service& service, const State& state) {
  const auto in_use = [&](Generation generation) {
    if (generation == service.generation) return true;
    // What failed last is still asked for: why, where its output is, what it was started from.
    if (service.last_reload && generation == service.last_reload->target) return true;
    if (service.rollout &&
        (generation == service.rollout->from || generation == service.rollout->target)) {
      return true;
    }
    if (service.next && generation == service.next->target) return true;
    for (const Slot& slot : service.slots) {
      if (slot.current.generation == generation) return true;
      if (slot.replacement && slot.replacement->generation == generation) return true;
    }
    for (const Hook& hook : service.hooks) {
      if (hook.generation == generation) return true;
    }
    for (const RequestRecord& request : state.requests) {
      for (const RequestItem& item : request.items) {
        if (!IsFinal(item.outcome) && item.service == service.name &&
            item.generation == generation) {
          return true;
        }
      }
    }
    return false;
  };
  std::size_t kept_for_rollback = 0;
  for (std::size_t i = service.specs.size(); i-- > 0;) {
    const KeptSpec& kept = service.specs[i];
    if (in_use(kept.generation)) continue;
    if (kept.was_ready && kept_for_rollback < kKeptSpecs) {
      ++kept_for_rollback;
      continue;
    }
    service.specs.erase(service.specs.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace oxherd
