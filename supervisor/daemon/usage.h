// How much CPU and memory the trees of instances take, measured only when somebody asks.
//
// A sample reads a few files of /proc for each process. Many instances are sampled a part at a
// time, so that a list never waits: what was not reached keeps its last figures.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/ids.h"
#include "base/time.h"

namespace oxherd {

struct Usage {
  std::optional<double> cpu_percent;          // of one core, between the last two samples
  std::optional<std::uint64_t> memory_bytes;  // resident
};

class UsageSampler {
 public:
  // What one question may cost; the rest is for the next one.
  static constexpr Duration kBudget = Millis(4);
  // Figures younger than this are given as they are; in the second half of the budget those younger
  // than kStale too, so that everybody's turn comes.
  static constexpr Duration kFresh = Millis(500);
  static constexpr Duration kStale = Seconds(10);

  // Begins a question: its budget counts from `now`.
  void Begin(Instant now);
  // The tree of the process `pid`, which is that of `token`. Source: proc(5).
  [[nodiscard]] Usage Of(Token token, Pid pid);
  // Forgets tokens that were not asked for in the last kKeptQuestions questions.
  static constexpr std::uint64_t kKeptQuestions = 10;
  void End();

 private:
  struct Sample {
    Instant at;
    Duration cpu{0};
    Usage usage;
    std::uint64_t question = 0;
  };
  std::unordered_map<Token, Sample> samples_;
  Instant until_;
  std::uint64_t question_ = 0;
};

}  // namespace oxherd
