#include "config/pm2_app.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "config/date_format.h"
#include "config/env_file.h"
#include "config/keys.h"
#include "config/pm2_values.h"
#include "config/quantity.h"
#include "config/toml_text.h"
#include "config/watch_pattern.h"
#include "core/cron.h"

namespace oxherd {

namespace {

namespace fs = std::filesystem;

struct Renamed {
  std::string_view pm2;
  std::string_view ours;
};

// A number of milliseconds there and here; PM2 takes "5s" for some of them, as we do.
constexpr auto kMillis = std::to_array<Renamed>({{"kill_timeout", "stop_timeout_ms"},
                                                 {"listen_timeout", "ready_timeout_ms"},
                                                 {"restart_delay", "restart_delay_ms"}});

// The same there and here.
constexpr auto kAsIs = std::to_array<Renamed>({{"max_restarts", "max_restarts"},
                                               {"cron_restart", "cron_restart"},
                                               {"namespace", "namespace"},
                                               {"watch", "watch"},
                                               {"watch_delay", "watch_delay_ms"},
                                               {"ignore_watch", "watch_ignore"},
                                               {"user", "user"},
                                               {"uid", "user"},
                                               {"gid", "group"}});

// What Oxherd does anyway, or what is about PM2 itself.
constexpr auto kNotNeeded = std::to_array<std::string_view>({"name",
                                                             "script",
                                                             "args",
                                                             "interpreter",
                                                             "exec_interpreter",
                                                             "interpreter_args",
                                                             "node_args",
                                                             "cwd",
                                                             "instances",
                                                             "exec_mode",
                                                             "env",
                                                             "increment_var",
                                                             "instance_var",
                                                             "autorestart",
                                                             "wait_ready",
                                                             "kill_signal",
                                                             "stop_signal",
                                                             "min_uptime",
                                                             "max_memory_restart",
                                                             "output",
                                                             "out_file",
                                                             "error",
                                                             "error_file",
                                                             "err_file",
                                                             "log",
                                                             "log_file",
                                                             "merge_logs",
                                                             "combine_logs",
                                                             "log_date_format",
                                                             "time",
                                                             "vizion",
                                                             "pmx",
                                                             "automation",
                                                             "source_map_support",
                                                             "disable_source_map_support",
                                                             "pid",
                                                             "pid_file",
                                                             "windowsHide",
                                                             "force",
                                                             "instance_id"});

constexpr auto kInterpreters = std::to_array<Renamed>({{".js", "node"},
                                                       {".cjs", "node"},
                                                       {".mjs", "node"},
                                                       {".py", "python3"},
                                                       {".rb", "ruby"},
                                                       {".sh", "bash"},
                                                       {".pl", "perl"},
                                                       {".php", "php"}});

class Conversion {
 public:
  Conversion(const Table& app, const std::string& name, const std::vector<std::string>& dropped,
             const Pm2Source& source)
      : app_(app), name_(name), dropped_(dropped), source_(source) {}

  Pm2Service Run() {
    const Table none;
    const Table* env = TableAt("env");
    WriteCommand();
    WriteFolder();
    WriteInstances(env == nullptr ? none : *env);
    WriteRestarts();
    WriteStop();
    for (const Renamed& key : kMillis) WriteMillis(key);
    for (const Renamed& key : kAsIs) WriteAsIs(key);
    WriteLogs();
    WriteRest();
    if (!dropped_.empty()) {
      std::string list;
      for (const std::string& variable : dropped_) list += (list.empty() ? "" : " ") + variable;
      Comment("left out, as PM2 and the shell set them: " + list);
    }
    WriteLimits();
    if (env != nullptr) WriteEnv(*env, fmt::format("processes.{}.env", TomlKey(name_)));
    WriteProfiles();
    return {fmt::format("[processes.{}]\n{}{}", TomlKey(name_), keys_, tables_),
            std::move(warnings_)};
  }

 private:
  // ---- What PM2's app says. ----

