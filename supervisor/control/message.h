// What travels over the control socket, as plain structs: requests down, progress and replies up.
//
// One JSON object per line, each with "v":1 (wire.h turns them into lines and back). A client sends
// one line, a Request or an Attach, and then only reads: for a request that changes something an
// Accepted, any number of Progress, and exactly one Reply; for all others the Reply alone. A client
// that loses the connection connects again and sends an Attach with the id of its request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/exit_status.h"
#include "base/ids.h"
#include "core/action.h"
#include "core/event.h"
#include "core/spec.h"
#include "core/state.h"

namespace oxherd::control {

constexpr int kWireVersion = 1;
// Bytes of one line, its newline included. A longer one is refused.
constexpr std::size_t kMaxRequestLine = 1024UL * 1024;
constexpr std::size_t kMaxReplyLine = 64UL * 1024 * 1024;
// What a request may bring.
constexpr std::size_t kMaxNames = 10'000;
constexpr std::size_t kMaxVariables = 1'000;
constexpr std::size_t kMaxText = 128UL * 1024;  // bytes of one name, path or value
// Lines of output that a failed service's result brings, and bytes of each.
constexpr std::size_t kLogTailLines = 20;
constexpr std::size_t kLogTailLineBytes = 2'000;

enum class Command : std::uint8_t {
  // These change something and get Accepted, Progress and a Reply with `services`.
  kStart,
  kStop,
  kRestart,
  kReload,
  kApply,
  kDelete,
  kDrain,       // one instance out of traffic
  kResume,      // and back
  kReplace,     // one instance by a new one of its own generation
  kRollback,    // to a kept spec: Request::to
  kReset,       // counters to zero
  kScale,       // so many instances, or so many more
  kWait,        // changes nothing, but has progress
  kDaemonStop,  // the Reply comes when all is down; then the socket closes
  // These only look.
  kList,          // `instances`
  kStatus,        // `details`, one per service
  kLogs,          // `instances`, with their log paths
  kEnvironment,   // `environments`, one per service
  kSignal,        // Request::signal to main processes; `instances` are those that got it
  kPing,          // `daemon`
  kDaemonStatus,  // `daemon`
  // `names` are the paths of the new keeper and the new daemon; `daemon` is the old one, which ends
  // after the Reply.
  kDaemonUpgrade,
};
[[nodiscard]] std::string_view Name(Command command);  // "daemon stop"
[[nodiscard]] std::optional<Command> CommandFromName(std::string_view name);
// Gets Accepted and Progress, can be attached to, and its outcome is kept for a while.
[[nodiscard]] bool IsTracked(Command command);
// Reads the Oxfile (Request::oxfile, or the file that each named service came from).
[[nodiscard]] bool ReadsOxfile(Command command);

using Until = event::Request::Until;

struct Request {
  RequestId id;  // random and never zero
  Command command = Command::kPing;
  std::string client_version;      // of the CLI, "0.1.0"
  std::vector<std::string> names;  // as typed; empty: see cli.md "Without a name"
  std::string oxfile;  // absolute: the file found from the caller's folder or named by -c; or empty
  bool oxfile_named = false;                   // by -c, or as the argument of apply
  std::vector<std::string> more_oxfiles = {};  // absolute: named beside the first
  // --env: the [.profiles.NAME] that counts from now on; empty: none. Nothing: as before.
  std::optional<std::string> profile = {};
  std::string folder;  // absolute: where it was typed
  // The caller's variables that environment.h calls base names: PATH for a service's first start
  // and for --update-env.
  std::vector<EnvEntry> environment;

  bool no_wait = false;  // reply as soon as it is decided
  bool dry_run = false;  // start, apply: reply with `plan`, change nothing
  // stop, delete, restart, daemon stop: SIGKILL now; drain: also the last one in traffic
  bool forced = false;
  bool only = false;              // start: not what it depends on
  bool with_dependents = false;   // stop: also what depends on it
  bool update_env = false;        // reload: take PATH anew
  bool keep_instances = false;    // daemon stop: leave them running
  std::uint16_t parallel = 1;     // reload: services at a time
  Until until = Until::kReady;    // wait
  std::optional<Millis> timeout;  // wait
  Generation to{};                // rollback; not set: the last one before this that was ready
  std::uint8_t signal = 0;        // signal
  bool reveal = false;            // env: secrets too
  std::int32_t count = 0;         // scale: so many, or, if `relative`, so many more
  bool relative = false;

