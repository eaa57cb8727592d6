#include "os/clock.h"

#include <ctime>

namespace oxherd::os {

Instant Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return InstantFromNanoseconds(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

}  // namespace oxherd::os
