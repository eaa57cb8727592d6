#include "cli/logs/cursor.h"

#include <utility>

namespace oxherd::cli {

bool IsEarlier(const os::LogLine& a, const os::LogLine& b) {
  if (!a.burst || !b.burst) return !a.burst && b.burst;
  // The wall clock may have been set meanwhile; the monotonic one counts from the boot.
  if (a.burst->boot == b.burst->boot) return a.burst->monotonic < b.burst->monotonic;
  return a.burst->wall < b.burst->wall;
}

// ---- Backward. ----

BackwardLines::BackwardLines(LogSource& source, const LogFilter& filter, std::uint64_t budget)
    : source_(source), filter_(filter), budget_(budget) {
  block_.next = source_.files.End().offset;
}

bool BackwardLines::ReadBlock() {
  while (block_.next == 0) {
    os::LogReader* older = source_.files.At(age_ + 1);
    if (older == nullptr) return false;
    ++age_;
    block_.next = older->Size();
  }
  if (budget_ < os::kMaxLineBytes) {
    ran_out_ = true;
    return false;
  }
  budget_ -= os::kMaxLineBytes;
  auto block = source_.files.At(age_)->ReadBack(block_.next);
  if (!block) return false;
  block_ = std::move(*block);
  at_ = 0;
  return true;
}

const os::LogLine* BackwardLines::Head() {
  if (!source_.files.is_open()) return nullptr;
  while (!over_ && !head_is_set_) {
    if (at_ >= block_.lines.size()) {
      over_ = !ReadBlock();
      continue;
    }
    os::LogLine& line = block_.lines[at_];
    line.burst = source_.files.At(age_)->BurstAt(line.offset);
    // Older lines are older still (unless the clock was set back: then some are left out).
    if (filter_.since && line.burst && line.burst->wall < *filter_.since) {
      over_ = true;
    } else if (source_.owner.Owns(line) && filter_.Takes(line, source_.stream)) {
      head_is_set_ = true;
    } else {
      ++at_;
    }
  }
  return over_ ? nullptr : &block_.lines[at_];
}

void BackwardLines::Pop() {
  ++at_;
  head_is_set_ = false;
}

// ---- Forward. ----

ForwardLines::ForwardLines(LogSource& source, const LogFilter& filter, LogPosition begin,
                           std::optional<LogPosition> end, OpenLine open_line)
    : source_(source), filter_(filter), position_(begin), end_(end), open_line_(open_line) {}

bool ForwardLines::ReadBlock() {
  for (;;) {
    if (end_ && !position_.IsBefore(*end_)) return false;
    os::LogReader* reader = source_.files.At(position_.age);
    if (reader == nullptr) return false;
    auto lines = reader->ReadOn(position_.offset);
    if (!lines) return false;
    const bool is_open =
        !lines->empty() && lines->back().ended_by == os::LogLine::End::kOpen && position_.age == 0;
    if (is_open && open_line_ == OpenLine::kHeldBack) lines->pop_back();
    if (!lines->empty()) {
      position_.offset = lines->back().end;
      block_ = std::move(*lines);
      at_ = 0;
      return true;
    }
    if (position_.age == 0) return false;
    position_ = {position_.age - 1, 0};
  }
}

bool ForwardLines::Takes(const os::LogLine& line) {
  if (!source_.owner.Owns(line)) return false;
  const bool follows =
      filter_.least && !filter_.pattern && took_last_ && LogFilter::IsContinuation(line);
  took_last_ = follows || filter_.Takes(line, source_.stream);
  return took_last_;
}

const os::LogLine* ForwardLines::Head() {
  while (!head_is_set_) {
    if (at_ >= block_.size() && !ReadBlock()) return nullptr;
    if (Takes(block_[at_])) {
      head_is_set_ = true;
    } else {
      ++at_;
    }
  }
  return &block_[at_];
}

void ForwardLines::Pop() {
  ++at_;
  head_is_set_ = false;
}

bool ForwardLines::Refresh() {
  if (source_.files.is_open() && source_.files.At(0)->index().count() == 0) {
    source_.files.At(0)->ReopenIndex();
  }
  return source_.files.Refresh(position_) != LogFiles::Change::kNone;
}

LogPosition PositionOf(LogFiles& files, WallTime since) {
  LogPosition position = files.End();
  for (std::size_t age = 0;; ++age) {
    os::LogReader* reader = files.At(age);
    if (reader == nullptr || reader->facts().modified < since) break;
    const os::LogIndex& index = reader->index();
    const std::uint64_t first = index.FindTime(since);
    const auto burst = first < index.count() ? index.At(first) : std::nullopt;
    if (burst && first > 0) return {age, burst->offset};
    position = {age, 0};  // all of it is young enough, or nobody knows
  }
  return position;
}

}  // namespace oxherd::cli
