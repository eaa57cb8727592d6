// The output thread: its mailbox, its pipes and the order in which they have their turns.
//
// Readiness of pipes is edge-triggered; a pipe that may hold something stands in a queue and moves
// one share each time it comes to the front, so that none holds up the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/error.h"
#include "daemon/output/log_compression.h"
#include "daemon/output/log_destination.h"
#include "daemon/output/log_echo.h"
#include "daemon/output/log_journal.h"
#include "daemon/output/log_lines.h"
#include "daemon/output/log_pace.h"
#include "daemon/output/output_log.h"
#include "os/edge_poller.h"

namespace oxherd {

// What the loop's thread and the output thread put down for each other.
class OutputMailbox {
 public:
  struct Detach {
    Token token;
  };
  struct StopMatching {
    Token token;
  };
  struct SetMaxTotal {
    std::uint64_t bytes = 0;
  };
  struct Quit {};
  using Command =
      std::variant<OutputSource, Detach, StopMatching, OutputLog::TailQuestion, SetMaxTotal, Quit>;

  [[nodiscard]] static Result<std::unique_ptr<OutputMailbox>> Make();

  // The loop's side.
  void Post(Command command);
  [[nodiscard]] std::vector<OutputEvent> TakeEvents();
  [[nodiscard]] int event_fd() const { return events_bell_.fd(); }

  // The thread's side.
  void Say(OutputEvent event);
  [[nodiscard]] std::vector<Command> TakeCommands();
  [[nodiscard]] const os::Bell& commands_bell() const { return commands_bell_; }

 private:
  os::Bell commands_bell_;
  os::Bell events_bell_;
  std::mutex mutex_;  // of the two lists
  std::vector<Command> commands_;
  std::vector<OutputEvent> events_;
};

class OutputThread {
 public:
  [[nodiscard]] static Result<std::unique_ptr<OutputThread>> Start(
      const OutputLog::Options& options);
  // Moves what is in the pipes, and ends.
  ~OutputThread();
  OutputThread(const OutputThread&) = delete;
  OutputThread& operator=(const OutputThread&) = delete;

  [[nodiscard]] OutputMailbox& mailbox() { return *mailbox_; }

 private:
  struct Source {
    std::uint64_t id = 0;
    Token token;
    InstanceId id_of_instance;
    std::string instance;  // its text: "api/0"
    OutputInlet inlet;
    OutputFlow flow;
    std::string path;  // as it was attached
    std::shared_ptr<LogDestination> destination;
    std::optional<LineMatcher> matcher;
    LogTo to = LogTo::kFile;
    std::string line_begun;  // of what is echoed, or told to the journal
    bool queued = false;
  };
  enum class Ring : std::uint64_t { kCommands = 0, kEcho = 1, kJournal = 2, kFirstSource = 3 };

  explicit OutputThread(const OutputLog::Options& options);

  void Run();
  [[nodiscard]] Instant NextDeadline();
  void Hear(std::uint64_t id);
  void Tick();
  void Round();
  LogDestination::Moved Turn(Source& source);
  void Enqueue(Source& source);
  // Lines of this source are also echoed, or told to the journal.
  [[nodiscard]] bool IsEchoed(const Source& source) const;
  // What takes them takes no more for now: the source waits.
  [[nodiscard]] bool IsHeldBack(const Source& source) const;
  void Tell(Source& source, std::string_view bytes);
  void TellEnd(Source& source);
  void GoOn();  // those who were held back

  void HandleCommands();
  void Handle(OutputSource& source);
  void Handle(const OutputMailbox::Detach& detach);
  void Handle(const OutputMailbox::StopMatching& stop);
  void Handle(const OutputLog::TailQuestion& question);
  void Handle(const OutputMailbox::SetMaxTotal& limit);
  void Handle(const OutputMailbox::Quit& quit);

  struct Stream {
    os::LogStream stream = os::LogStream::kOut;
    os::Fd pipe;
    os::Fd file;
    const std::string& path;
    std::optional<RunAs> writer;
  };
  void Add(const OutputSource& from, Stream stream);
  [[nodiscard]] static LogRules RulesOf(const LogSpec& logs, std::optional<RunAs> writer);
  [[nodiscard]] std::shared_ptr<LogDestination> DestinationFor(const std::string& path,
                                                               const LogRules& rules, os::Fd file);
  void KeepToTotal();
  // Moves what is in the pipe now.
  void Drain(Source& source);
  void Remove(std::uint64_t id);
  [[nodiscard]] std::vector<std::uint64_t> SourcesOf(Token token) const;

  std::unique_ptr<OutputMailbox> mailbox_;
  os::EdgePoller poller_;
  OutputScratch scratch_;
  OutputTime now_;
  LogEcho echo_;
  Echoed echoed_;
  LogJournal journal_;
  LogCompression compression_;
  OutputPace pace_;
  bool quit_ = false;

  std::uint64_t next_id_ = static_cast<std::uint64_t>(Ring::kFirstSource);
  std::unordered_map<std::uint64_t, std::unique_ptr<Source>> sources_;
  std::multimap<Token, std::uint64_t> by_token_;
  std::map<std::string, std::shared_ptr<LogDestination>> destinations_;  // by path
  std::set<std::string> paths_;  // of all logs that were ever written here
  std::uint64_t max_total_ = 0;  // bytes of all of them; 0: no limit
  std::deque<std::uint64_t> queue_;
  std::vector<std::uint64_t> held_;       // wait for the rest of a line
  std::vector<std::uint64_t> held_back_;  // wait for echo or journal
  // The earliest deadline of all destinations, worked out again only when one may have changed.
  Instant next_tick_ = kNever;
  bool deadlines_changed_ = false;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace oxherd
