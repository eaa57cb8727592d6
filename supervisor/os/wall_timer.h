// A timer on the wall clock, which also wakes when somebody sets that clock.
#pragma once

#include <optional>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace oxherd::os {

class WallTimer {
 public:
  // Not armed. Source: timerfd_create(2), CLOCK_REALTIME.
  [[nodiscard]] static Result<WallTimer> Open();

  // Readable once there is something to take.
  [[nodiscard]] int fd() const { return timer_.get(); }
  // Wakes at `when`, at once if it has passed; and when the clock is set or the machine wakes up,
  // TFD_TIMER_CANCEL_ON_SET, until it is armed again. Nothing: only then.
  [[nodiscard]] Status Arm(std::optional<WallTime> when);

  enum class Woken { kNot, kTime, kClockSet };
  // Never blocks.
  [[nodiscard]] Woken Take();

 private:
  explicit WallTimer(Fd timer) : timer_(std::move(timer)) {}
  Fd timer_;
};

// CLOCK_REALTIME of this moment (clock_gettime(2)).
[[nodiscard]] WallTime WallNow();

}  // namespace oxherd::os
