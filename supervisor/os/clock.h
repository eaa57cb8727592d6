// The monotonic clock.
#pragma once

#include "base/time.h"

namespace oxherd::os {

// CLOCK_MONOTONIC of this moment (clock_gettime(2)); cannot fail.
[[nodiscard]] Instant Now();

}  // namespace oxherd::os