  friend bool operator==(const Request&, const Request&) = default;
};

// The stream of an earlier request again: Accepted, what progress there still is, its Reply.
struct Attach {
  RequestId id;
  friend bool operator==(const Attach&, const Attach&) = default;
};

using FromClient = std::variant<Request, Attach>;

// ---- Up. ----

// The request is valid and decided on; from now on it goes on without its client.
struct Accepted {
  RequestId id;
  std::vector<std::string> oxfiles;  // that were read, absolute
  std::vector<std::string> notes;    // worth saying at once, one line each
  friend bool operator==(const Accepted&, const Accepted&) = default;
};

// One thing that happened while the request is carried out.
struct Progress {
  std::optional<action::Tell::Kind> kind;  // nothing: a kind that this version does not know
  std::string service;
  std::optional<SlotIndex> slot;  // nothing: about the service as a whole
  Generation generation;
  std::string text;    // "ready in 412 ms"
  std::string detail;  // "answers /health"; may be empty
  std::uint32_t ms = 0;
  bool failed = false;  // it tells of a failure: an exit that nobody asked for

  [[nodiscard]] std::string Subject() const;  // "api/0", or "api"
  friend bool operator==(const Progress&, const Progress&) = default;
};

// The exit code that an answer amounts to (cli.md).
enum class ExitCode : std::uint8_t {
  kDone = 0,
  kNotDone = 1,
  kAskedWrongly = 2,
  kNoDaemon = 3,
  kLost = 4,
  kDetached = 130,  // never on the wire
};

// What became of one service.
struct ServiceResult {
  std::string name;
  std::string instance = {};           // where it is about one alone: "api/0"
  Outcome outcome = Outcome::kFailed;  // a final one
  Generation generation;               // that runs now
  Generation tried;                    // of a reload that failed
  std::uint16_t instances = 0;         // that it concerned
  std::int64_t ms = 0;                 // from the service's turn to its outcome
  std::optional<std::int64_t> gap_ms;  // stop-first: the longest time without a Ready instance
  std::string reason;                  // "exited 1 after 84 ms, before it was ready"
  std::string failed_instance;         // "api/0", whose output log_tail is
  std::vector<std::string> log_tail;
  std::vector<std::string> notes;  // one line each, complete sentences for people

  friend bool operator==(const ServiceResult&, const ServiceResult&) = default;
};

// What start or apply would do with one service.
struct PlanStep {
  enum class Kind : std::uint8_t {
    kStart,
    kReload,
    kKeep,
    kLeaveStopped,
    kLeftFile,
    kStop,
    kRestart,
    kDelete,
  };
  std::string service;
  Kind kind = Kind::kKeep;
  std::uint16_t instances = 0;
  std::vector<std::string> differences = {};  // keys: "env.PORT", "command"
  friend bool operator==(const PlanStep&, const PlanStep&) = default;
};

struct Health {
  enum class Kind : std::uint8_t { kUnknown, kGood, kBad };  // kUnknown: not asked yet
  Kind kind = Kind::kUnknown;
  std::optional<std::int64_t> ms;  // the last answer took
  std::string text;                // of the last answer: "503 Service Unavailable"; may be empty
  friend bool operator==(const Health&, const Health&) = default;
};

// One row of the list.
struct Row {
  std::uint32_t id = 0;  // stays with the instance while the daemon lives
  std::string service;
  SlotIndex slot = 0;
  std::string state;   // core's name of it ("ready"), or "done"
  bool wanted = true;  // false: a person stopped it
  Pid pid;             // not set: no process
  Generation generation;
  std::optional<std::int64_t> uptime_ms;  // of the process
  std::int64_t since_unix_ms = 0;         // in this state
  std::uint32_t restarts = 0;
  std::uint16_t crashes = 0;       // in a row
  std::int64_t crash_span_ms = 0;  // from the first of them
  std::optional<ExitStatus> last_exit;
  std::string reason;  // of the last failure; empty when all is well
  std::optional<std::int64_t> next_try_unix_ms;
  std::optional<std::int64_t> next_run_unix_ms;  // by its schedule or cron_restart
  std::vector<std::string> waits_for;            // services, while it waits
  std::optional<double> cpu_percent;             // of its tree, of one core
  std::optional<std::uint64_t> memory_bytes;
  std::optional<Health> health;  // nothing: no health check
  std::vector<std::string> listen;
  std::string name_space;  // that it can be called by: "@batch"; empty: none
  bool taken_out = false;  // of traffic, by `oxherd instance --drain`
  std::string says;        // its own STATUS=…
  std::string remark;      // what was found out about its process and is not as it should be
  // The last time that a limit, cron or watch had it replaced, as far as this daemon knows.
  std::optional<std::int64_t> replaced_unix_ms;
  std::string replaced_because;  // "312 MB in use, limit 256 MB"
  // While it is being replaced: the new one.
  std::optional<Generation> next_generation;
  std::string next_state;
  // kStatus and kLogs only: absolute paths; equal where they are merged.
  std::string out_log;  // empty, here and below: what it prints is in no file
  std::string err_log;

