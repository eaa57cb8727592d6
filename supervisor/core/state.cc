#include "core/state.h"

#include <algorithm>

#include "base/check.h"

namespace oxherd {

const KeptSpec* Service::Find(Generation wanted) const {
  const auto found = std::ranges::find(specs, wanted, &KeptSpec::generation);
  return found == specs.end() ? nullptr : &*found;
}

const Spec& Service::spec(Generation wanted) const {
  const KeptSpec* kept = Find(wanted);
  OXHERD_CHECK(kept != nullptr, "a generation that is in use has no spec");
  return *kept->spec;
}

bool Service::is_down() const {
  return hooks.empty() && std::ranges::none_of(slots, [](const Slot& slot) {
           return slot.current.is_occupied() ||
                  (slot.replacement && slot.replacement->is_occupied());
         });
}

bool Service::is_gap(std::size_t slot) const {
  return slots[slot].current.kind() == StateKind::kStopped && !slots[slot].replacement &&
         slot >= policy(generation).instances;
}

bool Service::may_replace() const {
  return wish == Wish::kRunning && !deleting && !stop_order && !rollout && !next;
}

Instant Service::deadline() const {
  Instant earliest = kNever;
  for (const Slot& slot : slots) {
    earliest = std::min(earliest, slot.current.deadline());
    if (slot.replacement) {
      earliest = std::min(earliest, slot.replacement->deadline());
    } else if (const auto* unhealthy = std::get_if<Unhealthy>(&slot.current.state);
               unhealthy != nullptr && may_replace()) {
      earliest = std::min(earliest, unhealthy->next_try);
    }
  }
  if (rollout) earliest = std::min(earliest, rollout->settle_at);
  if (traffic) {
    for (const SocketQueue& queue : traffic->queues) earliest = std::min(earliest, queue.sweep_at);
  }
  for (const Hook& hook : hooks) {
    if (!hook.killed) earliest = std::min(earliest, hook.deadline);
  }
  return earliest;
}

bool RequestRecord::succeeded() const {
  return std::ranges::all_of(items, [](const RequestItem& item) {
    return item.outcome != Outcome::kFailed && item.outcome != Outcome::kRolledBack &&
           item.outcome != Outcome::kSkipped && IsFinal(item.outcome);
  });
}

Service* State::Find(std::string_view name) {
  const auto found = std::ranges::find(services, name, &Service::name);
  return found == services.end() ? nullptr : &*found;
}

const Service* State::Find(std::string_view name) const {
  const auto found = std::ranges::find(services, name, &Service::name);
  return found == services.end() ? nullptr : &*found;
}

const RequestRecord* State::Find(RequestId id) const {
  const auto found = std::ranges::find(requests, id, &RequestRecord::id);
  return found == requests.end() ? nullptr : &*found;
}

}  // namespace oxherd
