// Waiting for many descriptors at once, by a key of the caller's: epoll(7), level-triggered.
#pragma once

#include <cstdint>
#include <span>

#include "base/time.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

// What a descriptor is waited for.
enum class Wanted : std::uint8_t {
  kNothing,  // only that the other side closes
  kReadable,
  kWritable,
  kReadableOrWritable,
  kChanged,  // a file of the kernel's changed, e.g. cgroup.events (EPOLLPRI)
};

struct Ready {
  std::uint64_t key = 0;
  bool readable = false;  // also when the other side is closed, or something failed
  bool writable = false;
};

class Poller {
 public:
  [[nodiscard]] static SystemResult<Poller> Open();

  [[nodiscard]] SystemStatus Add(int fd, Wanted wanted, std::uint64_t key);
  [[nodiscard]] SystemStatus Change(int fd, Wanted wanted, std::uint64_t key);
  // Before the descriptor is closed: a copy of it in a child that has not reached its exec would
  // keep it here.
  void Remove(int fd);

  // Readable while something is ready, for whoever waits elsewhere.
  [[nodiscard]] int fd() const { return epoll_.get(); }

  // Waits until something is ready or `until` has come (kNever: for ever), at most 1 ms longer;
  // returns what is ready, nothing after the time. Also returns early for a signal.
  [[nodiscard]] std::span<const Ready> Wait(Instant until, std::span<Ready> places);

 private:
  explicit Poller(Fd epoll) : epoll_(std::move(epoll)) {}

  Fd epoll_;
};

}  // namespace oxherd::os