  [[nodiscard]] std::string name() const;  // "api/0"
  friend bool operator==(const Row&, const Row&) = default;
};

struct Happening {
  std::int64_t unix_ms = 0;
  std::string text;
  friend bool operator==(const Happening&, const Happening&) = default;
};

struct ReloadRecord {
  Generation target;
  bool succeeded = false;
  std::int64_t ended_unix_ms = 0;
  std::string reason;
  friend bool operator==(const ReloadRecord&, const ReloadRecord&) = default;
};

// The listening sockets of a service at one of its addresses.
struct PoolRow {
  struct Socket {
    SocketNumber number = 0;
    std::string holder;         // "api/0"; empty: kept for the next one
    bool in_traffic = false;    // new connections come here
    bool is_down = false;       // a program shut it; it is repaired when that has ended
    std::uint32_t waiting = 0;  // clients in its accept queue
    friend bool operator==(const Socket&, const Socket&) = default;
  };
  std::string address;   // as in the Oxfile: "127.0.0.1:3000"
  std::string steering;  // why the kernel does not steer here; empty: it does
  std::vector<Socket> sockets;
  friend bool operator==(const PoolRow&, const PoolRow&) = default;
};

// Everything about one service, for `status`.
struct ServiceDetail {
  std::string name;
  std::string type;  // "service", "oneshot"
  std::string name_space;
  bool wanted = true;
  bool ready = false;  // every instance; decides status' exit code
  Generation generation;
  std::optional<std::int64_t> running_since_unix_ms;
  bool reloading = false;
  std::optional<ReloadRecord> last_reload;
  // Keys by which the file and its env files now differ from what runs; `file_problem` if the file
  // cannot be read.
  std::vector<std::string> differences;
  std::string file_problem;
  std::string command;
  std::string folder;
  std::string oxfile;
  std::uint32_t line = 0;
  std::vector<std::string> env_files;
  std::vector<std::string> depends_on;  // "migrate", "db (completed)"
  std::string ready_by;                 // "answers http://127.0.0.1:${PORT}/health"
  std::string restart;                  // "always, at most 10 crashes in a row"
  std::string stop;                     // "SIGTERM to the group, SIGKILL after 10 s"
  std::string limits;                   // "memory 256 MB, cpu 80% over 60 s"; empty: none
  std::vector<PoolRow> pools;
  std::uint64_t swept = 0;  // clients that were reset because nobody would have served them
  std::vector<Row> instances;
  std::vector<Happening> events;  // oldest first
  friend bool operator==(const ServiceDetail&, const ServiceDetail&) = default;
};

// What the processes of a service start with, and as whom.
struct ServiceEnvironment {
  struct Variable {
    std::string name;
    std::string value;    // empty where it is hidden
    bool hidden = false;  // it looks like a secret, and Request::reveal was not set
    friend bool operator==(const Variable&, const Variable&) = default;
  };
  std::string service;
  std::string folder;
  std::optional<RunAs> run_as;  // nothing: as the daemon
  std::vector<Variable> variables;
  friend bool operator==(const ServiceEnvironment&, const ServiceEnvironment&) = default;
};

struct DaemonDetail {
  Pid pid;
  Pid keeper_pid;
  std::string version;
  std::string socket;
  std::string state_folder;
  std::string log_folder;
  std::string daemon_log;  // the daemon's own log; may be empty
  std::int64_t uptime_ms = 0;
  std::int64_t started_unix_ms = 0;
  std::uint32_t daemon_number = 1;  // the keeper's how-manieth
  std::uint32_t services = 0;
  std::uint32_t instances = 0;
  std::uint32_t ready = 0;
  std::vector<std::string> warnings;  // "state.json: no space left on device; tried again in 4 s"
  friend bool operator==(const DaemonDetail&, const DaemonDetail&) = default;
};

struct Reply {
  Command command = Command::kPing;
  ExitCode code = ExitCode::kDone;
  std::string error;                // one line; empty if there is none
  std::vector<std::string> errors;  // all of a file's, each rendered with its source line and caret
  std::string daemon_version;
  std::int64_t ms = 0;  // from accepted to done
  std::vector<ServiceResult> services;
  std::vector<PlanStep> plan;
  std::vector<Row> instances;
  std::vector<ServiceDetail> details;
  std::vector<ServiceEnvironment> environments;
  std::optional<DaemonDetail> daemon;
  std::vector<std::string> notes;

  [[nodiscard]] bool ok() const { return code == ExitCode::kDone; }
  friend bool operator==(const Reply&, const Reply&) = default;
};

using FromDaemon = std::variant<Accepted, Progress, Reply>;

[[nodiscard]] std::string_view KindName(action::Tell::Kind kind);  // "spawn_failed"
[[nodiscard]] std::optional<action::Tell::Kind> KindFromName(std::string_view name);
[[nodiscard]] std::string_view OutcomeName(Outcome outcome);  // "rolled_back"
[[nodiscard]] std::optional<Outcome> OutcomeFromName(std::string_view name);
[[nodiscard]] std::string_view StepName(PlanStep::Kind kind);  // "left_file"
[[nodiscard]] std::optional<PlanStep::Kind> StepFromName(std::string_view name);
[[nodiscard]] std::string_view UntilName(Until until);  // "ready"
[[nodiscard]] std::optional<Until> UntilFromName(std::string_view name);

}  // namespace oxherd::control
