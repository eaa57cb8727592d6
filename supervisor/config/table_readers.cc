#include "config/table_readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>

#include "base/signals.h"
#include "config/date_format.h"
#include "config/env_file.h"
#include "config/keys.h"
#include "config/nearest.h"
#include "config/placeholder.h"
#include "config/ready_pattern.h"

namespace oxherd {

namespace {

constexpr std::size_t kMaxEnvFiles = 32;
constexpr std::size_t kMaxDependencies = 1000;
constexpr std::size_t kMaxAddresses = 16;
constexpr std::size_t kShownName = 64;

std::string Shown(std::string_view name) { return std::string(name.substr(0, kShownName)); }

void ReadTable(const Reading& reading, Section section, std::string_view example) {
  const auto* table = reading.value.As<Table>();
  if (table == nullptr) {
    reading.draft().marks.erase(std::string(reading.mark));  // or it would be missed as empty
    reading.WrongType(reading.value, fmt::format("a table: [{}] with {}", reading.Path(), example));
    return;
  }
  Place below = reading.place;
  below.path = reading.Path();
  below.prefix = std::string(reading.mark) + ".";
  ReadSection(section, *table, below);
}

std::optional<DependencyKind> DependencyKindOf(const Reading& reading, const Entry& entry) {
  const Reading kind{reading.place, entry.key, {}, entry.value};
  const auto index = ReadChoice(kind, {"ready", "completed", "started"});
  if (!index) return std::nullopt;
  constexpr std::array kKinds = {DependencyKind::kReady, DependencyKind::kCompleted,
                                 DependencyKind::kStarted};
  return kKinds[*index];
}

void AddDependency(const Reading& reading, std::string name, DependencyKind kind,
                   Position position) {
  auto& dependencies = reading.draft().depends_on;
  if (dependencies.size() >= kMaxDependencies) {
    reading.Error(fmt::format("more than {} dependencies", kMaxDependencies));
    return;
  }
  const bool twice = std::ranges::any_of(dependencies, [&](const DependencySetting& other) {
    return other.dependency.service == name;
  });
  if (twice) {
    reading.Error(position, fmt::format("\"{}\" is named twice; keep one", Shown(name)));
    return;
  }
  dependencies.push_back({{std::move(name), kind}, position});
}

// How a variable's value is written in an environment.
std::optional<std::string> EnvironmentText(const Value& value) {
  if (const auto* text = value.As<std::string>()) return *text;
  if (const auto* flag = value.As<bool>()) return *flag ? "true" : "false";
  if (const auto* integer = value.As<std::int64_t>()) return std::to_string(*integer);
  if (const auto* number = value.As<double>()) {
    if (!std::isfinite(*number)) return std::nullopt;
    return fmt::format("{}", *number);
  }
  return std::nullopt;
}

void ReadVariable(const Reading& reading, const Entry& entry) {
  const std::string path = reading.Path() + "." + entry.key;
  ErrorList& errors = reading.place.errors;
  if (!IsEnvironmentName(entry.key)) {
    errors.Add(
        entry.position, path,
        "not the name of a variable; write letters, digits and _, not beginning with a digit");
    return;
  }
  auto text = EnvironmentText(entry.value);
  if (!text) {
    errors.Add(
        entry.value.position, path,
        fmt::format("found {}, expected a string, a number, true or false", Describe(entry.value)));
    return;
  }
  if (text->contains('\0')) {
    errors.Add(entry.value.position, path, "a NUL character cannot be passed on; remove \\u0000");
    return;
  }
  if (const auto parts = SplitPlaceholders(*text); !parts) {
    errors.Add(entry.value.position, path, parts.error().message);
    return;
  }
  reading.draft().env.push_back(
      {entry.key, std::move(*text), entry.value.position, reading.place.layer});
}

void AddEnvFile(const Reading& reading, const Value& path, bool optional) {
  auto absolute = ReadPath(reading, path);
  const auto* shown = path.As<std::string>();
  if (!absolute || shown == nullptr) return;
  reading.draft().env_files.push_back(
      {std::move(*absolute), *shown, optional, path.position, reading.place.layer});
}

void ReadEnvFileTable(const Reading& reading, const Table& table) {
  bool optional = false;
  const Value* path = nullptr;
  for (const Entry& entry : table.entries) {
    if (entry.key == "path") {
      path = &entry.value;
    } else if (entry.key == "optional" && entry.value.As<bool>() != nullptr) {
      optional = *entry.value.As<bool>();
    } else {
      reading.Error(entry.position, fmt::format("\"{}\" is not known here; write "
                                                "{{ path = \".env\", optional = true }}",
                                                Shown(entry.key)));
      return;
    }
  }
  if (path == nullptr) {
    reading.Error("no path; write { path = \".env\", optional = true }");
    return;
  }
  AddEnvFile(reading, *path, optional);
}

void ReadEnvFileItem(const Reading& reading, const Value& value) {
  if (const auto* table = value.As<Table>()) {
    ReadEnvFileTable(reading, *table);
  } else if (value.As<std::string>() != nullptr) {
    AddEnvFile(reading, value, false);
  } else {
    reading.WrongType(value, "a path, an array of paths, or { path = \".env\", optional = true }");
  }
}

}  // namespace

void ReadInstances(const Reading& reading) {
  std::uint16_t& instances = reading.draft().spec.policy.instances;
  reading.draft().instances_by_cpus = false;
  if (const auto* text = reading.value.As<std::string>()) {
    if (*text != "max") {
      reading.WrongType(reading.value, fmt::format("1 to {} or \"max\"", kMaxInstances));
      return;
    }
    instances = std::clamp<std::uint16_t>(reading.place.options.usable_cpus, 1, kMaxInstances);
    reading.draft().instances_by_cpus = true;
    return;
  }
  ReadInto(reading, instances, 1, kMaxInstances);
}

void ReadListen(const Reading& reading) {
  auto& texts = reading.draft().expandables[std::string(reading.mark)];
  texts.clear();
  AutoListen& is_auto = reading.draft().spec.policy.auto_listen;
  is_auto = AutoListen::kNo;
  if (const auto* text = reading.value.As<std::string>(); text != nullptr && *text == "auto") {
    is_auto = AutoListen::kUnknown;
    return;
  }
  const auto add = [&](const Value& value) {
    if (const auto* port = value.As<std::int64_t>()) {
      texts.push_back({std::to_string(*port), value.position});
    } else if (const auto* text = value.As<std::string>()) {
      if (*text == "auto") {
        return reading.Error(value.position,
                             "\"auto\" stands alone: listen = \"auto\", or write the ports");
      }
      texts.push_back({*text, value.position});
    } else {
      reading.WrongType(value, "a port, \"127.0.0.1:3000\" or \"unix:/run/api.sock\"");
    }
  };
  if (const auto* items = reading.value.As<Array>()) {
    for (const Value& item : *items) add(item);
    if (items->size() > kMaxAddresses) {
      reading.Error(fmt::format("more than {} addresses", kMaxAddresses));
      texts.clear();
    }
  } else {
    add(reading.value);
  }
}

namespace {

void ReadSignal(const Reading& reading, std::uint8_t& target) {
  std::string name;
  if (const auto* number = reading.value.As<std::int64_t>()) {
    name = std::to_string(*number);
  } else if (const auto* text = reading.value.As<std::string>()) {
    name = *text;
  } else {
    reading.WrongType(reading.value, "a signal: \"SIGTERM\" or 15");
    return;
  }
  const auto signal = SignalNumber(name);
  if (!signal) {
    constexpr auto kUsual = std::to_array<std::string_view>(
        {"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGKILL"});
    const auto nearest = Nearest(name, kUsual);
    reading.Error(fmt::format("\"{}\" is not a signal; {}", Shown(name),
                              nearest ? fmt::format("did you mean \"{}\"?", *nearest)
                                      : "write \"SIGTERM\" or \"SIGINT\""));
    return;
  }
  target = static_cast<std::uint8_t>(*signal);
}

}  // namespace

void ReadStopSignal(const Reading& reading) {
  ReadSignal(reading, reading.draft().spec.policy.stop_signal);
}

void ReadReloadSignal(const Reading& reading) {
  std::uint8_t& target = reading.draft().spec.policy.reload_signal;
  ReadSignal(reading, target);
  if (target == SIGKILL || target == SIGSTOP) {
    reading.Error(
        "no program can reload itself by it; write the one that it waits for, such as "
        "\"SIGHUP\"");
  }
}

void ReadReady(const Reading& reading) {
  ReadChoiceInto(reading, reading.draft().ready,
                 {"auto", "notify", "health", "listen", "log", "uptime"},
                 {ReadyChoice::kAuto, ReadyChoice::kNotify, ReadyChoice::kHealth,
                  ReadyChoice::kListen, ReadyChoice::kLog, ReadyChoice::kUptime});
}

void ReadRestartOnExit(const Reading& reading) {
  if (const auto restarts = ReadBoolean(reading)) {
    reading.draft().spec.policy.restart = *restarts ? RestartPolicy::kAlways : RestartPolicy::kNo;
  }
}

void ReadReadyLog(const Reading& reading) {
  auto pattern = ReadString(reading);
  if (!pattern) return;
  if (auto compiled = ReadyPattern::Compile(*pattern); !compiled) {
    reading.Error(std::move(compiled).error().message);
    return;
  }
  reading.draft().spec.ready_log = std::move(*pattern);
}

void ReadDependsOn(const Reading& reading) {
  reading.draft().depends_on.clear();
  if (const auto* names = reading.value.As<Array>()) {
    for (const Value& item : *names) {
      if (auto name = ReadString(reading, item)) {
        AddDependency(reading, std::move(*name), DependencyKind::kReady, item.position);
      }
    }
  } else if (const auto* table = reading.value.As<Table>()) {
    for (const Entry& entry : table->entries) {
      if (const auto kind = DependencyKindOf(reading, entry)) {
        AddDependency(reading, entry.key, *kind, entry.position);
      }
    }
  } else if (const auto* name = reading.value.As<std::string>()) {
    reading.Error(fmt::format("found {}, expected an array; write [\"{}\"]",
                              Describe(reading.value), Shown(*name)));
  } else {
    reading.WrongType(reading.value, "an array of names");
  }
}

void ReadEnv(const Reading& reading) {
  const auto* table = reading.value.As<Table>();
  if (table == nullptr) {
    reading.WrongType(reading.value, "a table; write { NAME = \"value\" }");
    return;
  }
  for (const Entry& entry : table->entries) ReadVariable(reading, entry);
}

void ReadEnvFile(const Reading& reading) {
  reading.draft().env_files.clear();
  if (const auto* items = reading.value.As<Array>()) {
    for (const Value& item : *items) ReadEnvFileItem(reading, item);
  } else {
    ReadEnvFileItem(reading, reading.value);
  }
  if (reading.draft().env_files.size() > kMaxEnvFiles) {
    reading.Error(fmt::format("more than {} files", kMaxEnvFiles));
    reading.draft().env_files.clear();
  }
}

void ReadLogPath(const Reading& reading, std::string& target) {
  reading.draft().expandables.erase(std::string(reading.mark));
  auto path = ReadPath(reading, reading.value);
  if (!path) return;
  reading.draft().expandables.insert_or_assign(
      std::string(reading.mark), std::vector{Expandable{*path, reading.value.position}});
  target = std::move(*path);
}

void ReadLogDateFormat(const Reading& reading) {
  const auto text = ReadString(reading);
  if (!text) return;
  auto format = ParseDateFormat(*text);
  if (!format) {
    reading.Error(std::move(format).error().message);
    return;
  }
  reading.draft().spec.logs.date_format = std::move(*format);
}

void ReadHealthCheck(const Reading& reading) {
  ReadTable(reading, Section::kHealthCheck, "endpoint = \"http://127.0.0.1:3000/health\"");
}

void ReadLimits(const Reading& reading) {
  ReadTable(reading, Section::kLimits, "max_open_files = 4096");
}

void ReadLogs(const Reading& reading) { ReadTable(reading, Section::kLogs, "max_size_mb = 20"); }

void ReadWebhook(const Reading& reading) {
  reading.draft().spec.webhook.enabled = true;  // unless it says otherwise
  ReadTable(reading, Section::kWebhook, "on_push = [\"git pull\", \"oxherd reload api\"]");
}

void ReadProfiles(const Reading& reading) {
  const auto* profiles = reading.value.As<Table>();
  if (profiles == nullptr) {
    reading.WrongType(reading.value, fmt::format("a table: [{}.production]", reading.Path()));
    return;
  }
  if (reading.place.in_profile) {
    reading.Error("a profile has no profiles of its own");
    return;
  }
  for (const Entry& profile : profiles->entries) {
    const std::string path = reading.Path() + "." + profile.key;
    if (profile.key.empty() || profile.key.contains('=') || profile.key.size() > kShownName) {
      reading.place.errors.Add(
          profile.position, path,
          fmt::format("not the name of a profile; --env takes 1 to {} characters without \"=\"",
                      kShownName));
    } else if (profile.value.As<Table>() == nullptr) {
      reading.place.errors.Add(profile.value.position, path,
                               fmt::format("found {}, expected a table: [{}] with any key of {}",
                                           Describe(profile.value), path, reading.place.path));
    }
  }
}

void ReadAccount(const Reading& reading, std::string& target) {
  if (reading.value.As<std::int64_t>() != nullptr) {
    if (const auto id = ReadInteger(reading, 0, 4'294'967'294)) target = std::to_string(*id);
    return;
  }
  auto name = ReadString(reading);
  if (!name) return;
  const bool plain = !name->empty() && name->size() <= 256 && !name->starts_with('-') &&
                     name->find_first_of(std::string_view(" \t\n:/\0", 6)) == std::string::npos;
  if (!plain) {
    reading.Error("\"" + *name + "\" is not a name; write one such as \"www-data\", or a number");
    return;
  }
  target = std::move(*name);
}

std::optional<std::uint16_t> ReadOctal(const Reading& reading, std::string_view example) {
  if (reading.value.As<std::int64_t>() != nullptr) {
    reading.Error(fmt::format(
        "a number is not clear here; write it as an octal string such as \"{}\"", example));
    return std::nullopt;
  }
  const auto text = ReadString(reading);
  if (!text) return std::nullopt;
  const bool octal = !text->empty() && text->size() <= 4 &&
                     text->find_first_not_of("01234567") == std::string::npos;
  if (!octal || std::stoul(*text, nullptr, 8) > 0777) {
    reading.Error(fmt::format("\"{}\" is not an octal number up to 0777; write one such as \"{}\"",
                              *text, example));
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(std::stoul(*text, nullptr, 8));
}

}  // namespace oxherd
