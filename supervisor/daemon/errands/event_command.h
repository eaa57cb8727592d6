// on_event_cmd: a command of the user's that hears of what has gone wrong, and that it is well
// again.
//
// One run at a time, in the order of the events; so many may wait, and one may take so long. What
// fails is said once, until one has succeeded again.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include "config/oxfile.h"
#include "control/event_record.h"
#include "daemon/daemon_log.h"
#include "daemon/errands/errands.h"

namespace oxherd {

constexpr std::size_t kMostWaitingEvents = 100;
constexpr Millis kEventCommandTime{10000};

// Tells which of kEventNames an event is. Remembers who is not well, as "recovered" is about them.
class EventNames {
 public:
  // Empty: none of them.
  [[nodiscard]] std::string NameOf(const control::EventRecord& event);

 private:
  std::set<std::string> unwell_;  // "api/0"; bounded by the instances there are
};

// What the command gets on its stdin: the line of the journal with "event" in it, and a newline.
[[nodiscard]] std::string EventInput(const control::EventRecord& event, const std::string& name);

class EventCommand {
 public:
  struct Parts {
    Errands& errands;
    DaemonLog& log;
  };
  explicit EventCommand(Parts parts) : parts_(parts) {}

  // What a file says that was read. Where it says nothing, the command that another file has named
  // stays; the one that it named itself is gone.
  void Use(const SupervisorSettings& settings);

  // Returns at once.
  void Note(const control::EventRecord& event);

 private:
  struct Waiting {
    std::string name;
    control::EventRecord event;
  };
  void RunNext();
  void OnEnd(const std::string& trouble);

  Parts parts_;
  std::string file_;
  std::optional<Command> command_;
  std::vector<std::string> events_;
  EventNames names_;
  std::deque<Waiting> waiting_;
  bool is_running_ = false;
  bool is_failing_ = false;   // and that was said
  std::size_t left_out_ = 0;  // since that was said
};

}  // namespace oxherd
