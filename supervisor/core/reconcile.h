// Reconcile: after each event, does everything that can be done, until nothing changes any more.
#pragma once

#include "core/context.h"

namespace oxherd {

// Runs to a fixpoint over the services that were touched, what waits to start, and the requests.
// Every deadline up to `context.now` of a service that is touched is handled.
void Reconcile(Context& context);

// Touches every service that has a deadline up to `context.now`.
void TouchDue(Context& context);

// A hook's process is gone, or never was: whoever waits for it goes on.
void EndHook(Context& context, Service& service, Token token);

}  // namespace oxherd
