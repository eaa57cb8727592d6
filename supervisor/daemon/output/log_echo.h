// The echo of `oxherd run`: what instances print, also on a descriptor of ours, line by line.
//
// Never blocks: what the descriptor does not take is kept, and until it has gone the caller moves
// no more output (instances are held back, as if they wrote there themselves).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/output/output_log.h"
#include "os/edge_poller.h"

namespace oxherd {

class LogEcho {
 public:
  LogEcho(Echo mode, int descriptor);

  [[nodiscard]] bool is_on() const { return mode_ != Echo::kNone; }
  // Says through the poller when the descriptor takes more.
  void Register(os::EdgePoller& poller, std::uint64_t id);

  // Takes bytes that `instance` printed; `begun` is the caller's, for one pipe: its unfinished
  // line.
  void Take(const std::string& instance, std::string_view bytes, std::string& begun);
  // The pipe has ended: its unfinished line is a line.
  void End(const std::string& instance, std::string& begun);

  // Writes what can be written now. True if nothing is left.
  bool Flush();
  [[nodiscard]] bool is_blocked() const { return !waiting_.empty(); }

  // Of an unfinished line; longer ones are shown in pieces.
  static constexpr std::size_t kMaxBegun = 8192;
  // What may wait; beyond it lines are left out here (they are in the files).
  static constexpr std::size_t kMaxWaiting = std::size_t{1} << 20;

 private:
  void Line(const std::string& instance, std::string_view begun, std::string_view rest);

  Echo mode_;
  int descriptor_;
  bool takes_always_ = false;  // a file
  std::string waiting_;
};

}  // namespace oxherd
