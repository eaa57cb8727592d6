// Reconcile: after each event, does everything that can be done, until nothing changes any more.
#pragma once

#include "core/context.h"

namespace oxherd {

// Runs to a fixpoint over the services that were touched, what waits to start, and the requests.
void Reconcile(Context& context);

// Handles every deadline up to `context.now`: of instances, hooks and rollouts.
void RunDeadlines(Context& context);

// A hook's process is gone, or never was: whoever waits for it goes on.
void EndHook(Context& context, Service& service, Token token);

}  // namespace oxherd
