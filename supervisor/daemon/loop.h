// The loop: waits for descriptors and for one point in time, on one thread.
//
// A thin layer over Boost.Asio, so that those who only want to know that a descriptor is readable
// need no Asio. Handlers are keyed by their Watch, not by descriptor number: a Watch that is gone
// is never called again, also if it goes within a handler, its own included.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/time.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

class Loop {
 public:
  enum class For : unsigned char { kReading, kWriting };

  // Calls `ready` again and again while the descriptor is ready, until the Watch is destroyed. The
  // descriptor stays its owner's and must outlive the Watch.
  class Watch {
   public:
    virtual ~Watch() = default;
  };

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // For those that speak Asio themselves (control server, probes).
  [[nodiscard]] boost::asio::io_context& context();

  [[nodiscard]] std::unique_ptr<Watch> WatchFor(For what, int descriptor,
                                                std::function<void()> ready);

  // Wait() returns at `when` at the latest; kNever: when something happens. One alarm at a time.
  void SetAlarm(Instant when);

  // Blocks until something is ready or the alarm is due, then handles everything that is ready.
  void Wait();
  // Handles what is ready now, and returns how much that was.
  std::size_t Poll();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oxherd
