// The rule of [limits]: what a tree uses of memory and CPU, and when it is replaced for that.
//
// Pure: somebody else measures. Memory counts when it is beyond its limit in two samples in a row,
// so that a peak between two collections of garbage is none; CPU as the average over the whole
// window. A service whose new instances exceed at once is not replaced in a tight circle: the pause
// between two replacements doubles with each that was of no use, from 10 s up to 10 min, and an
// instance keeps serving meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/ids.h"
#include "base/time.h"
#include "core/spec.h"

namespace oxherd {

struct LimitSample {
  Instant at;
  std::uint64_t memory_bytes = 0;
  Duration cpu{0};  // used by the whole tree so far
};

// What is beyond its limit.
struct Excess {
  enum class Of : std::uint8_t { kMemory, kCpu };
  Of of = Of::kMemory;
  std::uint64_t used = 0;  // bytes, or permille of one core
  friend bool operator==(const Excess&, const Excess&) = default;
};

// Of one slot, through all its processes.
class LimitWatch {
 public:
  // From one sample to the next.
  static constexpr Duration kInterval = Seconds(2);
  static constexpr int kMemoryInARow = 2;
  static constexpr Duration kFirstPause = Seconds(10);
  static constexpr Duration kLongestPause = std::chrono::minutes(10);

  // The process of this token is Ready since then. What an earlier one used is forgotten; the pause
  // is not. The same token again changes nothing.
  void Follow(Token token, Instant ready_since);
  [[nodiscard]] Token token() const { return token_; }

  // What is exceeded, if it is.
  [[nodiscard]] std::optional<Excess> Take(const Limits& limits, const LimitSample& sample);

  // Whether it may be replaced for that now.
  [[nodiscard]] bool MayReplace(Instant now) const { return now >= not_before_; }
  [[nodiscard]] Instant not_before() const { return not_before_; }
  // Its replacement was begun.
  void Replaced(Instant now);

 private:
  // Points of the window; one more is kept, so that there is one at least as old as the window.
  static constexpr int kPoints = 20;
  struct Point {
    Instant at;
    Duration cpu;
  };
  [[nodiscard]] std::optional<std::uint64_t> CpuPermille(const Limits& limits,
                                                         const LimitSample& sample);
  void NoteExcess(Duration obeyed);

  Token token_;
  Instant ready_since_;
  int memory_in_a_row_ = 0;
  std::deque<Point> points_;
  std::optional<Duration> obeyed_;  // how long this process was within its limits
  bool tried_ = false;              // it was to be replaced before, and is still there
  Duration pause_{0};
  Instant not_before_{};
};

}  // namespace oxherd