  [[nodiscard]] const Value* At(std::string_view key) const {
    const Entry* entry = app_.Find(key);
    return entry == nullptr ? nullptr : &entry->value;
  }
  [[nodiscard]] const Table* TableAt(std::string_view key) const {
    const Value* value = At(key);
    return value == nullptr ? nullptr : value->As<Table>();
  }
  [[nodiscard]] std::string TextAt(std::string_view key) const {
    const Value* value = At(key);
    const auto* text = value == nullptr ? nullptr : value->As<std::string>();
    return text == nullptr ? std::string() : *text;
  }
  [[nodiscard]] bool IsTrue(std::string_view key) const {
    const Value* value = At(key);
    const auto* flag = value == nullptr ? nullptr : value->As<bool>();
    return flag != nullptr && *flag;
  }
  [[nodiscard]] std::vector<std::string> WordsAt(std::string_view key) const {
    const Value* value = At(key);
    return value == nullptr ? std::vector<std::string>() : Pm2Words(*value);
  }

  // ---- What is written. ----

  void Comment(const std::string& text) { keys_ += "# " + text + "\n"; }
  void Warn(const std::string& text) { warnings_.push_back(name_ + ": " + text); }

  static bool IsSupported(Section section, std::string_view key) {
    const Key* known = FindKey(section, key);
    return known != nullptr && known->read != nullptr;
  }

  // `key = value`, as a comment where this version does not support it yet.
  void Put(std::string_view key, const std::string& value, std::string_view why = {}) {
    const std::string line = fmt::format("{} = {}", key, value);
    if (IsSupported(Section::kProcess, key)) {
      keys_ += line + (why.empty() ? "" : fmt::format("  # {}", why)) + "\n";
    } else {
      Comment(line + "  # not supported yet");
      Warn(fmt::format("{} is not supported yet", key));
    }
  }

  void WriteCommand() {
    const std::string script = TextAt("script");
    const bool is_line = script.contains(' ') && !IsFile(script);
    std::vector<std::string> words;
    if (!is_line) words = Interpreter(script);
    std::vector<std::string> arguments = WordsAt("args");
    if (is_line) {
      std::string line = script;
      for (const std::string& word : arguments) line += " " + word;
      Put("command", TomlString(line));
      return;
    }
    const bool bare = words.empty() && !script.contains('/') && IsFile(script);
    words.push_back(Literal(bare ? "./" + script : script));
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::string list;
    for (const std::string& word : words) list += (list.empty() ? "" : ", ") + TomlString(word);
    Put("command", "[" + list + "]");
  }

  [[nodiscard]] bool IsFile(const std::string& script) const {
    return source_.is_file && source_.is_file((fs::path(Folder()) / script).string());
  }

  // What runs the script, with its own arguments; nothing: it runs by itself.
  [[nodiscard]] std::vector<std::string> Interpreter(const std::string& script) {
    std::string interpreter = TextAt("interpreter");
    if (interpreter.empty()) interpreter = TextAt("exec_interpreter");
    const std::string extension = fs::path(script).extension().string();
    if (interpreter.empty()) {
      const auto* known = std::ranges::find(kInterpreters, extension, &Renamed::pm2);
      if (known != kInterpreters.end()) interpreter = known->ours;
    }
    if (interpreter == "none" || (interpreter.empty() && !is_cluster_word())) return {};
    if (interpreter.empty()) interpreter = "node";
    is_node_ = fs::path(interpreter).filename() == "node";
    std::vector<std::string> words = {Literal(interpreter)};
    for (const char* key : {"interpreter_args", "node_args"}) {
      const std::vector<std::string> more = WordsAt(key);
      words.insert(words.end(), more.begin(), more.end());
    }
    return words;
  }

  [[nodiscard]] bool is_cluster_word() const { return TextAt("exec_mode").starts_with("cluster"); }

  [[nodiscard]] std::string Folder() const {
    return (fs::path(source_.folder) / TextAt("cwd")).lexically_normal().string();
  }

