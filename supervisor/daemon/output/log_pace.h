// The output thread's pace: how long bytes gather in the pipes before they are moved on, and which
// pipes have more room meanwhile.
//
// To be woken costs more than to move what one write left, for both sides: the writer pays for the
// waking, and where its pipe is full, for being woken itself. So the thread naps between rounds
// while bytes come, and a pipe whose writer keeps filling it is made wide for as long as it does.
// An unprivileged user has no more than 1,024 pipes of the usual size, so few are wide at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "os/fd.h"

namespace oxherd {

// What has come out of one pipe lately.
struct OutputFlow {
  std::uint64_t id = 0;  // of its source
  bool is_wide = false;
  std::uint64_t nap = 0;     // the last one before the bytes were counted
  std::size_t gathered = 0;  // bytes moved since that nap
  int times_full = 0;        // how often it was found full, never long apart
  Instant full_at{};
};

class OutputPace {
 public:
  // A pipe is new here; one that a daemon before this one left wide is noted.
  void Begin(OutputFlow& flow, const os::Fd& pipe, Instant now);
  // `bytes` were moved out of it. May make it wide.
  void OnMoved(OutputFlow& flow, const os::Fd& pipe, std::size_t bytes, Instant now);
  // Makes it narrow again, if what is in it lets us; else it is due again later. fcntl(2).
  void Narrow(OutputFlow& flow, const os::Fd& pipe, Instant now);
  // It is about to be closed: narrow, as somebody else may hold it.
  void End(OutputFlow& flow, const os::Fd& pipe, Instant now);

  // After a round: how long to let bytes gather; zero: not at all.
  [[nodiscard]] Duration Nap();

  // When a wide pipe is to be narrow again; kNever if none is.
  [[nodiscard]] Instant deadline() const;
  // The ids of those whose time has come.
  [[nodiscard]] std::vector<std::uint64_t> Due(Instant now) const;

  static constexpr std::size_t kUsualRoom = std::size_t{64} * 1024;
  static constexpr std::size_t kWideRoom = std::size_t{1024} * 1024;  // proc(5): pipe-max-size
  static constexpr std::size_t kMostWide = 4;
  // How long a pipe stays wide after it last gave more than a usual one could hold.
  static constexpr Duration kStayWide = Millis(100);

 private:
  struct Wide {
    std::uint64_t id = 0;
    Instant until{};
  };
  void Widen(OutputFlow& flow, const os::Fd& pipe, Instant now);

  static constexpr Duration kLongestNap = std::chrono::microseconds(200);
  static constexpr Duration kShortestNap = std::chrono::microseconds(20);

  std::vector<Wide> wide_;
  Duration nap_ = kLongestNap;
  std::uint64_t naps_ = 1;
  std::size_t fullest_ = 0;  // percent of its room that one pipe gave since the last nap
  bool is_more_left_ = false;
};

}  // namespace oxherd
