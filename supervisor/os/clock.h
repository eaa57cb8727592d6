// The monotonic clock.
#pragma once

#include "base/time.h"

namespace oxherd::os {

// CLOCK_MONOTONIC of this moment (clock_gettime(2)); cannot fail.
[[nodiscard]] Instant Now();

// How long the machine has been suspended since it was started: CLOCK_BOOTTIME less
// CLOCK_MONOTONIC, which stands still meanwhile. Exact to some microseconds.
[[nodiscard]] Duration TimeAsleep();

}  // namespace oxherd::os
