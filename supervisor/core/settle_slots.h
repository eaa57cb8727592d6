// What has come to rest in a slot: the successor of one that is gone moves up, and an empty slot is
// filled again.
#pragma once

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// Promotes, removes and starts what can be, in every slot of the service.
void SettleSlots(Context& context, Service& service);

}  // namespace oxherd
