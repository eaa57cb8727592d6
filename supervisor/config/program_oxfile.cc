#include "config/program_oxfile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

#include "config/env_file.h"
#include "config/environment.h"
#include "config/toml_reader.h"
#include "config/toml_text.h"

namespace oxherd {

namespace {

using Values = std::map<std::string, std::string, std::less<>>;

// Below "env" and "health_check" each key counts by itself.
void Collect(const Table& table, const std::string& prefix, Values& values) {
  for (const Entry& entry : table.entries) {
    if (const auto* below = entry.value.As<Table>()) {
      Collect(*below, prefix + entry.key + ".", values);
    } else {
      values[prefix + entry.key] = TomlValue(entry.value);
    }
  }
}

Result<Values> ValuesOf(std::string_view text) {
  const auto document = ReadToml(text);
  const Entry* processes = document ? document->Find("processes") : nullptr;
  const Table* services = processes == nullptr ? nullptr : processes->value.As<Table>();
  if (services == nullptr || services->entries.size() != 1) return MakeError("it has no service");
  const Table* service = services->entries.front().value.As<Table>();
  if (service == nullptr) return MakeError("it has no service");
  Values values;
  Collect(*service, "", values);
  return values;
}

std::string List(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + TomlString(word);
  return "[" + text + "]";
}

bool IsOfSession(std::string_view name) {
  constexpr auto kPrefixes =
      std::to_array<std::string_view>({"SSH_", "XDG_", "DBUS_", "OXHERD_", "PM2_", "SUDO_"});
  constexpr auto kNames = std::to_array<std::string_view>({"TERM",
                                                           "PWD",
                                                           "OLDPWD",
                                                           "SHLVL",
                                                           "_",
                                                           "LS_COLORS",
                                                           "COLORTERM",
                                                           "TERM_PROGRAM",
                                                           "TERM_PROGRAM_VERSION",
                                                           "DISPLAY",
                                                           "WAYLAND_DISPLAY",
                                                           "XAUTHORITY",
                                                           "WINDOWID",
                                                           "TMUX",
                                                           "TMUX_PANE",
                                                           "STY",
                                                           "INVOCATION_ID",
                                                           "JOURNAL_STREAM",
                                                           "NOTIFY_SOCKET",
                                                           "LISTEN_FDS",
                                                           "LISTEN_PID",
                                                           "LISTEN_FDNAMES"});
  return std::ranges::any_of(kPrefixes, [&](auto prefix) { return name.starts_with(prefix); }) ||
         std::ranges::find(kNames, name) != kNames.end();
}

// In "…", with what an env file wants escaped. A `${` is a literal one.
std::string Quoted(std::string_view value) {
  std::string text = "\"";
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\r') {
      text += "\\r";
    } else {
      const bool is_placeholder = c == '$' && i + 1 < value.size() && value[i + 1] == '{';
      if (c == '"' || c == '\\' || is_placeholder) text += '\\';
      text += c;
    }
  }
  return text + "\"";
}

}  // namespace

std::string OxfileFor(const TypedProgram& program, std::string_view typed) {
  std::string shown(typed);
  std::ranges::replace_if(shown, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  std::string text =
      fmt::format("# Kept until it is deleted: {}\n[processes.{}]\n", shown, TomlKey(program.name));
  text +=
      "command = " + (program.line.empty() ? List(program.words) : TomlString(program.line)) + "\n";
  text += "working_dir = " + TomlString(program.folder) + "\n";
  if (!program.env_files.empty()) text += "env_file = " + List(program.env_files) + "\n";
  for (const ProgramSetting& setting : program.settings) {
    text += setting.key + " = " + setting.value + "\n";
  }
  for (const auto& [name, value] : program.env) {
    text += "env." + TomlKey(name) + " = " + TomlString(value) + "\n";
  }
  return text;
}

Result<std::vector<std::string>> ChangedKeys(std::string_view one, std::string_view other) {
  OXHERD_TRY_ASSIGN(const Values before, ValuesOf(one));
  OXHERD_TRY_ASSIGN(const Values after, ValuesOf(other));
  std::vector<std::string> keys;
  for (const auto& [key, value] : before) {
    const auto found = after.find(key);
    if (found == after.end() || found->second != value) keys.push_back(key);
  }
  for (const auto& [key, value] : after) {
    if (!before.contains(key)) keys.push_back(key);
  }
  std::ranges::sort(keys);
  return keys;
}

std::string EnvFileFor(std::span<const EnvEntry> environment) {
  std::string text;
  for (const auto& [name, value] : environment) {
    if (IsBaseName(name) || IsOwnName(name) || IsOfSession(name)) continue;
    const std::string line = name + "=" + Quoted(value) + "\n";
    const EnvFile read = ParseEnvFile(line);
    if (read.problems.empty() && read.entries.size() == 1) text += line;
  }
  return text;
}

std::vector<std::string> InterpreterOf(std::string_view file) {
  const std::size_t dot = file.rfind('.');
  const std::size_t slash = file.rfind('/');
  if (dot == std::string_view::npos || (slash != std::string_view::npos && dot < slash)) return {};
  const std::string_view extension = file.substr(dot);
  if (extension == ".js" || extension == ".mjs" || extension == ".cjs") return {"node"};
  if (extension == ".py") return {"python3", "-u"};
  if (extension == ".rb") return {"ruby"};
  if (extension == ".sh") return {"sh"};
  return {};
}

std::string ServiceNameFor(std::string_view file) {
  const std::size_t slash = file.find_last_of('/');
  if (slash != std::string_view::npos) file.remove_prefix(slash + 1);
  const std::size_t dot = file.rfind('.');
  if (dot != std::string_view::npos && dot > 0) file = file.substr(0, dot);
  std::string name;
  for (const char c : file.substr(0, kMaxServiceName)) {
    const bool allowed = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' ||
                         (c == '.' && !name.empty());
    if (allowed) name += c;
  }
  name.erase(0, name.find_first_not_of('-'));
  const bool is_number = name.find_first_not_of("0123456789") == std::string::npos;
  return is_number || name == "all" ? "app" + name : name;
}

}  // namespace oxherd
