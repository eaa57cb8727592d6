// Scheduled oneshots: what becomes of them when their time has come.
#pragma once

#include "core/context.h"

namespace oxherd {

// Runs every instance of the service that waits for its time; says so of those whose last run still
// lasts. Nothing for a service that has no schedule, or that is not to run.
void RunScheduled(Context& context, Service& service);

}  // namespace oxherd
