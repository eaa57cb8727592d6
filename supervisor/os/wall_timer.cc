#include "os/wall_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <utility>

namespace oxherd::os {
namespace {

// As far as a 32-bit time goes: what is later is armed again before.
constexpr std::time_t kFarthest = INT32_MAX;

}  // namespace

Result<WallTimer> WallTimer::Open() {
  Fd timer(Try([] { return ::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK); }));
  if (!timer) return ErrnoError("timerfd");
  return WallTimer(std::move(timer));
}

Status WallTimer::Arm(std::optional<WallTime> when) {
  itimerspec setting{};
  setting.it_value.tv_sec = kFarthest;
  if (when) {
    const std::int64_t count = std::max<std::int64_t>(when->time_since_epoch().count(), 1);
    setting.it_value.tv_sec = std::min<std::time_t>(count / 1'000'000'000, kFarthest);
    setting.it_value.tv_nsec = count % 1'000'000'000;
  }
  constexpr int kFlags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  if (Try([&] { return ::timerfd_settime(timer_.get(), kFlags, &setting, nullptr); }) != 0 &&
      errno != ECANCELED) {  // set meanwhile: it is armed all the same, and Take() says so
    return ErrnoError("timerfd_settime");
  }
  return {};
}

WallTimer::Woken WallTimer::Take() {
  std::uint64_t expired = 0;
  if (Try([&] { return ::read(timer_.get(), &expired, sizeof expired); }) > 0) return Woken::kTime;
  return errno == ECANCELED ? Woken::kClockSet : Woken::kNot;
}

WallTime WallNow() {
  timespec now{};
  (void)::clock_gettime(CLOCK_REALTIME, &now);
  return WallTime(Seconds(now.tv_sec) + Duration(now.tv_nsec));
}

}  // namespace oxherd::os
