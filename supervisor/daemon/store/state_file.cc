#include "daemon/store/state_file.h"

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "daemon/store/checksum.h"

namespace oxherd {
namespace {

using Json = nlohmann::json;

// The largest number of each enum that travels as one. They are append-only.
constexpr int Last(ServiceType) { return static_cast<int>(ServiceType::kOneshot); }
constexpr int Last(LogTo) { return static_cast<int>(LogTo::kNone); }
constexpr int Last(RestartPolicy) { return static_cast<int>(RestartPolicy::kNo); }
constexpr int Last(ReloadStrategy) { return static_cast<int>(ReloadStrategy::kStopFirst); }
constexpr int Last(KillMode) { return static_cast<int>(KillMode::kMixed); }
constexpr int Last(ReadyBy) { return static_cast<int>(ReadyBy::kNotify); }
constexpr int Last(AutoListen) { return static_cast<int>(AutoListen::kFound); }
constexpr int Last(DependencyKind) { return static_cast<int>(DependencyKind::kStarted); }
constexpr int Last(HealthCheck::Kind) { return static_cast<int>(HealthCheck::Kind::kCommand); }

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

// Every struct names its fields once, for both directions.
template <typename Archive>
void Fields(Archive& in, Dependency& value) {
  in("service", value.service);
  in("kind", value.kind);
}

template <typename Archive>
void Fields(Archive& in, Command& value) {
  in("argv", value.argv);
  in("shell", value.through_shell);
}

template <typename Archive>
void Fields(Archive& in, EnvEntry& value) {
  in("name", value.first);
  in("value", value.second);
}

template <typename Archive>
void Fields(Archive& in, HealthCheck& value) {
  in("kind", value.kind);
  in("target", value.target);
  in("command", value.command);
  in("interval_ms", value.interval);
  in("timeout_ms", value.timeout);
  in("initial_delay_ms", value.initial_delay);
  in("healthy_threshold", value.healthy_threshold);
  in("unhealthy_threshold", value.unhealthy_threshold);
}

template <typename Archive>
void Fields(Archive& in, LogSpec& value) {
  in("out_path", value.out_path);
  in("err_path", value.err_path);
  in("date_format", value.date_format);
  in("max_bytes", value.max_bytes);
  in("max_files", value.max_files);
  in("max_days", value.max_days);
  in("compress", value.compress);
  in("to", value.to);
  in("mode", value.mode);
  in("group", value.group);
  in("gid", value.gid);
}

template <typename Archive>
void Fields(Archive& in, Limits& value) {
  in("max_open_files", value.max_open_files);
  in("max_processes", value.max_processes);
  in("core_bytes", value.core_bytes);
  in("memory_bytes", value.memory_bytes);
  in("cpu_permille", value.cpu_permille);
  in("cpu_window_ms", value.cpu_window);
  in("enforce", value.enforce);
}

template <typename Archive>
void Fields(Archive& in, RunAs& value) {
  in("user", value.user);
  in("group", value.group);
  in("uid", value.uid);
  in("gid", value.gid);
  in("groups", value.groups);
}

template <typename Archive>
void Fields(Archive& in, ListenAddress& value) {
  in("address", value.address);
  in("any_family", value.any_family);
}

template <typename Archive>
void Fields(Archive& in, Webhook& value) {
  in("enabled", value.enabled);
  in("address", value.address);
  in("secret", value.secret);
  in("branch", value.branch);
  in("on_push", value.on_push);
}

template <typename Archive>
void Fields(Archive& in, WatchSpec& value) {
  in("paths", value.paths);
  in("extensions", value.extensions);
  in("ignore", value.ignore);
  in("delay_ms", value.delay);
}

template <typename Archive>
void Fields(Archive& in, Policy& value) {
  in("type", value.type);
  in("instances", value.instances);
  in("restart", value.restart);
  in("reload_strategy", value.reload_strategy);
  in("kill_mode", value.kill_mode);
  in("ready_by", value.ready_by);
  in("autostart", value.autostart);
  in("reload_parallel", value.reload_parallel);
  in("stop_signal", value.stop_signal);
  in("ready_timeout_ms", value.ready_timeout);
  in("min_uptime_ms", value.min_uptime);
  in("start_delay_ms", value.start_delay);
  in("restart_delay_ms", value.restart_delay);
  in("restart_delay_max_ms", value.restart_delay_max);
  in("max_restarts", value.max_restarts);
  in("restart_window_ms", value.restart_window);
  in("failed_retry_ms", value.failed_retry);
  in("stop_timeout_ms", value.stop_timeout);
  in("hook_timeout_ms", value.hook_timeout);
  in("pre_reload_timeout_ms", value.pre_reload_timeout);
  in("has_pre_reload", value.has_pre_reload);
  in("has_pre_stop", value.has_pre_stop);
  in("has_post_stop", value.has_post_stop);
  in("has_health", value.has_health);
  in("health_interval_ms", value.health_interval);
  in("health_initial_delay_ms", value.health_initial_delay);
  in("health_timeout_ms", value.health_timeout);
  in("healthy_threshold", value.healthy_threshold);
  in("unhealthy_threshold", value.unhealthy_threshold);
  in("depends_on", value.depends_on);
  in("listen", value.listen);
  in("drain_ms", value.drain);
  in("drain_max_ms", value.drain_max);
  in("scheduled", value.scheduled);
  in("reload_signal", value.reload_signal);
  in("auto_listen", value.auto_listen);
}

template <typename Archive>
void Fields(Archive& in, Spec& value) {
  in("name", value.name);
  in("policy", value.policy);
  in("command", value.command);
  in("working_dir", value.working_dir);
  in("program", value.program);
  in("env", value.env);
  in("port_base", value.port_base);
  in("ready_log", value.ready_log);
  in("health_check", value.health_check);
  in("pre_reload_cmd", value.pre_reload_cmd);
  in("pre_stop_cmd", value.pre_stop_cmd);
  in("post_stop_cmd", value.post_stop_cmd);
  in("logs", value.logs);
  in("limits", value.limits);
  in("nice", value.nice);
  in("source_file", value.source_file);
  in("source_line", value.source_line);
  in("env_files", value.env_files);
  in("included_from", value.included_from);
  in("run_as", value.run_as);
  in("umask", value.umask);
  in("no_new_privs", value.no_new_privs);
  in("profile", value.profile);
  in("cron_restart", value.cron_restart);
  in("schedule", value.schedule);
  in("timezone", value.timezone);
  in("watch", value.watch);
  in("namespace", value.name_space);
  in("scaled_from", value.scaled_from);
  in("webhook", value.webhook);
}

template <typename T>
Json ToJson(const T& value);

class Writing {
 public:
  template <typename T>
  void operator()(const char* key, const T& value) {
    Json json = ToJson(value);
    if (!json.is_null()) object_[key] = std::move(json);
  }
  [[nodiscard]] Json Take() && { return std::move(object_); }

