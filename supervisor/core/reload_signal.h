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

// Some of them have not surely been told yet: the rollout is not over. Those that have ended
// meanwhile are not waited for.
[[nodiscard]] bool AwaitsTelling(Service& service);

// The keeper has the signal of this process.
void WasTold(Context& context, Service& service, Token token);

// A new daemon: nobody knows whether the signals that were decided on went out, so they go out once
// more. A program that reloads itself twice is no worse; one that never hears of it is.
void TellAgain(Context& context, Service& service);

}  // namespace oxherd