  void WriteFolder() {
    fs::path folder = Folder();
    if (!folder.has_filename()) folder = folder.parent_path();
    const fs::path target = source_.target;
    if (folder == target) return;
    const fs::path below = folder.lexically_relative(target);
    const bool is_below = !below.empty() && *below.begin() != "..";
    Put("working_dir", TomlString(Literal(is_below ? below.string() : folder.string())));
  }

  // ---- Instances and the port. ----

  void WriteInstances(const Table& env) {
    const std::string count = At("instances") == nullptr ? "" : Pm2Count(*At("instances"));
    const std::string port = Pm2Port(env);
    // As PM2 decides: a Node program with `instances` is a cluster unless it says otherwise.
    const bool cluster =
        TextAt("exec_mode").empty() ? At("instances") != nullptr && is_node_ : is_cluster_word();
    if (TextAt("increment_var") == "PORT" && !port.empty()) {
      if (!count.empty()) Put("instances", count);
      Put("port_base", port, "PM2's increment_var: each instance has a port of its own");
    } else if (!port.empty()) {
      if (!count.empty()) Put("instances", count);
      Put("listen", port, "the supervisor owns the port: a reload loses no connection");
      listens_ = true;
    } else if (cluster) {
      WritePortless(count);
    } else {
      if (!count.empty()) Put("instances", count);
      Put("reload_strategy", "\"stop-first\"",
          "if it binds no port, \"start-first\" leaves no gap");
    }
    if (!TextAt("increment_var").empty() && TextAt("increment_var") != "PORT") {
      Comment("increment_var: write ${N + INSTANCE} in env: " + TextAt("increment_var"));
    }
  }

  // A cluster whose port only its program knows.
  void WritePortless(const std::string& count) {
    if (IsSupported(Section::kProcess, "listen") && PortsInProfiles()) {
      cluster_count_ = count;
      Comment("cluster mode: the port is in the profiles; so are listen and instances");
      return;
    }
    Put("listen", "\"auto\"",
        "the first port that it binds, as PM2's cluster mode does; better: 3000");
    if (!count.empty()) Put("instances", count);
  }

  [[nodiscard]] bool PortsInProfiles() const {
    return std::ranges::any_of(app_.entries, [](const Entry& entry) {
      const auto* env = entry.value.As<Table>();
      return entry.key.starts_with("env_") && env != nullptr && !Pm2Port(*env).empty();
    });
  }

  // ---- Restarts and the stop. ----

  void WriteRestarts() {
    const Value* autorestart = At("autorestart");
    const bool once = autorestart != nullptr && IsOffInPm2(*autorestart);
    if (once && At("cron_restart") != nullptr) {
      Put("type", "\"oneshot\"", "autorestart: false with cron_restart");
      Put("schedule", TomlValue(*At("cron_restart")));
      is_scheduled_ = true;
    } else if (once) {
      Put("restart", "\"never\"");
    }
    if (const Value* uptime = At("min_uptime")) {
      const auto* number = uptime->As<std::int64_t>();
      Put("restart_window_secs",
          number != nullptr ? fmt::format("\"{}ms\"", std::max<std::int64_t>(*number, 1000))
                            : TomlValue(*uptime),
          "PM2's min_uptime: ready this long, and crashes are counted anew");
    }
  }

  void WriteStop() {
    std::string signal = TextAt("kill_signal");
    if (signal.empty()) signal = TextAt("stop_signal");
    if (is_scheduled_) return;
    Put("stop_signal", TomlString(signal.empty() ? "SIGINT" : signal),
        signal.empty() ? "as PM2 sends it; SIGTERM is the usual one" : "");
    if (IsTrue("wait_ready")) Put("ready", "\"notify\"", "PM2's wait_ready: process.send('ready')");
  }

