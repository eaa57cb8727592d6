// The spec: what is wanted of one service, as config/ reads it and core/ acts on it.
//
// A spec is a value without behaviour. It is resolved: paths are absolute, `instances = "max"` is a
// number, durations are durations, and every default is filled in. Two equal specs make equal
// processes: a reload with an equal spec still replaces, an `apply` does not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace oxherd {

// The bounds that config/ enforces; core/ relies on them.
constexpr std::uint16_t kMaxInstances = 1000;
constexpr std::uint16_t kMaxListenInstances = 256;  // of a service with `listen`
constexpr std::size_t kMaxServiceName = 64;
constexpr Millis kMaxStopTimeout = std::chrono::hours(24);

enum class ServiceType : std::uint8_t {
  kService,  // runs until told otherwise
  kOneshot,  // is ready, and done, when it exits 0
};

enum class RestartPolicy : std::uint8_t { kAlways, kOnFailure, kNo };

enum class ReloadStrategy : std::uint8_t {
  kStartFirst,  // the new one is Ready before the old one is told to stop
  kStopFirst,   // the old one is gone before the new one is started
};

enum class KillMode : std::uint8_t {
  kGroup,  // the stop signal goes to the instance's process group
  kMixed,  // the stop signal goes to the main process alone
};

// What proves that an instance is ready (lifecycle: Starting).
enum class ReadyBy : std::uint8_t {
  kUptime,  // alive for `min_uptime`
  kHealth,  // `healthy_threshold` successes in a row from that instance
  kLog,     // a line of its output matches `ready_log`
  kExit,    // oneshots: exited 0
  kListen,  // a connection to the socket of that instance was accepted
  kNotify,  // it says so: sd_notify(3) READY=1, or a Node program's process.send('ready')
};

enum class DependencyKind : std::uint8_t {
  kReady,      // all its instances have been Ready since it was last started; a oneshot: exited 0
  kCompleted,  // it has exited 0
  kStarted,    // its instances have been spawned
};

struct Dependency {
  std::string service;
  DependencyKind kind = DependencyKind::kReady;
  friend bool operator==(const Dependency&, const Dependency&) = default;
};

// What to run. Either an argument vector that is exec'd as it is, or one line for /bin/sh -c.
struct Command {
  std::vector<std::string> argv;  // never empty in a valid spec
  bool through_shell = false;     // argv is {"/bin/sh", "-c", line}; said in messages
  [[nodiscard]] bool empty() const { return argv.empty(); }
  friend bool operator==(const Command&, const Command&) = default;
};

struct HealthCheck {
  enum class Kind : std::uint8_t { kNone, kHttp, kTcp, kCommand };
  Kind kind = Kind::kNone;
  std::string target;  // URL or host:port, with ${…} still in it: expanded per instance
  Command command;     // kCommand
  Millis interval{30000};
  Millis timeout{5000};
  Millis initial_delay{0};
  std::uint16_t healthy_threshold = 1;
  std::uint16_t unhealthy_threshold = 3;
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

// One address whose sockets the supervisor opens and hands to the instances.
struct ListenAddress {
  std::string address;      // "tcp:0.0.0.0:3000", "tcp:[::]:3000", "unix:/run/api.sock"
  bool any_family = false;  // a bare port: "tcp:[::]:PORT", or "tcp:0.0.0.0:PORT" if need be
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// Where what instances print ends up. What is not a file is told line by line.
enum class LogTo : std::uint8_t {
  kFile,     // `out_path` and `err_path`
  kJournal,  // systemd-journald(8)
  kStdout,   // the daemon's own standard output
  kNone,     // nowhere
};

// Where output goes and how the files are kept small. Bytes and counts; 0 = no limit.
struct LogSpec {
  std::string out_path;     // with ${INSTANCE} where the file is one per instance; empty = default
  std::string err_path;     // equal to out_path: merged
  std::string date_format;  // strftime(3), already translated from PM2's; empty = raw bytes
  std::uint64_t max_bytes = 20ULL * 1024 * 1024;
  std::uint16_t max_files = 5;
  std::uint16_t max_days = 0;
  bool compress = true;  // from the second rotated file on
  LogTo to = LogTo::kFile;
  std::uint16_t mode = 0600;         // of the files
  std::string group;                 // of the files; empty: the writer's
  std::optional<std::uint32_t> gid;  // its number, looked up when the spec was frozen
  friend bool operator==(const LogSpec&, const LogSpec&) = default;
};

// One variable; values of env files and tables with ${…} still in them where they refer to what
// is only known per instance.
using EnvEntry = std::pair<std::string, std::string>;

struct Limits {
  std::optional<std::uint64_t> max_open_files;  // RLIMIT_NOFILE, soft and hard
  std::optional<std::uint64_t> max_processes;   // RLIMIT_NPROC, of its user, soft and hard
  std::optional<std::uint64_t> core_bytes;      // RLIMIT_CORE, soft and hard
  // Of the whole tree; what exceeds them is replaced (core/limit_watch.h).
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint32_t> cpu_permille;  // of one core, over `cpu_window`
  Millis cpu_window{60000};
  bool enforce = false;  // by the kernel as well, where there are cgroups with controllers

  [[nodiscard]] bool are_watched() const { return memory_bytes || cpu_permille; }
  friend bool operator==(const Limits&, const Limits&) = default;
};

// Whom a service runs as. Names are as written, numbers as they were looked up when the spec was
// frozen.
struct RunAs {
  std::string user;   // empty: the daemon's
  std::string group;  // empty: the user's own
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  // supplementary

