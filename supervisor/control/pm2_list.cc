#include "control/pm2_list.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace oxherd::control {
namespace {

// In the order in which they are put.
using Json = nlohmann::ordered_json;

// PM2's word for a state (its constants.js).
std::string_view Pm2Status(std::string_view state) {
  constexpr auto kWords = std::to_array<std::pair<std::string_view, std::string_view>>({
      {"waiting", "launching"},
      {"starting", "launching"},
      {"ready", "online"},
      {"unhealthy", "online"},
      {"draining", "online"},
      {"stopping", "stopping"},
      {"killing", "stopping"},
      {"backoff", "waiting restart"},
      {"failed", "errored"},
  });
  const auto* const found = std::ranges::find(kWords, state, &decltype(kWords)::value_type::first);
  return found == kWords.end() ? "stopped" : found->second;  // exited, stopped, done
}

// What is run, taken apart as PM2 does.
struct Program {
  std::string path;
  std::string interpreter = "none";
  std::vector<std::string> arguments;
};

std::string FileName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

Program ProgramOf(const ServiceDetail& service) {
  Program program;
  // What only a shell understands is the shell's.
  if (service.command.find_first_of("'\"\\|&;<>()$`*?#~") != std::string::npos) {
    program.path = "/bin/sh";
    program.arguments = {"-c", service.command};
    return program;
  }
  std::vector<std::string> words;
  for (std::size_t at = 0; at < service.command.size();) {
    const std::size_t end = std::min(service.command.find(' ', at), service.command.size());
    if (end > at) words.push_back(service.command.substr(at, end - at));
    at = end + 1;
  }
  if (words.empty()) return program;
  constexpr auto kInterpreters = std::to_array<std::string_view>(
      {"node", "python", "python3", "ruby", "php", "perl", "bash", "sh", "bun", "deno"});
  const bool is_interpreted =
      words.size() > 1 && !words[1].starts_with('-') &&
      std::ranges::find(kInterpreters, FileName(words[0])) != kInterpreters.end();
  if (is_interpreted) {
    program.interpreter = FileName(words.front());
    words.erase(words.begin());
  }
  program.path = words.front();
  const bool is_relative = program.path.find('/') != std::string::npos || is_interpreted;
  if (is_relative && !program.path.starts_with('/')) {
    if (program.path.starts_with("./")) program.path.erase(0, 2);
    program.path.insert(0, service.folder + "/");
  }
  program.arguments.assign(words.begin() + 1, words.end());
  return program;
}

Json EnvironmentOf(const ServiceDetail& service, const Row& row, std::int64_t since) {
  const Program program = ProgramOf(service);
  Json env;
  env["name"] = row.service;
  env["namespace"] = service.name_space.empty() ? "default" : service.name_space;
  env["pm_id"] = row.id;
  env["NODE_APP_INSTANCE"] = row.slot;
  env["status"] = Pm2Status(row.state);
  env["restart_time"] = row.restarts;
  env["unstable_restarts"] = row.crashes;
  env["pm_uptime"] = since;
  env["created_at"] = since;
  env["exec_mode"] = service.pools.empty() ? "fork_mode" : "cluster_mode";
  env["instances"] = service.instances.size();
  env["pm_exec_path"] = program.path;
  env["exec_interpreter"] = program.interpreter;
  env["args"] = program.arguments;
  env["pm_cwd"] = service.folder;
  env["pm_out_log_path"] = row.out_log.empty() ? "/dev/null" : row.out_log;
  env["pm_err_log_path"] = row.err_log.empty() ? "/dev/null" : row.err_log;
  env["merge_logs"] = row.out_log == row.err_log;
  env["autorestart"] = !service.restart.starts_with("never");
  if (row.last_exit && row.last_exit->kind == ExitStatus::Kind::kCode) {
    env["exit_code"] = row.last_exit->number;
  }
  return env;
}

}  // namespace

std::string EncodePm2List(const std::vector<ServiceDetail>& services, std::int64_t now_unix_ms,
                          Pm2Form form) {
  std::vector<std::pair<const ServiceDetail*, const Row*>> rows;
  for (const ServiceDetail& service : services) {
    for (const Row& row : service.instances) rows.emplace_back(&service, &row);
  }
  std::ranges::sort(rows, {}, [](const auto& row) { return row.second->id; });
  Json list = Json::array();
  for (const auto& [service, row] : rows) {
    const std::int64_t since = row->uptime_ms ? now_unix_ms - *row->uptime_ms : row->since_unix_ms;
    Json process;
    process["pid"] = row->pid.is_set() ? row->pid.number() : 0;
    process["name"] = row->service;
    process["pm2_env"] = EnvironmentOf(*service, *row, since);
    process["pm_id"] = row->id;
    process["monit"]["memory"] = row->memory_bytes.value_or(0);
    process["monit"]["cpu"] = std::round(row->cpu_percent.value_or(0) * 10) / 10;
    list.push_back(std::move(process));
  }
  const int indent = form == Pm2Form::kIndented ? 2 : -1;
  return list.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace oxherd::control
