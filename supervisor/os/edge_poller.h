// Waiting for many descriptors, told once for each change, and waking a thread that waits.
#pragma once

#include <cstdint>
#include <span>

#include "base/time.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

// An edge-triggered epoll(7) instance: a pipe whose writers are all gone does not stay ready for
// ever. Registrations are named by the caller, not by descriptor number.
class EdgePoller {
 public:
  [[nodiscard]] static SystemResult<EdgePoller> Make();

  // Tells once each time something comes in (or, kWriting, goes out again). EPERM: not a file that
  // can be waited for. `id` comes back from Wait().
  enum class For : std::uint8_t { kReading, kWriting };
  [[nodiscard]] SystemStatus Add(int fd, For what, std::uint64_t id);
  void Remove(int fd);

  // Waits until something happened or `until` (kNever: for ever; in the past: not at all) and
  // returns the ids of what is ready, as many as fit.
  [[nodiscard]] std::span<const std::uint64_t> Wait(Instant until, std::span<std::uint64_t> ids);

 private:
  Fd epoll_;
};

// A counter that makes a descriptor readable. eventfd(2), non-blocking, close-on-exec.
class Bell {
 public:
  [[nodiscard]] static SystemResult<Bell> Make();
  void Ring() const;
  // Makes it silent again.
  void Quieten() const;
  // Waits until it is rung, or for so long at most; it rings on.
  void WaitFor(Duration at_most) const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace oxherd::os
