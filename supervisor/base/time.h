// Points and lengths of time: Instant is on the monotonic clock, everything else is a duration.
//
// Nothing in core/ asks for the time: it is passed in. Wall time is for showing only.
#pragma once

#include <chrono>
#include <cstdint>

namespace oxherd {

using Duration = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

// A point on CLOCK_MONOTONIC (clock_gettime(2)); the same in all our processes on this boot.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// A point on the wall clock, for showing and for files. It may jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

constexpr Instant kNever = Instant::max();

[[nodiscard]] constexpr std::int64_t Nanoseconds(Instant instant) {
  return instant.time_since_epoch().count();
}
[[nodiscard]] constexpr Instant InstantFromNanoseconds(std::int64_t count) {
  return Instant(Duration(count));
}
[[nodiscard]] constexpr std::int64_t ToMillis(Duration duration) {
  return std::chrono::duration_cast<Millis>(duration).count();
}

}  // namespace oxherd