  void WriteMillis(const Renamed& key) {
    const Value* value = At(key.pm2);
    if (value == nullptr || IsOffInPm2(*value)) return;
    const auto* text = value->As<std::string>();
    if (text != nullptr && !ParseDuration(*text)) {
      Comment(fmt::format("{} = {}: not a duration", key.pm2, TomlValue(*value)));
      return;
    }
    const auto* number = value->As<double>();
    Put(key.ours, number != nullptr ? fmt::format("{:.0f}", *number) : TomlValue(*value));
  }

  void WriteAsIs(const Renamed& key) {
    const Value* value = At(key.pm2);
    if (value == nullptr || IsOffInPm2(*value) || (key.pm2 == "cron_restart" && is_scheduled_))
      return;
    const auto* text = value->As<std::string>();
    if (key.pm2 == "cron_restart" && (text == nullptr || !ParseCron(*text))) {
      Comment(fmt::format("cron_restart = {}: not understood", Pm2Shown(*value)));
      Warn("cron_restart = " + Pm2Shown(*value) + " is not understood");
      return;
    }
    if (key.pm2 == "namespace" && TextAt("namespace") == "default") return;
    if (is_scheduled_ && key.pm2.contains("watch")) {
      return Comment(
          fmt::format("{} = {}: a oneshot has nothing to replace", key.ours, TomlValue(*value)));
    }
    if (key.pm2.contains("watch") && value->As<Table>() != nullptr) {
      Warn(fmt::format("{} is not understood", key.pm2));
      return Comment(fmt::format("{} = {}: not understood", key.pm2, Pm2Shown(*value)));
    }
    if (key.pm2 == "ignore_watch") return WriteIgnored(*value);
    Put(key.ours, TomlValue(*value));
  }

  void WriteIgnored(const Value& value) {
    std::vector<std::string> texts;
    const auto* one = value.As<std::string>();
    if (one != nullptr) texts.push_back(*one);
    if (const auto* several = value.As<Array>()) {
      for (const Value& each : *several) {
        const auto* text = each.As<std::string>();
        texts.push_back(text == nullptr ? Pm2Shown(each) : *text);
      }
    }
    std::string list;
    for (const std::string& text : texts) {
      if (const auto glob = GlobFromPattern(text)) {
        list += (list.empty() ? "" : ", ") + TomlString(*glob);
      } else {
        Comment("ignore_watch = " + TomlString(text) + ": not understood; write a glob");
        Warn("ignore_watch = " + text + " is not understood; write a glob in watch_ignore");
      }
    }
    if (!list.empty()) Put("watch_ignore", "[" + list + "]");
  }

  // ---- Output. ----

  void WritePath(std::string_view ours, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      const std::string path = TextAt(name);
      if (path.empty()) continue;
      const fs::path whole = fs::path(Folder()) / path;
      Put(ours, TomlString(Literal(path == "NULL" ? "/dev/null" : whole.string())));
      return;
    }
  }

  void WriteLogs() {
    const bool combined = !TextAt("log_file").empty() || !TextAt("log").empty();
    const bool apart = !TextAt("out_file").empty() || !TextAt("output").empty() ||
                       !TextAt("error_file").empty() || !TextAt("error").empty();
    if (combined && !apart) {
      WritePath("log_file", {"log_file", "log"});
      WritePath("error_log_file", {"log_file", "log"});
    } else {
      WritePath("log_file", {"out_file", "output"});
      WritePath("error_log_file", {"error_file", "error", "err_file"});
      if (combined) Comment("log_file, one more file with both streams, has no equivalent");
    }
    const std::string format = TextAt("log_date_format");
    if (!format.empty() && ParseDateFormat(format)) {
      Put("log_date_format", TomlString(format));
    } else if (!format.empty()) {
      Comment("log_date_format = " + TomlString(format) + ": not understood");
    } else if (IsTrue("time")) {
      Put("log_date_format", "\"YYYY-MM-DDTHH:mm:ss\"", "PM2's time: true");
    }
  }

