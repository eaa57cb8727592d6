#include <algorithm>
#include <array>

#include "config/key_tables.h"
#include "config/table_readers.h"

namespace oxherd {

namespace {

using std::chrono::hours;

constexpr DurationRange kDelay{TimeUnit::kMillis, Millis(0), hours(24)};
constexpr DurationRange kTimeout{TimeUnit::kMillis, Millis(1), hours(24)};
constexpr DurationRange kStopTimeout{TimeUnit::kMillis, Millis(0), kMaxStopTimeout};
constexpr DurationRange kWindow{TimeUnit::kSeconds, Millis(1000), hours(7 * 24)};
constexpr DurationRange kRetry{TimeUnit::kSeconds, Millis(0), hours(7 * 24)};

using R = const Reading&;

Policy& PolicyOf(R reading) { return reading.draft().spec.policy; }

void ReadType(R r) {
  ReadChoiceInto(r, PolicyOf(r).type, {"service", "oneshot"},
                 {ServiceType::kService, ServiceType::kOneshot});
}
void ReadRestart(R r) {
  ReadChoiceInto(r, PolicyOf(r).restart, {"always", "on-failure", "never"},
                 {RestartPolicy::kAlways, RestartPolicy::kOnFailure, RestartPolicy::kNo});
}
void ReadReloadStrategy(R r) {
  ReadChoiceInto(r, PolicyOf(r).reload_strategy, {"start-first", "stop-first"},
                 {ReloadStrategy::kStartFirst, ReloadStrategy::kStopFirst});
}
void ReadKillMode(R r) {
  ReadChoiceInto(r, PolicyOf(r).kill_mode, {"group", "mixed"},
                 {KillMode::kGroup, KillMode::kMixed});
}
void ReadWorkingDir(R r) {
  if (auto path = ReadPath(r, r.value)) r.draft().spec.working_dir = std::move(*path);
}
void ReadPortBase(R r) {
  if (const auto port = ReadInteger(r, 1, 65535)) {
    r.draft().spec.port_base = static_cast<std::uint16_t>(*port);
  }
}
void ReadHookTimeout(R r) {
  if (const auto timeout = ReadDuration(r, kTimeout)) {
    PolicyOf(r).hook_timeout = *timeout;
    PolicyOf(r).pre_reload_timeout = *timeout;
  }
}
void ReadNice(R r) {
  if (const auto nice = ReadInteger(r, -20, 19)) {
    r.draft().spec.nice = static_cast<std::int8_t>(*nice);
  }
}

void ReadUmask(R r) {
  if (const auto mask = ReadOctal(r, "027")) r.draft().spec.umask = mask;
}
void ReadLogTo(R r) {
  ReadChoiceInto(r, r.draft().spec.logs.to, {"file", "journal", "stdout", "none"},
                 {LogTo::kFile, LogTo::kJournal, LogTo::kStdout, LogTo::kNone});
}

void ReadNamespace(R reading) {
  auto name = ReadString(reading);
  if (!name) return;
  const bool is_plain = std::ranges::all_of(*name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  });
  if (name->size() > kMaxServiceName || !is_plain) {
    reading.Error("a namespace is at most 64 letters, digits, \".\", \"_\" and \"-\"");
    return;
  }
  reading.draft().spec.name_space = std::move(*name);
}

constexpr auto kProcessKeys = std::to_array<Key>({
    {"command", "string or array", "", "what to run; an array is exec'd as it is",
     [](R r) { ReadCommandInto(r, r.draft().spec.command); }},
    {"type", "\"service\" or \"oneshot\"", "\"service\"",
     "a oneshot is ready when it exits 0, and then done", ReadType},
    {"working_dir", "path", "the Oxfile's folder", "where it runs", ReadWorkingDir},
    {"cwd", "path", "", "working_dir", ReadWorkingDir, "working_dir"},
    {"instances", "1 to 1000, or \"max\"", "1", "numbered copies; max: one per usable CPU",
     ReadInstances},
    {"listen", "port, \"addr:port\", \"unix:path\", array or \"auto\"", "",
     "sockets that the supervisor owns", ReadListen},
    {"port_base", "port", "", "PORT = port_base + number of the instance", ReadPortBase},
    {"reload_strategy", "\"start-first\" or \"stop-first\"",
     "\"start-first\"; with port_base \"stop-first\"", "which comes first when one is replaced",
     ReadReloadStrategy},
    {"reload_parallel", "1 to instances", "1", "slots replaced at a time",
     [](R r) { ReadInto(r, PolicyOf(r).reload_parallel, 1, kMaxInstances); }},
    {"reload_signal", "signal", "",
     "a reload that changes nothing sends it to the main process, and replaces nothing",
     ReadReloadSignal},
    {"drain_ms", "duration", "200", "least time between steering away and the stop signal",
     [](R r) { ReadDurationInto(r, PolicyOf(r).drain, kDelay); }},
    {"drain_max_ms", "duration", "5000", "most time for that",
     [](R r) { ReadDurationInto(r, PolicyOf(r).drain_max, kDelay); }},
    {"ready", "\"auto\", \"notify\", \"health\", \"listen\", \"log\" or \"uptime\"", "\"auto\"",
     "what proves readiness", ReadReady},
    {"ready_log", "regular expression", "", "a line of output that proves readiness", ReadReadyLog},
    {"ready_timeout_ms", "duration", "30000; oneshot: none", "how long it may take to be ready",
     [](R r) { ReadDurationInto(r, PolicyOf(r).ready_timeout, kTimeout); }},
    {"min_uptime_ms", "duration", "1000",
     "how long a new instance must stay well before an old one is retired",
     [](R r) { ReadDurationInto(r, PolicyOf(r).min_uptime, kDelay); }},
    {"start_delay_ms", "duration", "0", "wait before the first start",
     [](R r) { ReadDurationInto(r, PolicyOf(r).start_delay, kDelay); }},
    {"depends_on", "array of names, or table name = \"ready\", \"completed\" or \"started\"", "[]",
     "what is started before it", ReadDependsOn},
    {"restart", "\"always\", \"on-failure\" or \"never\"", "\"always\"", "after it ends by itself",
     ReadRestart},
    {"restart_on_exit", "boolean", "", "true: restart = \"always\", false: \"never\"",
     ReadRestartOnExit, "restart"},
    {"restart_delay_ms", "duration", "0", "before the first restart",
     [](R r) { ReadDurationInto(r, PolicyOf(r).restart_delay, kDelay); }},
    {"restart_delay_max_ms", "duration", "60000", "the most that back-off grows to",
     [](R r) { ReadDurationInto(r, PolicyOf(r).restart_delay_max, kDelay); }},
    {"max_restarts", "0 to 10000", "10", "consecutive crashes before Failed; 0: no limit",
     [](R r) { ReadInto(r, PolicyOf(r).max_restarts, 0, 10000); }},
    {"restart_window_secs", "duration", "60", "ready this long resets the count",
     [](R r) { ReadDurationInto(r, PolicyOf(r).restart_window, kWindow); }},
    {"failed_retry_secs", "duration", "300", "a Failed service is tried this often; 0: never",
     [](R r) { ReadDurationInto(r, PolicyOf(r).failed_retry, kRetry); }},
    {"stop_signal", "signal", "\"SIGTERM\"", "how it is told to stop", ReadStopSignal},
    {"stop_timeout_ms", "duration", "10000", "then SIGKILL; 0: at once",
     [](R r) { ReadDurationInto(r, PolicyOf(r).stop_timeout, kStopTimeout); }},
    {"kill_mode", "\"group\" or \"mixed\"", "\"group\"",
     "whom the stop signal reaches: the group, or the main process alone", ReadKillMode},
    {"pre_reload_cmd", "command", "", "once before a reload",
     [](R r) { ReadCommandInto(r, r.draft().spec.pre_reload_cmd); }},
    {"pre_stop_cmd", "command", "", "before an instance is stopped",
     [](R r) { ReadCommandInto(r, r.draft().spec.pre_stop_cmd); }},
    {"post_stop_cmd", "command", "", "after an instance is gone",
     [](R r) { ReadCommandInto(r, r.draft().spec.post_stop_cmd); }},
    {"hook_timeout_ms", "duration", "10000; pre_reload_cmd: 600000",
     "how long each of them may take", ReadHookTimeout},
    {"env", "table", "", "variables; ${NAME} of what is set before", ReadEnv},
    {"env_file", "path, array, or { path = …, optional = true }", "", "files of KEY=value",
     ReadEnvFile},
    {"user", "name or id", "", "whom it runs as, with that user's groups; only as root",
     [](R r) { ReadAccount(r, r.draft().spec.run_as.user); }},
    {"group", "name or id", "the user's own", "its main group; only as root",
     [](R r) { ReadAccount(r, r.draft().spec.run_as.group); }},
    {"umask", "octal string", "the daemon's", "permissions that new files do not get", ReadUmask},
    {"nice", "-20 to 19", "", "scheduling priority", ReadNice},
    {"no_new_privs", "boolean", "true with user, else false",
     "set-id programs and file capabilities give it nothing",
     [](R r) { ReadInto(r, r.draft().spec.no_new_privs); }},
    {"log_file", "path", "<logs>/NAME/N.out.log", "standard output",
     [](R r) { ReadLogPath(r, r.draft().spec.logs.out_path); }},
    {"error_log_file", "path", "<logs>/NAME/N.err.log", "standard error; the same path merges",
     [](R r) { ReadLogPath(r, r.draft().spec.logs.err_path); }},
    {"log_to", "\"file\", \"journal\", \"stdout\" or \"none\"", "\"file\"", "where output goes",
     ReadLogTo},
    {"log_date_format", "strftime or YYYY-MM-DD HH:mm:ss", "", "prefix of lines in the file",
     ReadLogDateFormat},
    {"watch", "true, path or array", "",
     "replaces the instances when files change; true: working_dir", ReadWatch},
    {"watch_extensions", "array", "", "only these files", ReadWatchExtensions},
    {"watch_ignore", "glob or array", "", "not these files and folders", ReadWatchIgnore},
    {"watch_delay_ms", "duration", "200", "how long nothing more must change",
     [](R r) { ReadDurationInto(r, r.draft().spec.watch.delay, kDelay); }},
    {"cron_restart", "cron, of 5 or 6 fields", "", "replaces the instances at these times",
     ReadCronRestart},
    {"schedule", "cron, of 5 or 6 fields", "",
     "runs a oneshot at these times, and not at its start", ReadSchedule},
    {"timezone", "IANA name", "the machine's", "of cron_restart and schedule", ReadTimezone},
    {"namespace", "string", "", "@NAME means all services that have it", ReadNamespace},
    {"autostart", "boolean", "true", "started with the others",
     [](R r) { ReadInto(r, PolicyOf(r).autostart); }},
    {"health_check", "table", "", "what is asked whether it is well", ReadHealthCheck},
    {"limits", "table", "", "how much it may use", ReadLimits},
    {"resource_limits", "table", "", "limits", ReadLimits, "limits"},
    {"logs", "table", "", "rotation of its output", ReadLogs},
    {"webhook", "table", "", "what a push at GitHub or GitLab makes it do", ReadWebhook},
    {"profiles", "table", "", "other values with --env NAME", ReadProfiles},
});

}  // namespace

std::span<const Key> ProcessKeys() { return kProcessKeys; }

}  // namespace oxherd