 private:
  Json object_ = Json::object();
};

template <typename T>
Json ToJson(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<int>(value);
  } else if constexpr (std::same_as<T, Millis>) {
    return value.count();
  } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string>) {
    return value;
  } else if constexpr (IsOptional<T>::value) {
    return value ? ToJson(*value) : Json(false);  // false: there is none, and that was said
  } else if constexpr (IsVector<T>::value) {
    Json list = Json::array();
    for (const auto& member : value) list.push_back(ToJson(member));
    return list;
  } else {
    Writing archive;
    Fields(archive, const_cast<T&>(value));  // Writing only looks
    return std::move(archive).Take();
  }
}

template <typename T>
bool FromJson(const Json& json, T& value);

class Reading {
 public:
  explicit Reading(const Json& object) : object_(object), ok_(object.is_object()) {}

  template <typename T>
  void operator()(const char* key, T& value) {
    if (!ok_) return;
    const auto found = object_.find(key);
    if (found != object_.end()) ok_ = FromJson(*found, value);
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  const Json& object_;
  bool ok_;
};

template <std::integral T>
bool NumberFromJson(const Json& json, T& value) {
  if (!json.is_number_integer()) return false;
  if (json.is_number_unsigned()) {
    const auto number = json.get<std::uint64_t>();
    if (!std::in_range<T>(number)) return false;
    value = static_cast<T>(number);
    return true;
  }
  const auto number = json.get<std::int64_t>();
  if (!std::in_range<T>(number)) return false;
  value = static_cast<T>(number);
  return true;
}

template <typename T>
bool FromJson(const Json& json, T& value) {
  if constexpr (std::is_enum_v<T>) {
    int number = 0;
    if (!NumberFromJson(json, number) || number < 0 || number > Last(T{})) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::same_as<T, Millis>) {
    std::int64_t count = 0;
    if (!NumberFromJson(json, count)) return false;
    value = Millis(count);
    return true;
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_boolean()) return false;
    value = json.get<bool>();
    return true;
  } else if constexpr (std::integral<T>) {
    return NumberFromJson(json, value);
  } else if constexpr (std::same_as<T, std::string>) {
    if (!json.is_string()) return false;
    value = json.get_ref<const std::string&>();
    return true;
  } else if constexpr (IsOptional<T>::value) {
    value.reset();
    return json.is_boolean() || FromJson(json, value.emplace());
  } else if constexpr (IsVector<T>::value) {
    if (!json.is_array()) return false;
    value.clear();
    for (const Json& member : json) {
      if (!FromJson(member, value.emplace_back())) return false;
    }
    return true;
  } else {
    Reading archive(json);
    Fields(archive, value);
    return archive.ok();
  }
}

