// Which lines of a log are shown: whose, how young, how serious, with which text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "config/ready_pattern.h"
#include "os/log_reader.h"

namespace oxherd::cli {

// How serious a line is, by what it says of itself.
enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kFatal };

// "warn", "WARNING", "err" -> a level.
[[nodiscard]] std::optional<LogLevel> LevelFromName(std::string_view name);

// What a line says of itself: `"level":"warn"` or `"level":40` (JSON as of pino, bunyan, zap), else
// the first word in capitals or brackets that is a level. Nothing: it does not say.
[[nodiscard]] std::optional<LogLevel> LevelOf(std::string_view line);

class LinePattern {
 public:
  // Plain text, or an expression as `ready_log` takes it (config/ready_pattern.h). The error says
  // what is wrong with it.
  [[nodiscard]] static Result<LinePattern> Make(const std::string& pattern);
  // Of a long line only the beginning is looked at: 16 KiB, for an expression 4 KiB.
  [[nodiscard]] bool Matches(std::string_view line) const;

 private:
  std::string literal_;  // without special characters: a plain search
  std::optional<ReadyPattern> expression_;
};

struct LogFilter {
  std::optional<LinePattern> pattern;
  std::optional<LogLevel> least;
  std::optional<WallTime> since;

  // By itself, whatever stands before it. `stream`: what a line that does not say its level counts
  // as (info on stdout, warn on stderr).
  [[nodiscard]] bool Takes(const os::LogLine& line, os::LogStream stream) const;
  // Whether it can only belong to the line before it: it is indented.
  [[nodiscard]] static bool IsContinuation(const os::LogLine& line);
};

// Whose lines of a file are meant, where several share it.
struct LogOwner {
  std::uint32_t service = 0;  // os::ServiceMark
  SlotIndex slot = 0;
  bool takes_unknown = true;  // lines of which the index does not know whose they are
  bool is_shared = false;     // others are meant too, in the same file

  [[nodiscard]] bool Owns(const os::LogLine& line) const;
};

}  // namespace oxherd::cli
