#include "os/edge_poller.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <ctime>
#include <utility>

#include "os/clock.h"

namespace oxherd::os {

SystemResult<EdgePoller> EdgePoller::Make() {
  EdgePoller poller;
  poller.epoll_ = Fd(Try([] { return epoll_create1(EPOLL_CLOEXEC); }));
  if (!poller.epoll_) return LastErrno();
  return poller;
}

SystemStatus EdgePoller::Add(int fd, For what, std::uint64_t id) {
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(what == For::kReading ? EPOLLIN : EPOLLOUT) |
                 static_cast<std::uint32_t>(EPOLLET);
  event.data.u64 = id;
  if (Try([&] { return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event); }) != 0) {
    return LastErrno();
  }
  return {};
}

void EdgePoller::Remove(int fd) { (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

std::span<const std::uint64_t> EdgePoller::Wait(Instant until, std::span<std::uint64_t> ids) {
  int timeout = -1;
  if (until == Instant::min()) {
    timeout = 0;
  } else if (until != kNever) {
    const auto left = std::max(until - Now(), Duration::zero());
    // Rounded up: to wake before the time would be to wake for nothing.
    const auto millis = ToMillis(left + Millis(1) - Duration(1));
    timeout = static_cast<int>(std::min<std::int64_t>(millis, 3'600'000));
  }
  std::array<epoll_event, 64> events;
  const int most = static_cast<int>(std::min(ids.size(), events.size()));
  const int count = epoll_wait(epoll_.get(), events.data(), most, timeout);
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    ids[at] = events[at].data.u64;
  }
  return ids.first(static_cast<std::size_t>(std::max(count, 0)));
}

SystemResult<Bell> Bell::Make() {
  Bell bell;
  bell.fd_ = Fd(Try([] { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }));
  if (!bell.fd_) return LastErrno();
  return bell;
}

void Bell::Ring() const {
  const std::uint64_t one = 1;
  (void)!Try([&] { return write(fd_.get(), &one, sizeof one); });  // fails only when it rings
}

void Bell::Quieten() const {
  std::uint64_t count = 0;
  (void)!read(fd_.get(), &count, sizeof count);
}

void Bell::WaitFor(Duration at_most) const {
  const timespec time{.tv_sec = static_cast<time_t>(at_most / Seconds(1)),
                      .tv_nsec = static_cast<long>((at_most % Seconds(1)).count())};
  pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  (void)ppoll(&wait, 1, &time, nullptr);
}

}  // namespace oxherd::os
