// Programs that reload themselves: when a signal is enough, and its sending.
#pragma once

#include "core/context.h"

namespace oxherd {

// Every instance of the service is up, `spec` (null: none was read) changes nothing, and its
// program reloads itself: a reload need not replace it.
[[nodiscard]] bool ReloadsItself(const Service& service, const SpecPtr& spec);

// The rollout in flight is such a reload, and is prepared: its instances get their signal. No slot
// needs another instance, as each has the target already.
void TellToReload(Context& context, Service& service);

}  // namespace oxherd
