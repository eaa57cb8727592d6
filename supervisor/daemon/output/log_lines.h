// What is done line by line on the way to a log: a time in front of each, and looking for the line
// that proves readiness. Both take bytes as they come and remember where in a line they are.
#pragma once

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "config/ready_pattern.h"

namespace oxherd {

// Puts "TIME: " in front of each line (LogSpec::date_format).
class LineStamper {
 public:
  // `format` as for strftime(3), and "%3N" for milliseconds; local time. What it makes is cut at
  // 128 bytes.
  explicit LineStamper(const std::string& format);

  // Appends the changed lines to `out` and returns how many of `bytes` that took: all, unless `out`
  // reached `limit` (at least one is taken).
  std::size_t Stamp(std::string_view bytes, WallTime now, std::size_t limit, std::string& out);

  // Where the next byte stands: known from the file after a restart.
  void SetAtLineStart(bool at_line_start) { at_line_start_ = at_line_start; }

 private:
  const std::string& Prefix(WallTime now);
  void MakePrefix(std::time_t second);

  std::string format_;
  std::string prefix_;
  std::vector<std::size_t> millis_at_;  // their places in the prefix
  std::time_t prefix_second_ = 0;
  bool at_line_start_ = true;
};

// Looks for a line that matches a pattern.
class LineMatcher {
 public:
  // Of a line that is longer only the beginning is looked at.
  static constexpr std::size_t kMaxLine = ReadyPattern::kMaxLine;

  // A pattern that cannot be compiled is an error; config/ has refused it long before.
  [[nodiscard]] static Result<LineMatcher> Make(const std::string& pattern);

  // True if a line that ends within `bytes` matches.
  [[nodiscard]] bool Feed(std::string_view bytes);

 private:
  explicit LineMatcher(ReadyPattern pattern) : pattern_(std::move(pattern)) {}
  [[nodiscard]] bool Matches(std::string_view line) const;

  ReadyPattern pattern_;
  std::string begun_;  // of the line that has not ended yet
};

}  // namespace oxherd
