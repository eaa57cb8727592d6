#include "os/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <limits>

#include "os/clock.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kAtOnce = 32;

epoll_event EventFor(Wanted wanted, std::uint64_t key) {
  epoll_event event{};
  event.data.u64 = key;
  switch (wanted) {
    case Wanted::kNothing:
      break;
    case Wanted::kReadable:
      event.events = EPOLLIN;
      break;
    case Wanted::kWritable:
      event.events = EPOLLOUT;
      break;
    case Wanted::kReadableOrWritable:
      event.events = EPOLLIN | EPOLLOUT;
      break;
    case Wanted::kChanged:
      event.events = EPOLLPRI;
      break;
  }
  return event;
}

// Rounded up, so that a deadline has come when the wait is over.
int MillisUntil(Instant until) {
  if (until == kNever) return -1;
  const Instant now = Now();
  if (until <= now) return 0;
  const auto left = std::chrono::ceil<Millis>(until - now).count();
  return static_cast<int>(std::min<std::int64_t>(left, std::numeric_limits<int>::max()));
}

}  // namespace

SystemResult<Poller> Poller::Open() {
  const int number = Try([] { return ::epoll_create1(EPOLL_CLOEXEC); });
  if (number < 0) return LastErrno();
  return Poller(Fd(number));
}

SystemStatus Poller::Add(int fd, Wanted wanted, std::uint64_t key) {
  epoll_event event = EventFor(wanted, key);
  if (Try([&] { return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event); }) < 0) {
    return LastErrno();
  }
  return {};
}

SystemStatus Poller::Change(int fd, Wanted wanted, std::uint64_t key) {
  epoll_event event = EventFor(wanted, key);
  if (Try([&] { return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event); }) < 0) {
    return LastErrno();
  }
  return {};
}

void Poller::Remove(int fd) {
  if (fd >= 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const Ready> Poller::Wait(Instant until, std::span<Ready> places) {
  std::array<epoll_event, kAtOnce> events{};
  const auto most = static_cast<int>(std::min(places.size(), events.size()));
  const int count = ::epoll_wait(epoll_.get(), events.data(), most, MillisUntil(until));
  const auto found = static_cast<std::size_t>(std::max(count, 0));
  for (std::size_t i = 0; i < found; ++i) {
    places[i] = {.key = events[i].data.u64,
                 .readable = (events[i].events & ~std::uint32_t{EPOLLOUT}) != 0,
                 .writable = (events[i].events & EPOLLOUT) != 0};
  }
  return places.first(found);
}

}  // namespace oxherd::os
