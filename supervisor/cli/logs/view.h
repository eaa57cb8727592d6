// Shows logs of several instances as one: their last lines merged by time, then what comes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/logs/cursor.h"
#include "cli/logs/filter.h"
#include "cli/logs/line.h"
#include "os/folder_watch.h"

namespace oxherd::cli {

// How much of a log is searched for lines that a filter takes, unless --since says how far.
constexpr std::uint64_t kMaxLogSearch = std::uint64_t{64} * 1024 * 1024;

class LogView {
 public:
  // Writes text out; false: nobody reads it any more.
  using Print = std::function<bool(std::string_view)>;

  // Sources of one instance stand next to each other.
  LogView(std::vector<LogSource> sources, LogFilter filter, LineStyle style, Print print);

  // Prints the last `lines` lines of each instance, or, without a number, all since filter.since.
  // With kComing a line that has not ended is left to Follow(). False: nobody reads it.
  enum class Then : std::uint8_t { kEnd, kComing };
  [[nodiscard]] bool ShowLast(std::optional<std::uint32_t> lines, Then then);

  // Prints what is written from then on, over restarts and rotations, until nobody reads it.
  // `reader_gone` is readable then, or -1. Blocks; wakes up only when something is written.
  [[nodiscard]] Status Follow(int reader_gone);

  // Prints what is new since, at most about `most` lines. False: there is more, or nobody reads it.
  // Blocks for the disk.
  [[nodiscard]] bool ShowNew(std::uint64_t most);
  // Wakes when one of the logs is written, or made.
  [[nodiscard]] Result<os::FolderWatch> Watch() const;

  // What people should know about what was shown; one line each.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  [[nodiscard]] std::uint64_t shown() const { return shown_; }

 private:
  [[nodiscard]] std::vector<LogPosition> Begins(std::optional<std::uint32_t> lines);
  void FindLast(std::size_t first, std::size_t last, std::uint32_t lines,
                std::vector<LogPosition>& begins);
  // Everything that is there, merged by time; but no more than about `most` lines.
  [[nodiscard]] bool PrintAll(std::uint64_t most = ~std::uint64_t{0});
  [[nodiscard]] std::vector<std::string> Folders() const;

  std::vector<LogSource> sources_;
  LogFilter filter_;
  LineStyle style_;
  Print print_;
  std::vector<ForwardLines> lines_;
  std::vector<std::string> notes_;
  std::uint64_t shown_ = 0;
};

}  // namespace oxherd::cli
