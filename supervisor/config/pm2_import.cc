#include "config/pm2_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "config/pm2_app.h"
#include "core/spec.h"

namespace oxherd {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxApps = 5000;

const std::string* TextIn(const Table& table, std::string_view key) {
  const Entry* entry = table.Find(key);
  return entry == nullptr ? nullptr : entry->value.As<std::string>();
}

// What stands in env of PM2's dump although nobody set it there: the shell's variables, and the
// fields of PM2 itself, which it spreads into the environment. Each between blanks.
constexpr std::string_view kShellAndPm2Names =
    " "
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM PWD OLDPWD SHLVL _ MAIL HOSTNAME "
    "HOSTTYPE DISPLAY EDITOR VISUAL PAGER LESS LESSOPEN LESSCLOSE LS_COLORS COLORTERM "
    "TERM_PROGRAM TMPDIR INVOCATION_ID JOURNAL_STREAM SUDO_USER SUDO_UID SUDO_GID "
    "SUDO_COMMAND NODE_APP_INSTANCE PM2_HOME PM2_USAGE PM2_JSON_PROCESSING "
    "PM2_PROGRAMMATIC PM2_INTERACTOR_PROCESSING name unique_id status version versioning "
    "instances exec_mode namespace node_version windowsHide km_link username autorestart "
    "autostart automation filter_env treekill vizion vizion_running watch wait_ready "
    "kill_retry_time instance_var merge_logs created_at restart_time unstable_restarts "
    "exit_code node_args exec_interpreter max_restarts kill_timeout listen_timeout script "
    "args prev_restart_delay pmx ";

// Names as an Oxfile takes them, each once.
class Names {
 public:
  std::string Take(std::string_view wanted) {
    std::string name;
    for (const char c : wanted) {
      const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
      name += allowed ? c : '-';
    }
    const std::size_t begin = name.find_first_not_of(".-");
    name = begin == std::string::npos ? "app" : name.substr(begin, kMaxServiceName - 8);
    if (name == "all" || name.find_first_not_of("0123456789") == std::string::npos) {
      name.insert(0, "app-");
    }
    std::string unique = name;
    for (int number = 2; !taken_.insert(unique).second; ++number) {
      unique = fmt::format("{}-{}", name, number);
    }
    return unique;
  }

 private:
  std::set<std::string> taken_;
};

std::string NameOf(const Table& app) {
  if (const auto* name = TextIn(app, "name"); name != nullptr && !name->empty()) return *name;
  const auto* script = TextIn(app, "script");
  if (script == nullptr) return "app";
  const std::string first = script->substr(0, script->find(' '));
  return fs::path(first).stem().string();
}

struct App {
  Table table;
  std::vector<std::string> dropped = {};
};

Result<Pm2Import> Convert(const std::vector<App>& apps, const Pm2Source& source) {
  Pm2Import result;
  result.text = fmt::format(
      "# Made from PM2's {} by `oxherd import`. Milliseconds are milliseconds here too.\n",
      source.name);
  Names names;
  for (const App& app : apps) {
    const std::string wanted = NameOf(app.table);
    const std::string name = names.Take(wanted);
    Pm2Service service = ConvertPm2App(app.table, name, app.dropped, source);
    result.text += "\n" + service.text;
    if (name != wanted) {
      result.warnings.push_back(fmt::format("\"{}\" is called {} here", wanted, name));
    }
    std::ranges::move(service.warnings, std::back_inserter(result.warnings));
  }
  return result;
}

// The apps of a module, or nothing.
const Value* AppsIn(const Value& content) {
  const auto* table = content.As<Table>();
  if (table == nullptr) return content.As<Array>() != nullptr ? &content : nullptr;
  if (const Entry* apps = table->Find("apps")) return &apps->value;
  return table->Find("script") != nullptr ? &content : nullptr;
}

// What of a dumped process is configuration, under the name that an ecosystem file has for it.
constexpr auto kDumped = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"name", "name"},
    {"pm_exec_path", "script"},
    {"args", "args"},
    {"exec_interpreter", "interpreter"},
    {"node_args", "node_args"},
    {"pm_cwd", "cwd"},
    {"exec_mode", "exec_mode"},
    {"autorestart", "autorestart"},
    {"cron_restart", "cron_restart"},
    {"kill_timeout", "kill_timeout"},
    {"listen_timeout", "listen_timeout"},
    {"max_memory_restart", "max_memory_restart"},
    {"max_restarts", "max_restarts"},
    {"min_uptime", "min_uptime"},
    {"namespace", "namespace"},
    {"restart_delay", "restart_delay"},
    {"wait_ready", "wait_ready"},
    {"watch", "watch"},
    {"ignore_watch", "ignore_watch"},
    {"log_date_format", "log_date_format"},
    {"instance_var", "instance_var"},
    {"increment_var", "increment_var"},
    {"pm_out_log_path", "out_file"},
    {"pm_err_log_path", "error_file"},
});

