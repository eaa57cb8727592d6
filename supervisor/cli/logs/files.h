// The files of one log, newest first: the one that is written now, and the rotated ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/log_reader.h"

namespace oxherd::cli {

// A place in the files of a log: behind everything older, before everything newer.
struct LogPosition {
  std::size_t age = 0;  // 0: the file that is written now
  std::uint64_t offset = 0;

  // True if `other` is later in the log.
  [[nodiscard]] bool IsBefore(const LogPosition& other) const {
    return age != other.age ? age > other.age : offset < other.offset;
  }
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

class LogFiles {
 public:
  // More rotated files are not looked for.
  static constexpr std::size_t kMaxFiles = 1000;

  explicit LogFiles(std::string path) : path_(std::move(path)) {}

  // Opens the newest one if it is there; older ones are opened when they are asked for.
  void Open();
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool is_open() const { return !files_.empty(); }
  // Null if there is none of this age.
  [[nodiscard]] os::LogReader* At(std::size_t age);
  // The end of the newest one.
  [[nodiscard]] LogPosition End();

  enum class Change : std::uint8_t { kNone, kRotated, kShortened };
  // Compares with what is on the disk now. After a rotation positions change: `position` is put at
  // the same place again; a file that was removed meanwhile is still read to its end.
  Change Refresh(LogPosition& position);

 private:
  void Append(os::LogReader reader);

  std::string path_;
  std::vector<os::LogReader> files_;  // by age
  std::size_t next_number_ = 1;       // of the rotated file that is looked for next
};

}  // namespace oxherd::cli