  void WriteRest() {
    if (!TextAt("instance_var").empty() && TextAt("instance_var") != "NODE_APP_INSTANCE") {
      instance_var_ = TextAt("instance_var");
    }
    if (At("exp_backoff_restart_delay") != nullptr) {
      Comment("exp_backoff_restart_delay: back-off is always there, from 100 ms, doubled");
    }
    for (const Entry& entry : app_.entries) {
      const bool is_known = std::ranges::find(kNotNeeded, entry.key) != kNotNeeded.end() ||
                            std::ranges::find(kMillis, entry.key, &Renamed::pm2) != kMillis.end() ||
                            std::ranges::find(kAsIs, entry.key, &Renamed::pm2) != kAsIs.end() ||
                            entry.key.starts_with("env_") ||
                            entry.key == "exp_backoff_restart_delay";
      if (is_known || (entry.key == "treekill" && IsTrue("treekill")) || IsOffInPm2(entry.value))
        continue;
      Comment(fmt::format("{} = {} has no equivalent here", entry.key, Pm2Shown(entry.value)));
      Warn(entry.key + " has no equivalent here");
    }
  }

  void WriteLimits() {
    const Value* limit = At("max_memory_restart");
    if (limit == nullptr) return;
    const std::optional<std::int64_t> megabytes = Pm2Megabytes(*limit);
    if (!megabytes) {
      Comment("max_memory_restart = " + Pm2Shown(*limit) + ": not understood");
      return;
    }
    tables_ += fmt::format("\n[processes.{}.limits]\nmemory_mb = {}\n", TomlKey(name_), *megabytes);
  }

  // ---- Variables. ----

  void WriteEnv(const Table& env, const std::string& header) {
    std::string lines;
    for (const Entry& entry : env.entries) {
      const auto* text = entry.value.As<std::string>();
      const bool plain = text != nullptr || entry.value.As<std::int64_t>() != nullptr ||
                         entry.value.As<double>() != nullptr || entry.value.As<bool>() != nullptr;
      if (!plain || !IsEnvironmentName(entry.key)) {
        lines += fmt::format("# {} = {}: {}\n", TomlKey(entry.key), Pm2Shown(entry.value),
                             plain ? "not the name of a variable" : "not a text");
      } else {
        lines += fmt::format("{} = {}\n", TomlKey(entry.key),
                             text != nullptr ? TomlString(Literal(*text)) : TomlValue(entry.value));
      }
    }
    if (!instance_var_.empty()) lines += TomlKey(instance_var_) + " = \"${INSTANCE}\"\n";
    if (!lines.empty()) tables_ += "\n[" + header + "]\n" + lines;
  }

  void WriteProfiles() {
    instance_var_.clear();
    for (const Entry& entry : app_.entries) {
      const auto* env = entry.value.As<Table>();
      if (!entry.key.starts_with("env_") || entry.key.size() == 4 || env == nullptr) continue;
      const std::string header =
          fmt::format("processes.{}.profiles.{}", TomlKey(name_), TomlKey(entry.key.substr(4)));
      const std::string port = Pm2Port(*env);
      if (!port.empty() && (listens_ || !cluster_count_.empty())) {
        tables_ += fmt::format("\n[{}]\nlisten = {}\n", header, port);
        if (!cluster_count_.empty()) tables_ += "instances = " + cluster_count_ + "\n";
      }
      WriteEnv(*env, header + ".env");
    }
  }

  const Table& app_;
  const std::string& name_;
  const std::vector<std::string>& dropped_;
  const Pm2Source& source_;
  bool is_node_ = false;
  bool listens_ = false;
  bool is_scheduled_ = false;
  std::string cluster_count_;  // where only the profiles say the port
  std::string instance_var_;
  std::string keys_;
  std::string tables_;
  std::vector<std::string> warnings_;
};

}  // namespace

Pm2Service ConvertPm2App(const Table& app, const std::string& name,
                         const std::vector<std::string>& dropped, const Pm2Source& source) {
  return Conversion(app, name, dropped, source).Run();
}

}  // namespace oxherd
