// Going through one log line by line, backward from its end or forward from a place, over rotated
// files, with a block of 64 KiB in memory at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/logs/files.h"
#include "cli/logs/filter.h"

namespace oxherd::cli {

// One log of one instance.
struct LogSource {
  std::string name;  // "api/0"
  os::LogStream stream = os::LogStream::kOut;
  LogOwner owner;
  LogFiles files;
};

// True if `a` was printed before `b`. Lines of which that is not known come at once, so that they
// stay with those before them in their file.
[[nodiscard]] bool IsEarlier(const os::LogLine& a, const os::LogLine& b);

// From the end on. Blocks for the disk.
class BackwardLines {
 public:
  // Looks at no more than `budget` bytes.
  BackwardLines(LogSource& source, const LogFilter& filter, std::uint64_t budget);

  // The newest line that was not popped yet; null: there is none, or none within the budget.
  [[nodiscard]] const os::LogLine* Head();
  void Pop();
  // Before the head.
  [[nodiscard]] LogPosition HeadPosition() const { return {age_, block_.lines[at_].offset}; }
  [[nodiscard]] bool ran_out_of_budget() const { return ran_out_; }

 private:
  bool ReadBlock();

  LogSource& source_;
  const LogFilter& filter_;
  std::uint64_t budget_;
  std::size_t age_ = 0;
  os::LogReader::Block block_;
  std::size_t at_ = 0;  // in the block
  bool head_is_set_ = false;
  bool over_ = false;
  bool ran_out_ = false;
};

// From a place on. Blocks for the disk.
class ForwardLines {
 public:
  // What becomes of a line that has not ended yet.
  enum class OpenLine : std::uint8_t { kShown, kHeldBack };

  // Goes up to `end`, if that is given.
  ForwardLines(LogSource& source, const LogFilter& filter, LogPosition begin,
               std::optional<LogPosition> end, OpenLine open_line);

  // The next line; null: there is none now.
  [[nodiscard]] const os::LogLine* Head();
  void Pop();
  // Looks whether the file was rotated or made shorter since; true if there may be more now. Before
  // that Head() is null.
  [[nodiscard]] bool Refresh();
  [[nodiscard]] const LogSource& source() const { return source_; }

 private:
  bool ReadBlock();
  [[nodiscard]] bool Takes(const os::LogLine& line);

  LogSource& source_;
  const LogFilter& filter_;
  LogPosition position_;  // behind the block
  std::optional<LogPosition> end_;
  OpenLine open_line_;
  std::vector<os::LogLine> block_;
  std::size_t at_ = 0;
  bool head_is_set_ = false;
  bool took_last_ = false;  // the line before: its continuation goes with it
};

// Where lines at or after `since` begin, as far as the indexes know.
[[nodiscard]] LogPosition PositionOf(LogFiles& files, WallTime since);

}  // namespace oxherd::cli
