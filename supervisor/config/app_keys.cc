// OxMgr's own dialect, [[apps]]: its keys, beside which all of ours are taken too. What a key means
// there and here: examples/oxmgr-apps/README.md, which a test keeps equal to this table.
#include <fmt/format.h>

#include <array>

#include "config/env_file.h"
#include "config/key_tables.h"
#include "config/table_readers.h"

namespace oxherd {

namespace {

using std::chrono::hours;
using R = const Reading&;

constexpr DurationRange kDelay{TimeUnit::kSeconds, Millis(0), hours(24)};
constexpr DurationRange kInterval{TimeUnit::kSeconds, Millis(0), hours(24)};
constexpr DurationRange kTimeout{TimeUnit::kSeconds, Millis(0), hours(1)};
constexpr Millis kSecond{1000};
// What OxMgr caps.
constexpr Millis kShortStop{5000};

Policy& PolicyOf(R reading) { return reading.draft().spec.policy; }
HealthCheck& HealthOf(R reading) { return reading.draft().spec.health_check; }
AppWishes& AppOf(R reading) { return reading.draft().app; }

void Note(R reading, std::string message) {
  if (!reading.place.options.explains_dialect) return;
  reading.place.errors.Note(reading.value.position, reading.Path(), std::move(message));
}

// OxMgr takes 0 for 1 s.
void ReadAtLeastASecond(R reading, Millis& target, DurationRange range) {
  const auto duration = ReadDuration(reading, range);
  if (duration) target = *duration == Millis(0) ? kSecond : *duration;
}

void ReadRestartPolicy(R r) {
  ReadChoiceInto(r, PolicyOf(r).restart, {"always", "on_failure", "never", "on-failure"},
                 {RestartPolicy::kAlways, RestartPolicy::kOnFailure, RestartPolicy::kNo,
                  RestartPolicy::kOnFailure});
}

void ReadMaxRestarts(R r) {
  const auto count = ReadInteger(r, 0, 10000);
  if (!count) return;
  AppOf(r).max_restarts = static_cast<std::uint16_t>(*count);
  if (*count == 0) {
    Note(r, "0 means never, as in OxMgr; with [processes.NAME] it would mean: no limit");
  }
}

void ReadCrashRestartLimit(R r) {
  const auto count = ReadInteger(r, 0, 9999);
  if (!count) return;
  AppOf(r).crash_restart_limit = static_cast<std::uint16_t>(*count);
  if (*count > 0) {
    Note(r, fmt::format("crash {} in a row makes it Failed, and then it is tried again every "
                        "failed_retry_secs; OxMgr counts restarts in 5 minutes and gives up",
                        *count + 1));
  }
}

void ReadRestartDelay(R r) {
  Policy& policy = PolicyOf(r);
  const auto delay = ReadDuration(r, kDelay);
  if (!delay) return;
  policy.restart_delay = *delay;
  if (r.draft().Find("restart_delay_max_ms") == nullptr && *delay > policy.restart_delay_max) {
    policy.restart_delay_max = *delay;
  }
}

void ReadStopTimeout(R r) {
  Policy& policy = PolicyOf(r);
  ReadAtLeastASecond(r, policy.stop_timeout, {TimeUnit::kSeconds, Millis(0), kMaxStopTimeout});
  if (policy.stop_timeout > kShortStop) Note(r, "is kept to the end here; OxMgr caps it");
}

void ReadReadyTimeout(R r) {
  Millis timeout = PolicyOf(r).ready_timeout.value_or(Millis(30000));
  ReadAtLeastASecond(r, timeout, {TimeUnit::kSeconds, Millis(0), hours(24)});
  PolicyOf(r).ready_timeout = timeout;
}

void ReadMaxFailures(R r) {
  if (const auto count = ReadInteger(r, 0, 1000)) {
    HealthOf(r).unhealthy_threshold = static_cast<std::uint16_t>(std::max<std::int64_t>(*count, 1));
  }
}

void ReadAppDependsOn(R r) {
  ReadDependsOn(r);
  if (!r.draft().depends_on.empty()) {
    Note(r, "waits until they are ready; in OxMgr it is only the order of starting");
  }
}

void ReadStartOrder(R r) {
  if (ReadInteger(r, INT32_MIN, INT32_MAX)) {
    Note(r,
         "is not used: what does not depend on each other starts at the same time; write "
         "depends_on");
  }
}

void ReadInstanceVar(R r) {
  const auto name = ReadString(r);
  if (!name) return;
  if (!IsEnvironmentName(*name)) {
    r.Error("not the name of a variable; write letters, digits and _, not beginning with a digit");
    return;
  }
  AppOf(r).instance_var = *name;
}

void ReadClusterInstances(R r) { ReadInto(r, AppOf(r).cluster_instances, 1, kMaxInstances); }

void ReadUnifiedLogs(R r) {
  if (ReadBoolean(r).value_or(false)) AppOf(r).unified_logs = r.value.position;
}

void ReadAppLogs(R r) {
  const auto* table = r.value.As<Table>();
  if (table == nullptr) return r.WrongType(r.value, "a table: { stdout = \"out.log\" }");
  Place below = r.place;
  below.path = r.Path();
  below.prefix = std::string(r.mark) + ".";
  ReadSection(Section::kAppLogs, *table, below);
}

void ReadCombined(R r) {
  ReadLogPath(r, r.draft().spec.logs.out_path);
  r.draft().spec.logs.err_path = r.draft().spec.logs.out_path;
}

// False, 0, or an empty list: what is not wanted need not be supported.
bool IsOff(const Value& value) {
  if (const auto* flag = value.As<bool>()) return !*flag;
  if (const auto* number = value.As<std::int64_t>()) return *number == 0;
  if (const auto* number = value.As<double>()) return *number == 0;
  const auto* items = value.As<Array>();
  return items != nullptr && items->empty();
}

void RefuseUnlessOff(R r) {
  if (!IsOff(r.value)) {
    r.Error(fmt::format("\"{}\" is not supported yet; leave it out for now", r.name));
  }
}

// OxMgr pulls by itself, or when its webhook is called.
void RefusePull(R r) {
  if (IsOff(r.value)) return;
  r.Error(
      fmt::format("\"{}\": Oxherd pulls nothing by itself; webhook = {{ secret = …, on_push = "
                  "[\"git pull --ff-only\", \"oxherd reload NAME\"] }} does so at a push",
                  r.name));
}

// As our own key, where there is a reader for it already.
template <Section kSection>
void ReadAsOurs(R r) {
  const std::string_view name = r.mark.substr(r.mark.rfind('.') + 1);
  const Key* ours = FindKey(kSection, name);
  if (ours == nullptr || ours->read == nullptr || IsOff(r.value)) return RefuseUnlessOff(r);
  ours->read(r);
}
constexpr Reader kAsOurs = ReadAsOurs<Section::kProcess>;
constexpr Reader kAsLimit = ReadAsOurs<Section::kLimits>;

constexpr auto kAppKeys = std::to_array<Key>({
    {"name", "string", "", "the service's name", [](R) {}},
    {"restart_policy", "\"always\", \"on_failure\" or \"never\"", "\"on_failure\"",
     "after it ends by itself", ReadRestartPolicy, "restart"},
    {"max_restarts", "0 to 10000", "10", "consecutive crashes before Failed; 0: never restarted",
     ReadMaxRestarts},
    {"crash_restart_limit", "0 to 9999", "", "restarts after crashes in a row; 0: no such limit",
     ReadCrashRestartLimit},
    {"restart_delay_secs", "duration", "0", "before the first restart", ReadRestartDelay,
     "restart_delay_ms"},
    {"start_delay_secs", "duration", "0", "wait before the first start",
     [](R r) { ReadDurationInto(r, PolicyOf(r).start_delay, kDelay); }, "start_delay_ms"},
    {"stop_timeout_secs", "duration", "5", "then SIGKILL", ReadStopTimeout, "stop_timeout_ms"},
    {"health_cmd", "command", "", "healthy: it exits 0",
     [](R r) { ReadCommandInto(r, r.draft().check_command); }, "health_check.command"},
    {"health_interval_secs", "duration", "30", "from one check to the next",
     [](R r) { ReadAtLeastASecond(r, HealthOf(r).interval, kInterval); },
     "health_check.interval_secs"},
    {"health_timeout_secs", "duration", "5", "how long a check may take",
     [](R r) { ReadAtLeastASecond(r, HealthOf(r).timeout, kTimeout); },
     "health_check.timeout_secs"},
    {"health_max_failures", "0 to 1000", "3", "failures in a row that count", ReadMaxFailures,
     "health_check.unhealthy_threshold"},
    {"wait_ready", "boolean", "false", "a reload waits for the health check; here it always does",
     [](R r) { ReadInto(r, AppOf(r).wait_ready); }},
    {"ready_timeout_secs", "duration", "30", "how long it may take to be ready", ReadReadyTimeout,
     "ready_timeout_ms"},
    {"depends_on", "array of names", "[]", "what is started, and ready, before it",
     ReadAppDependsOn},
    {"start_order", "number", "", "not used", ReadStartOrder},
    {"instance_var", "name", "", "the variable that gets the number of the instance",
     ReadInstanceVar},
    {"reuse_port", "boolean", "false", "instances share the port in env.PORT: listen",
     [](R r) { ReadInto(r, AppOf(r).reuse_port); }},
    {"cluster_mode", "boolean", "false", "cluster_instances of it share the port in env.PORT",
     [](R r) { ReadInto(r, AppOf(r).cluster_mode); }},
    {"cluster_instances", "1 to 1000", "one per usable CPU", "with cluster_mode: how many",
     ReadClusterInstances},
    {"watch", "true, path or array", "false", "restart when files change", kAsOurs},
    {"ignore_watch", "array of regular expressions", "",
     "not these files; simple ones, as globs of names",
     [](R r) {
       if (!IsOff(r.value)) ReadIgnoreWatch(r);
     },
     "watch_ignore"},
    {"watch_delay_secs", "duration", "0", "how long nothing more must change",
     [](R r) {
       ReadDurationInto(r, r.draft().spec.watch.delay, {TimeUnit::kSeconds, Millis(0), hours(24)});
       Millis& delay = r.draft().spec.watch.delay;
       delay = std::max(delay, WatchSpec{}.delay);
     },
     "watch_delay_ms"},
    {"max_memory_mb", "number", "", "memory of the whole tree", kAsLimit, "limits.memory_mb"},
    {"max_cpu_percent", "number", "", "CPU of the whole tree", kAsLimit, "limits.cpu_percent"},
    {"cgroup_enforce", "boolean", "false", "hard limits by cgroup", kAsLimit, "limits.enforce"},
    {"deny_gpu", "boolean", "false", "hides GPUs from it, by variables",
     [](R r) { ReadInto(r, AppOf(r).deny_gpu); }},
    {"unified_logs", "boolean", "false", "both streams in one file; needs logs.combined",
     ReadUnifiedLogs},
    {"logs", "table", "", "stdout, stderr, combined: paths; and our rotation", ReadAppLogs},
    {"git_repo", "URL", "", "what is pulled", RefusePull},
    {"git_ref", "string", "", "and which branch", RefusePull},
    {"pull_secret", "string", "", "of the pull webhook", RefusePull},
    {"disabled", "boolean", "false", "left out", [](R r) { ReadInto(r, AppOf(r).disabled); }},
});

constexpr auto kAppLogKeys = std::to_array<Key>({
    {"stdout", "path", "<logs>/NAME/N.out.log", "standard output",
     [](R r) { ReadLogPath(r, r.draft().spec.logs.out_path); }},
    {"stderr", "path", "<logs>/NAME/N.err.log", "standard error",
     [](R r) { ReadLogPath(r, r.draft().spec.logs.err_path); }},
    {"combined", "path", "", "both", ReadCombined},
});

}  // namespace

std::span<const Key> AppKeys() { return kAppKeys; }
std::span<const Key> AppLogKeys() { return kAppLogKeys; }

}  // namespace oxherd
