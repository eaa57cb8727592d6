#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/commands/spec_sources.h"

namespace oxherd {
namespace {

using Keys = std::vector<std::string>;

class Comparison {
 public:
  template <typename T>
  Comparison& Compare(std::string_view key, const T& one, const T& other) {
    // Several fields may stand for one key.
    if (!(one == other) && (keys_.empty() || keys_.back() != key)) keys_.emplace_back(key);
    return *this;
  }
  [[nodiscard]] Keys Take() && { return std::move(keys_); }

 private:
  Keys keys_;
};

void ComparePolicies(Comparison& keys, const Policy& a, const Policy& b) {
  keys.Compare("type", a.type, b.type)
      .Compare("restart", a.restart, b.restart)
      .Compare("reload_strategy", a.reload_strategy, b.reload_strategy)
      .Compare("reload_parallel", a.reload_parallel, b.reload_parallel)
      .Compare("kill_mode", a.kill_mode, b.kill_mode)
      .Compare("ready", a.ready_by, b.ready_by)
      .Compare("ready_timeout_ms", a.ready_timeout, b.ready_timeout)
      .Compare("autostart", a.autostart, b.autostart)
      .Compare("stop_signal", a.stop_signal, b.stop_signal)
      .Compare("stop_timeout_ms", a.stop_timeout, b.stop_timeout)
      .Compare("min_uptime_ms", a.min_uptime, b.min_uptime)
      .Compare("start_delay_ms", a.start_delay, b.start_delay)
      .Compare("restart_delay_ms", a.restart_delay, b.restart_delay)
      .Compare("restart_delay_max_ms", a.restart_delay_max, b.restart_delay_max)
      .Compare("max_restarts", a.max_restarts, b.max_restarts)
      .Compare("restart_window_secs", a.restart_window, b.restart_window)
      .Compare("failed_retry_secs", a.failed_retry, b.failed_retry)
      .Compare("hook_timeout_ms", a.hook_timeout, b.hook_timeout)
      .Compare("hook_timeout_ms", a.pre_reload_timeout, b.pre_reload_timeout)
      .Compare("depends_on", a.depends_on, b.depends_on)
      .Compare("listen", a.listen, b.listen)
      .Compare("drain_ms", a.drain, b.drain)
      .Compare("drain_max_ms", a.drain_max, b.drain_max)
      .Compare("reload_signal", a.reload_signal, b.reload_signal);
}

void CompareHealth(Comparison& keys, const HealthCheck& a, const HealthCheck& b) {
  keys.Compare("health_check", a.kind, b.kind)
      .Compare("health_check", a.target, b.target)
      .Compare("health_check", a.command, b.command)
      .Compare("health_check.interval_secs", a.interval, b.interval)
      .Compare("health_check.timeout_secs", a.timeout, b.timeout)
      .Compare("health_check.initial_delay_secs", a.initial_delay, b.initial_delay)
      .Compare("health_check.healthy_threshold", a.healthy_threshold, b.healthy_threshold)
      .Compare("health_check.unhealthy_threshold", a.unhealthy_threshold, b.unhealthy_threshold);
}

// The last word on each variable.
std::map<std::string_view, std::string_view> Variables(const Spec& spec) {
  std::map<std::string_view, std::string_view> variables;
  for (const auto& [name, value] : spec.env) variables[name] = value;
  return variables;
}

void CompareEnvironments(Comparison& keys, const Spec& one, const Spec& other) {
  const auto a = Variables(one);
  const auto b = Variables(other);
  for (const auto& [name, value] : a) {
    const auto found = b.find(name);
    if (found == b.end() || found->second != value) {
      keys.Compare("env." + std::string(name), 0, 1);
    }
  }
  for (const auto& [name, value] : b) {
    if (!a.contains(name)) keys.Compare("env." + std::string(name), 0, 1);
  }
  // The same last values in another order can still expand to something else.
  if (a == b) keys.Compare("env", one.env, other.env);
}

}  // namespace

Keys Differences(const Spec& one, const Spec& other) {
  Comparison keys;
  keys.Compare("command", one.command, other.command)
      .Compare("command", one.program, other.program)
      .Compare("working_dir", one.working_dir, other.working_dir);
  CompareEnvironments(keys, one, other);
  keys.Compare("port_base", one.port_base, other.port_base);
  // What a person has scaled differs only from a file that now says something else.
  keys.Compare("instances", one.scaled_from.value_or(one.policy.instances),
               other.scaled_from.value_or(other.policy.instances));
  ComparePolicies(keys, one.policy, other.policy);
  CompareHealth(keys, one.health_check, other.health_check);
  keys.Compare("ready_log", one.ready_log, other.ready_log)
      .Compare("pre_reload_cmd", one.pre_reload_cmd, other.pre_reload_cmd)
      .Compare("pre_stop_cmd", one.pre_stop_cmd, other.pre_stop_cmd)
      .Compare("post_stop_cmd", one.post_stop_cmd, other.post_stop_cmd)
      .Compare("log_file", one.logs.out_path, other.logs.out_path)
      .Compare("error_log_file", one.logs.err_path, other.logs.err_path)
      .Compare("log_to", one.logs.to, other.logs.to)
      .Compare("logging.mode", one.logs.mode, other.logs.mode)
      .Compare("logging.group", one.logs.gid, other.logs.gid)
      .Compare("log_date_format", one.logs.date_format, other.logs.date_format)
      .Compare("logs", one.logs.max_bytes, other.logs.max_bytes)
      .Compare("logs", one.logs.max_files, other.logs.max_files)
      .Compare("logs", one.logs.max_days, other.logs.max_days)
      .Compare("logs", one.logs.compress, other.logs.compress)
      .Compare("limits.max_open_files", one.limits.max_open_files, other.limits.max_open_files)
      .Compare("limits.max_processes", one.limits.max_processes, other.limits.max_processes)
      .Compare("limits.core", one.limits.core_bytes, other.limits.core_bytes)
      .Compare("limits.memory_mb", one.limits.memory_bytes, other.limits.memory_bytes)
      .Compare("limits.cpu_percent", one.limits.cpu_permille, other.limits.cpu_permille)
      .Compare("limits.enforce", one.limits.enforce, other.limits.enforce)
      .Compare("limits.cpu_window_secs", one.limits.cpu_window, other.limits.cpu_window)
      .Compare("nice", one.nice, other.nice)
      .Compare("user", one.run_as, other.run_as)
      .Compare("umask", one.umask, other.umask)
      .Compare("no_new_privs", one.no_new_privs, other.no_new_privs)
      .Compare("cron_restart", one.cron_restart, other.cron_restart)
      .Compare("schedule", one.schedule, other.schedule)
      .Compare("timezone", one.timezone, other.timezone)
      .Compare("watch", one.watch, other.watch)
      .Compare("namespace", one.name_space, other.name_space)
      .Compare("webhook", one.webhook, other.webhook);
  return std::move(keys).Take();
}

}  // namespace oxherd
