// The journal as a place for output (`log_to = "journal"`): each line is one entry of
// systemd-journald(8), sent by its native protocol, with the service and instance as fields.
//
// Never blocks: while the journal takes nothing the line that it refused is kept, and until it has
// gone the caller moves no more output that leads there (those instances are held back). Without a
// journal lines are dropped and counted, and the journal is told how many once there is one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "os/edge_poller.h"
#include "os/fd.h"

namespace oxherd {

class LogJournal {
 public:
  static constexpr const char* kSocket = "/run/systemd/journal/socket";

  // `trouble` is told, in words, when there is no journal, and when there is one again.
  using Trouble = std::function<void(std::string)>;
  LogJournal(std::string socket_path, Trouble trouble);

  // Says through the poller when the journal takes more.
  void Register(os::EdgePoller& poller, std::uint64_t id);

  // Takes bytes that `instance` printed; `begun` is the caller's, for one pipe: its unfinished
  // line. A line that begins with "<N>" has priority N (sd-daemon(3)), others have 6, "info".
  void Take(const InstanceId& instance, std::string_view bytes, std::string& begun, Instant now);
  // The pipe has ended: its unfinished line is a line.
  void End(const InstanceId& instance, std::string& begun, Instant now);

  // Sends what can be sent now.
  void Flush(Instant now);
  [[nodiscard]] bool is_blocked() const { return !waiting_.empty(); }

  // Longer lines become several entries.
  static constexpr std::size_t kMaxLine = std::size_t{48} * 1024;
  // How often it is looked for while there is none.
  static constexpr Duration kRetry = Seconds(1);

 private:
  void Line(const InstanceId& instance, std::string_view line, Instant now);
  void Send(std::string entry, Instant now);
  enum class Sent : std::uint8_t { kYes, kLater, kNobody };
  [[nodiscard]] Sent TryToSend(std::string_view entry, Instant now);
  [[nodiscard]] bool IsThere(Instant now);
  void Lose(Instant now);

  std::string path_;
  Trouble trouble_;
  os::EdgePoller* poller_ = nullptr;
  std::uint64_t id_ = 0;
  os::Fd socket_;
  Instant next_try_{};
  bool is_missed_ = false;     // it was said that there is none
  std::uint64_t dropped_ = 0;  // lines, since then
  std::string waiting_;        // whole entries, each with its length in front
};

// One entry, as the native protocol has it: `NAME=value` lines.
[[nodiscard]] std::string JournalEntry(const InstanceId& instance, std::string_view line);

}  // namespace oxherd
