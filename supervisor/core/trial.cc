#include "core/trial.h"

#include <algorithm>

#include "core/traffic.h"

namespace oxherd {
namespace {

bool IsSteered(const Service& service, const Instance& instance) {
  return std::ranges::any_of(service.traffic->pools, [&](const Pool& pool) {
    return !pool.shared && pool.width > 0 && Uses(service, instance, pool);
  });
}

// Clients are well off with it.
bool ServesWell(const Service& service, const Instance& instance) {
  return instance.is_ready() && Serves(service, instance);
}

bool OldOnesServe(const Service& service, const Instance& newcomer) {
  bool serve = false;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& other) {
    serve |= other.generation != newcomer.generation && ServesWell(service, other);
  });
  return serve;
}

// The old one of its slot went first, or had ended before; the others have yet to be replaced.
bool IsNewInPlace(const Service& service, SlotIndex slot) {
  if (!service.rollout) return false;
  const Rollout& rollout = *service.rollout;
  return rollout.cause == Cause::kPerson && rollout.phase == Rollout::Phase::kForward &&
         rollout.slots[slot] == Rollout::Progress::kInProgress &&
         service.slots[slot].current.generation == rollout.target;
}

}  // namespace

bool IsOnTrial(const Context& context, const Service& service, SlotIndex index, Which which) {
  if (!service.traffic) return false;
  const Slot& slot = service.slots[index];
  const Instance& instance = which == Which::kCurrent ? slot.current : *slot.replacement;
  const auto* ready = std::get_if<Ready>(&instance.state);
  if (ready == nullptr || !instance.socket || !IsSteered(service, instance)) return false;
  if (ready->since + service.policy(instance.generation).min_uptime <= context.now) return false;
  if (which == Which::kReplacement) return ServesWell(service, slot.current);
  return !slot.replacement && IsNewInPlace(service, index) && OldOnesServe(service, instance);
}

}  // namespace oxherd
