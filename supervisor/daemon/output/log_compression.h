// Compresses rotated logs (`compress`), on a thread of its own, one after the other.
//
// From `x.log.2` on: who follows the log may still be in the middle of `x.log.1`. A file is packed
// into `x.log.gz.part`, and when that is on the disk it gets its place, `x.log.2.gz`, and the plain
// one goes. A death in between leaves both, or the part: the next daemon begins that file again. So
// each line is there once at every moment, for those who prefer the plain file where there are
// both.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "daemon/output/log_rotation.h"
#include "daemon/store/background.h"

namespace oxherd {

class LogCompression {
 public:
  // `trouble` is told, on another thread, what is wrong with a log; once until it works again.
  using Trouble = std::function<void(std::string)>;
  explicit LogCompression(Trouble trouble);
  // What is not done is left to the next one.
  ~LogCompression();
  LogCompression(const LogCompression&) = delete;
  LogCompression& operator=(const LogCompression&) = delete;

  // Looks after this log if there is something to be done. Returns at once; looks at two names.
  void LookAfter(const std::string& path, const LogRules& rules);

  // Held by whoever gives rotated files of any log other names, or removes them; never for long.
  [[nodiscard]] std::mutex& names() { return names_; }

 private:
  struct Chosen;
  void Compress(const std::string& path, const LogRules& rules);
  [[nodiscard]] Status CompressOne(const std::string& path, const LogRules& rules,
                                   const Chosen& chosen);

  Trouble trouble_;
  std::mutex names_;
  std::atomic<bool> is_ending_ = false;
  std::set<std::string> troubled_;      // of the thread
  std::unique_ptr<Background> thread_;  // begun when there is something to be done; ends first
};

}  // namespace oxherd