// What core/ relies on beyond the types; config/ has seen to it before.
bool IsUsable(const Spec& spec) {
  return !spec.name.empty() && spec.name.size() <= kMaxServiceName && !spec.command.empty() &&
         spec.policy.instances >= 1 && spec.policy.instances <= kMaxInstances &&
         spec.policy.reload_parallel >= 1;
}

std::string Hexadecimal(std::uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, number >>= 4) {
    *digit = kDigits[number & 0xf];
  }
  return text;
}

// Before anything behind it is looked at.
Status CheckFirstLine(std::string_view line, std::string_view rest) {
  std::string object(line.substr(0, line.find_last_of(',')));
  object += '}';
  const Json json = Json::parse(object, nullptr, /*allow_exceptions=*/false);
  int version = 0;
  std::string checksum;
  Reading header(json);
  header("oxherd_state", version);
  header("checksum", checksum);
  if (!header.ok() || version < 1) return MakeError("it is not a state file of oxherd's");
  if (version > kStateFileVersion) {
    return MakeError("it was written by a newer oxherd (version " + std::to_string(version) +
                     "); install that one again, or remove the file");
  }
  if (checksum != Hexadecimal(Checksum(std::as_bytes(std::span(rest))))) {
    return MakeError("its checksum is wrong");
  }
  return {};
}

// What cannot be read of these is left out: they are only for a rollback by hand.
void ReadEarlier(const Json& json, event::Boot::Wish& wish) {
  const auto found = json.find("earlier");
  if (found == json.end() || !found->is_array()) return;
  for (const Json& each : *found) {
    auto spec = std::make_shared<Spec>();
    std::uint32_t generation = 0;
    Reading archive(each);
    archive("spec", *spec);
    archive("generation", generation);
    if (!archive.ok() || !IsUsable(*spec) || generation == 0) continue;
    wish.earlier.push_back({Generation(generation), std::move(spec)});
  }
}

Result<event::Boot::Wish> WishFromJson(const Json& json) {
  auto spec = std::make_shared<Spec>();
  std::uint32_t generation = 0;
  event::Boot::Wish wish;
  Reading archive(json);
  archive("spec", *spec);
  archive("generation", generation);
  archive("wanted", wish.wanted);
  if (!archive.ok() || !IsUsable(*spec) || generation == 0) {
    return MakeError("a service in it cannot be read");
  }
  wish.spec = std::move(spec);
  wish.generation = Generation(generation);
  ReadEarlier(json, wish);
  return wish;
}

}  // namespace

event::Boot WishesOf(const State& state) {
  event::Boot wishes;
  for (const Service& service : state.services) {
    const KeptSpec* const kept = service.Find(service.generation);
    if (service.deleting || kept == nullptr) continue;
    event::Boot::Wish wish{.spec = kept->spec,
                           .generation = service.generation,
                           .wanted = service.wish == Wish::kRunning};
    for (const KeptSpec& earlier : service.specs) {
      if (earlier.generation < service.generation && earlier.was_ready) {
        wish.earlier.push_back({earlier.generation, earlier.spec});
      }
    }
    wishes.wishes.push_back(std::move(wish));
  }
  return wishes;
}

// So that the whole is still one JSON object.
std::string StateFileFirstLine(std::string_view rest) {
  const std::uint64_t sum = Checksum(std::as_bytes(std::span(rest)));
  return R"({"oxherd_state":)" + std::to_string(kStateFileVersion) + R"(,"checksum":")" +
         Hexadecimal(sum) + "\",\n";
}

std::string EncodeStateFile(const event::Boot& wishes) {
  // One service at a time: a tree of them all would be many times the text.
  std::string rest = "\"services\":[";
  const char* separator = "\n";
  for (const event::Boot::Wish& wish : wishes.wishes) {
    Json json = {{"generation", wish.generation.number()},
                 {"wanted", wish.wanted},
                 {"spec", ToJson(*wish.spec)}};
    for (const auto& [generation, spec] : wish.earlier) {
      json["earlier"].push_back({{"generation", generation.number()}, {"spec", ToJson(*spec)}});
    }
    rest += separator;
    rest += json.dump(-1, ' ', false, Json::error_handler_t::replace);
    separator = ",\n";
  }
  rest += "\n]}\n";
  return StateFileFirstLine(rest) + rest;
}

Result<event::Boot> DecodeStateFile(std::string_view text) {
  const std::size_t end_of_line = text.find('\n');
  if (end_of_line == std::string_view::npos) return MakeError("it is cut off, or empty");
  const std::string_view rest = text.substr(end_of_line + 1);
  OXHERD_TRY(CheckFirstLine(text.substr(0, end_of_line), rest));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto services = json.find("services");
  if (services == json.end() || !services->is_array()) return MakeError("it has no services");
  event::Boot wishes;
  for (const Json& service : *services) {
    OXHERD_TRY_ASSIGN(event::Boot::Wish wish, WishFromJson(service));
    wishes.wishes.push_back(std::move(wish));
  }
  return wishes;
}

}  // namespace oxherd
