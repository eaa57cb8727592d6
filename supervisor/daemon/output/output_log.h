// The output log: moves what instances print from their pipes into files, on a thread of its own.
//
// Bytes stay in the pipe until they are in the file (splice(2) at an explicit offset), so a death
// of the daemon loses nothing: the next one attaches the same read ends, which the keeper holds,
// and goes on at the file's end. Where lines are changed (LogSpec::date_format) it copies what is
// in the pipe (tee(2)), writes, and only then takes it out (a SIGKILL in between: at
// most 64 KiB stand there twice). A pipe that cannot be emptied holds its
// writer back; a full disk drops lines, counts them and says how many once there is room.
//
// All functions are for the loop's thread, return at once and never wait for a disk, but for
// OpenLogs() and the destructor. What happens comes back as events: wait until event_fd() is
// readable, then call TakeEvents(). Nothing is called back on another thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "core/spec.h"
#include "os/fd.h"

namespace oxherd {

// What one token prints, and where it goes. `logs` has both paths filled in, absolute and expanded
// (os/log_index.h: DefaultLogPath). Where they are equal, give the program one pipe as 1 and 2,
// attach it as `out` and leave `err` empty: then not even the order between the two is lost. Two
// pipes into one file work too.
//
// Several instances, also of several services, may name one file; the rules of the latest count.
struct OutputSource {
  Token token;
  InstanceId instance;
  Generation generation;
  LogSpec logs;
  os::Fd out;  // read ends; ours: a duplicate of what the keeper holds. O_NONBLOCK is set on them
  os::Fd err;
  // With whose rights each is opened; unset: ours. Set where the Oxfile names the file and the
  // user.
  std::optional<RunAs> out_writer;
  std::optional<RunAs> err_writer;
  // The logs, as OpenLogs() left them; empty: the thread opens them itself.
  os::Fd out_file;
  os::Fd err_file;
  // Readiness by a line of output: a ReadyPattern (config/ready_pattern.h). Empty: nothing is
  // looked for, at no cost.
  std::string ready_log;
};

namespace output_event {

// A line that this token printed matches its ready_log. Said once.
struct ReadyLine {
  Token token;
};
// Detach() is done: what the pipes held is in the files, the descriptors are closed. Acknowledge
// the token to the keeper after this one.
struct Detached {
  Token token;
};
// The answer to RequestTail().
struct Tail {
  Token token;
  std::vector<std::string> lines;  // oldest first, without newline, at most 1 KiB each
};
// Something for the daemon's log: a disk is full, has room again, a file cannot be opened.
struct Trouble {
  std::string text;
};

}  // namespace output_event

using OutputEvent = std::variant<output_event::ReadyLine, output_event::Detached,
                                 output_event::Tail, output_event::Trouble>;

// Whether output is also written to a descriptor of ours (`oxherd run`), line by line.
enum class Echo : std::uint8_t {
  kNone,
  kPrefixed,  // "api/0 │ " before each line: for a terminal
  kRaw,       // the bytes of whole lines
};

// Of whom.
enum class Echoed : std::uint8_t {
  kAll,    // but LogTo::kJournal and kNone
  kAsked,  // LogTo::kStdout
};

class OutputThread;

class OutputLog {
 public:
  struct Options {
    Echo echo = Echo::kNone;
    Echoed echoed = Echoed::kAll;
    int echo_to = 1;  // stays the caller's. Not writable for now: instances are held back
    std::string journal = "/run/systemd/journal/socket";
  };

  // Starts the thread.
  [[nodiscard]] static Result<std::unique_ptr<OutputLog>> Open(const Options& options);

  // Takes what is in the pipes at this moment into the files, then ends the thread.
  ~OutputLog();
  OutputLog(const OutputLog&) = delete;
  OutputLog& operator=(const OutputLog&) = delete;

  // Begins to move a token's output. Call it before or after the spawn, and for each adopted
  // instance after a restart of the daemon: the same token again goes on where it was.
  void Attach(OutputSource source);

  // At Gone: everything the pipes hold now is moved, in order, then Detached is said and the
  // descriptors are closed, also if some stray process still holds the other end. A token that is
  // not attached: Detached at once.
  void Detach(Token token);

  // Stops looking for ready_log: the instance has left Starting.
  void StopMatching(Token token);

  // What all logs together may have, rotated files included (`max_total_mb`); 0: no limit.
  void SetMaxTotal(std::uint64_t bytes);

  // Asks for the last `lines` lines (at most 100) that this token printed, to both files, in the
  // order of time. What its pipes hold is moved first. `source` says where to look once the token
  // is detached or was printed under an earlier daemon. Always answered.
  struct TailQuestion {
    Token token;
    LogSpec logs;  // as in OutputSource
    std::uint16_t lines = 20;
  };
  void RequestTail(TailQuestion question);

  // Readable (poll(2)) while events wait; stays ours.
  [[nodiscard]] int event_fd() const;
  [[nodiscard]] std::vector<OutputEvent> TakeEvents();

 private:
  explicit OutputLog(std::unique_ptr<OutputThread> thread);
  std::unique_ptr<OutputThread> thread_;
};

// Makes the folders of the logs (0700) and opens them as the thread will (0600, O_NOFOLLOW), into
// `source`, which saves the thread to do it again: call it before a spawn, so that a path that
// cannot be written fails the start: `open log "/srv/x": Is a directory`. May wait for the disk as
// long as open(2) does.
[[nodiscard]] Status OpenLogs(OutputSource& source);

}  // namespace oxherd