  [[nodiscard]] bool is_set() const { return !user.empty() || !group.empty(); }
  friend bool operator==(const RunAs&, const RunAs&) = default;
};

// listen = "auto", and what is known of the address (core/auto_listen.h).
enum class AutoListen : std::uint8_t {
  kNo,
  kUnknown,  // `listen` is empty: the first bind(2) will tell
  kAssumed,  // `listen` is what an earlier generation had; a first bind(2) elsewhere takes its
             // place
  kFound,    // an instance of this generation has bound it
};

// The part of the spec that core/ decides by. Small and flat: the simulator copies it.
struct Policy {
  ServiceType type = ServiceType::kService;
  std::uint16_t instances = 1;
  RestartPolicy restart = RestartPolicy::kAlways;
  ReloadStrategy reload_strategy = ReloadStrategy::kStartFirst;
  KillMode kill_mode = KillMode::kGroup;
  ReadyBy ready_by = ReadyBy::kUptime;
  bool autostart = true;
  std::uint16_t reload_parallel = 1;
  std::uint8_t stop_signal = 15;
  std::optional<Millis> ready_timeout = Millis(30000);  // oneshots: none
  Millis min_uptime{1000};
  Millis start_delay{0};
  Millis restart_delay{0};
  Millis restart_delay_max{60000};
  std::uint16_t max_restarts = 10;  // 0 = no limit
  Millis restart_window{60000};
  Millis failed_retry{300000};  // 0 = never
  Millis stop_timeout{10000};
  Millis hook_timeout{10000};
  Millis pre_reload_timeout{600000};
  bool has_pre_reload = false;
  bool has_pre_stop = false;
  bool has_post_stop = false;
  bool has_health = false;
  Millis health_interval{30000};
  Millis health_initial_delay{0};
  Millis health_timeout{5000};
  std::uint16_t healthy_threshold = 1;
  std::uint16_t unhealthy_threshold = 3;
  std::vector<Dependency> depends_on;
  std::vector<ListenAddress> listen;
  Millis drain{0};         // a retired instance is given at least this long
  Millis drain_max{5000};  // and this long at most
  bool scheduled = false;  // a oneshot that is run by event::Schedule, not by its start
  // Sent to the main process by a reload that changes nothing, instead of replacing it; 0: none.
  std::uint8_t reload_signal = 0;
  AutoListen auto_listen = AutoListen::kNo;

  [[nodiscard]] bool has_listen() const { return !listen.empty(); }
  friend bool operator==(const Policy&, const Policy&) = default;
};

// What a push to a Git server makes the service do (daemon/webhooks).
struct Webhook {
  bool enabled = false;
  std::string address;  // its own listener, "127.0.0.1:9000"; empty: [supervisor] http
  std::string secret;   // with ${…} still in it
  std::string branch;   // pushes to others are left alone; empty: any
  std::vector<Command> on_push;
  friend bool operator==(const Webhook&, const Webhook&) = default;
};

// Which files make a service be replaced when they change.
struct WatchSpec {
  std::vector<std::string> paths;       // absolute; empty: nothing is watched
  std::vector<std::string> extensions;  // "js", without the dot; empty: all
  std::vector<std::string> ignore;      // globs, further to what is ignored anyway
  Millis delay{200};                    // how long nothing more must change
  friend bool operator==(const WatchSpec&, const WatchSpec&) = default;
};

// Everything about one service. core/ keeps it, hashes it and hands it back in actions; only
// `name` and `policy` are looked at there.
struct Spec {
  std::string name;
  Policy policy;

  Command command;
  std::string working_dir;    // absolute, symlinks resolved when the spec is frozen
  std::string program;        // absolute path of argv[0] as resolved when frozen; for messages
  std::vector<EnvEntry> env;  // env_files, then env, in order; later wins
  std::optional<std::uint16_t> port_base;
  std::string ready_log;  // regular expression, ReadyBy::kLog
  HealthCheck health_check;
  Command pre_reload_cmd;
  Command pre_stop_cmd;
  Command post_stop_cmd;
  LogSpec logs;
  Limits limits;
  std::optional<std::int8_t> nice;

  std::string source_file;             // the Oxfile, absolute
  std::uint32_t source_line = 0;       // of [processes.NAME]
  std::vector<std::string> env_files;  // absolute, as read; for `status`
  // The file that `source_line` is in, if the Oxfile includes it; empty: the Oxfile itself.
  std::string included_from;

  RunAs run_as;
  std::optional<std::uint16_t> umask;
  bool no_new_privs = false;  // on where a user is set, unless the file says otherwise
  // The [.profiles.NAME] that it was read with. Empty: a person wants none of those that it has.
  std::optional<std::string> profile;
  // How many `instances` the file said when a person scaled the service; nothing: nobody has.
  std::optional<std::uint16_t> scaled_from;

  std::string cron_restart;  // times at which it is replaced (core/cron.h); empty: none
  std::string schedule;      // times at which it is run: a oneshot's, with Policy::scheduled
  std::string timezone;      // of both: an IANA name; empty: the machine's
  WatchSpec watch;
  std::string name_space;  // that it can be called by: "@batch"; empty: none
  Webhook webhook;

  [[nodiscard]] const std::string& defined_in() const {
    return included_from.empty() ? source_file : included_from;
  }

  friend bool operator==(const Spec&, const Spec&) = default;
};

}  // namespace oxherd
