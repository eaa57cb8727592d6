#include "os/clock.h"

#include <ctime>

namespace oxherd::os {

Instant Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return InstantFromNanoseconds(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

Duration TimeAsleep() {
  timespec since_start{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_start);
  const Duration boot = Seconds(since_start.tv_sec) + std::chrono::nanoseconds(since_start.tv_nsec);
  return boot - Now().time_since_epoch();
}

}  // namespace oxherd::os