// Where PM2 itself has put it.
bool IsOwnLog(std::string_view path, const Table* variables) {
  const auto* home = variables == nullptr ? nullptr : TextIn(*variables, "PM2_HOME");
  return path.contains("/.pm2/logs/") ||
         (home != nullptr && !home->empty() && path.starts_with(*home + "/logs/"));
}

// PM2's own copy of something: an object, or a variable with the app's name and "{}" in it.
bool IsCopy(const Entry& entry, const Table& process) {
  if (entry.value.As<Table>() != nullptr || entry.value.As<Array>() != nullptr) return true;
  const auto* text = entry.value.As<std::string>();
  const auto* name = TextIn(process, "name");
  return text != nullptr && *text == "{}" && name != nullptr && entry.key == *name;
}

App FromDumped(const Table& process, std::int64_t count) {
  App app;
  const Entry* all = process.Find("env");
  const auto* variables = all == nullptr ? nullptr : all->value.As<Table>();
  for (const auto& [dumped, name] : kDumped) {
    const Entry* entry = process.Find(dumped);
    if (entry == nullptr) continue;
    const auto* text = entry->value.As<std::string>();
    const bool own_log = text != nullptr && IsOwnLog(*text, variables);
    const bool empty = text != nullptr && text->empty();
    if (!own_log && !empty) app.table.entries.push_back({std::string(name), {}, entry->value});
  }
  if (count > 1) app.table.entries.push_back({"instances", {}, Value{{}, count}});
  Table env;
  for (const Entry& entry : variables == nullptr ? std::vector<Entry>{} : variables->entries) {
    if (IsCopy(entry, process) || IsShellOrPm2Name(entry.key)) {
      app.dropped.push_back(entry.key);
    } else {
      env.entries.push_back(entry);
    }
  }
  app.table.entries.push_back({"env", {}, Value{{}, std::move(env)}});
  return app;
}

}  // namespace

bool IsShellOrPm2Name(std::string_view name) {
  constexpr auto kPrefixes =
      std::to_array<std::string_view>({"LC_", "SSH_", "XDG_", "DBUS_", "NVM_", "npm_", "pm_",
                                       "PM2_", "axm_", "VSCODE_", "GPG_", "COLOR", "TMUX", "STY"});
  return kShellAndPm2Names.contains(fmt::format(" {} ", name)) ||
         std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return name.starts_with(prefix); });
}

Result<Pm2Import> OxfileFromEcosystem(const Value& content, const Pm2Source& source) {
  const Value* found = AppsIn(content);
  const auto* items = found == nullptr ? nullptr : found->As<Array>();
  const auto* single = found == nullptr ? nullptr : found->As<Table>();
  if (items == nullptr && single == nullptr) {
    return MakeError("has no apps; it must give { apps: [ { name, script } ] }");
  }
  std::vector<App> apps;
  for (std::size_t i = 0; i < (items == nullptr ? 1 : items->size()); ++i) {
    const auto* app = items == nullptr ? single : (*items)[i].As<Table>();
    if (app == nullptr) return MakeError(fmt::format("apps[{}]: is no object", i));
    const auto* script = TextIn(*app, "script");
    if (script == nullptr || script->empty()) {
      return MakeError(fmt::format("apps[{}]: no script", i));
    }
    apps.push_back({*app});
  }
  if (apps.empty()) return MakeError("has no apps; it must give { apps: [ { name, script } ] }");
  if (apps.size() > kMaxApps) return MakeError(fmt::format("has more than {} apps", kMaxApps));
  return Convert(apps, source);
}

Result<Pm2Import> OxfileFromDump(const Value& dump, const Pm2Source& source) {
  const auto* processes = dump.As<Array>();
  if (processes == nullptr || processes->size() > kMaxApps) {
    return MakeError("is no dump of PM2's: an array of processes; run pm2 save");
  }
  std::vector<std::pair<std::string, const Table*>> firsts;  // in the order of the dump
  std::map<std::string, std::int64_t> counts;
  for (std::size_t i = 0; i < processes->size(); ++i) {
    const auto* process = (*processes)[i].As<Table>();
    const auto* name = process == nullptr ? nullptr : TextIn(*process, "name");
    const auto* path = process == nullptr ? nullptr : TextIn(*process, "pm_exec_path");
    if (name == nullptr || path == nullptr || path->empty()) {
      return MakeError(fmt::format("[{}]: has no name or no pm_exec_path", i));
    }
    if (++counts[*name] == 1) firsts.emplace_back(*name, process);
  }
  if (firsts.empty()) return MakeError("holds no process: nothing ran when pm2 save was typed");
  std::vector<App> apps;
  apps.reserve(firsts.size());
  for (const auto& [name, process] : firsts) apps.push_back(FromDumped(*process, counts[name]));
  return Convert(apps, source);
}

}  // namespace oxherd
