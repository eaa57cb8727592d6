// The trial of a new instance: for min_uptime after Ready it gets no clients while old ones serve,
// so one that is well for a moment and dies takes nobody's request with it.
#pragma once

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// A rollout has made it Ready less than min_uptime ago, and what it replaces serves on: the old
// instance of its slot, or those in the other slots where that one went first. Never without
// steering, as nothing keeps clients away from it then.
[[nodiscard]] bool IsOnTrial(const Context& context, const Service& service, SlotIndex slot,
                             Which which);

}  // namespace oxherd
