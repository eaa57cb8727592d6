// The daemon's own log: `daemon.log`, kept small. spdlog lives behind it.
//
// For the loop's thread only. A disk that is full or a file that cannot be opened is no reason to
// stop: lines then go to standard error, or nowhere.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "control/describe.h"

namespace oxherd {

constexpr std::size_t kMaxDaemonLogBytes = 1024UL * 1024;
constexpr std::size_t kDaemonLogFiles = 3;

using control::Severity;

class DaemonLog {
 public:
  // Also to standard error: for `oxherd run`.
  enum class Copy { kNone, kToStderr };
  // An empty path: standard error alone.
  DaemonLog(const std::string& path, Copy copy);
  ~DaemonLog();
  DaemonLog(const DaemonLog&) = delete;
  DaemonLog& operator=(const DaemonLog&) = delete;

  // What is less severe is left out; kInfo at first.
  void SetLevel(Severity least);
  [[nodiscard]] bool Wants(Severity severity) const;
  // Style rule 8: subject, what happened, numbers as key=value, what happens next.
  void Write(Severity severity, std::string_view line);

  void Error(std::string_view line) { Write(Severity::kError, line); }
  void Warn(std::string_view line) { Write(Severity::kWarn, line); }
  void Info(std::string_view line) { Write(Severity::kInfo, line); }
  void Debug(std::string_view line) { Write(Severity::kDebug, line); }

  // The file; empty if there is none.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  class Sinks;
  std::string path_;
  std::unique_ptr<Sinks> sinks_;
};

}  // namespace oxherd
