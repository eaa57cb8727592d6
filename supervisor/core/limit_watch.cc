#include "core/limit_watch.h"

#include <algorithm>

namespace oxherd {

void LimitWatch::Follow(Token token, Instant ready_since) {
  if (token == token_) return;
  token_ = token;
  ready_since_ = ready_since;
  memory_in_a_row_ = 0;
  points_.clear();
  obeyed_.reset();
  tried_ = false;
}

std::optional<Excess> LimitWatch::Take(const Limits& limits, const LimitSample& sample) {
  std::optional<Excess> excess;
  const bool is_over = limits.memory_bytes && sample.memory_bytes > *limits.memory_bytes;
  memory_in_a_row_ = is_over ? memory_in_a_row_ + 1 : 0;
  if (memory_in_a_row_ >= kMemoryInARow) {
    excess = Excess{.of = Excess::Of::kMemory, .used = sample.memory_bytes};
    NoteExcess(sample.at - ready_since_);
  }
  if (!limits.cpu_permille) return excess;
  const std::optional<std::uint64_t> cpu = CpuPermille(limits, sample);
  if (excess || !cpu || *cpu <= *limits.cpu_permille) return excess;
  NoteExcess(sample.at - ready_since_ - limits.cpu_window);
  return Excess{.of = Excess::Of::kCpu, .used = *cpu};
}

std::optional<std::uint64_t> LimitWatch::CpuPermille(const Limits& limits,
                                                     const LimitSample& sample) {
  // Time that ended children took with them: whatever it was, it is over.
  if (!points_.empty() && sample.cpu < points_.back().cpu) points_.clear();
  const Duration step = limits.cpu_window / kPoints;
  if (points_.empty() || sample.at - points_.back().at >= step) {
    points_.push_back({.at = sample.at, .cpu = sample.cpu});
  }
  while (points_.size() > 1 && sample.at - points_[1].at >= limits.cpu_window) points_.pop_front();
  const Duration elapsed = sample.at - points_.front().at;
  if (elapsed < limits.cpu_window) return std::nullopt;
  const Duration used = sample.cpu - points_.front().cpu;
  return static_cast<std::uint64_t>(used / Millis(1)) * 1000 /
         static_cast<std::uint64_t>(std::max<std::int64_t>(elapsed / Millis(1), 1));
}

void LimitWatch::NoteExcess(Duration obeyed) {
  if (!obeyed_) obeyed_ = std::max(obeyed, Duration::zero());
}

void LimitWatch::Replaced(Instant now) {
  const bool was_of_use = !tried_ && obeyed_.value_or(Duration::zero()) >= pause_;
  pause_ =
      was_of_use || pause_ == Duration::zero() ? kFirstPause : std::min(2 * pause_, kLongestPause);
  not_before_ = now + pause_;
  tried_ = true;
}

}  // namespace oxherd
