#include "config/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "config/key_tables.h"
#include "config/nearest.h"

namespace oxherd {

namespace {

constexpr std::size_t kShownName = 64;

// What other supervisors call it.
constexpr auto kElsewhere = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"autorestart", "restart"},
    {"cmd", "command"},
    {"dir", "working_dir"},
    {"directory", "working_dir"},
    {"environment", "env"},
    {"exec", "command"},
    {"execstart", "command"},
    {"exp_backoff_restart_delay", "restart_delay_ms"},
    {"health", "health_check"},
    {"health_interval", "health_interval_secs"},
    {"health_timeout", "health_timeout_secs"},
    {"healthcheck", "health_check"},
    {"interval", "interval_secs"},
    {"kill_signal", "stop_signal"},
    {"kill_timeout", "stop_timeout_ms"},
    {"kill_timeout_ms", "stop_timeout_ms"},
    {"killsignal", "stop_signal"},
    {"listen_timeout", "ready_timeout_ms"},
    {"numprocs", "instances"},
    {"out_file", "log_file"},
    {"ready_timeout", "ready_timeout_secs"},
    {"replicas", "instances"},
    {"restart_delay", "restart_delay_secs"},
    {"restart_policy", "restart"},
    {"retries", "unhealthy_threshold"},
    {"run", "command"},
    {"script", "command"},
    {"start_delay", "start_delay_secs"},
    {"startretries", "max_restarts"},
    {"stderr_logfile", "error_log_file"},
    {"stdout_logfile", "log_file"},
    {"stop_grace_period", "stop_timeout_ms"},
    {"stop_timeout", "stop_timeout_secs"},
    {"stop_timeout_secs", "stop_timeout_ms"},
    {"stopsignal", "stop_signal"},
    {"stopwaitsecs", "stop_timeout_ms"},
    {"timeout", "timeout_secs"},
    {"timeoutstopsec", "stop_timeout_ms"},
    {"url", "endpoint"},
    {"workdir", "working_dir"},
    {"workers", "instances"},
    {"workingdirectory", "working_dir"},
});

constexpr auto kTablesElsewhere = std::to_array<std::string_view>(
    {"app", "apps", "programs", "program", "services", "service", "tasks", "commands"});

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// The section whose keys count in `section` too.
std::optional<Section> AlsoIn(Section section) {
  if (section == Section::kLogging || section == Section::kAppLogs) return Section::kLogs;
  if (section == Section::kApp) return Section::kProcess;
  return std::nullopt;
}

// The table a key belongs to, as it is written below `table`.
std::string HomeOf(std::string_view name, Section not_this, std::string_view table) {
  const std::array<std::pair<Section, std::string_view>, 4> below = {
      {{Section::kHealthCheck, "health_check"},
       {Section::kLimits, "limits"},
       {Section::kLogs, "logs"},
       {Section::kWebhook, "webhook"}}};
  const std::string_view process = not_this == Section::kProcess || not_this == Section::kApp
                                       ? table
                                       : table.substr(0, table.rfind('.'));
  if (not_this == Section::kTop) {
    if (FindKey(Section::kProcess, name) != nullptr) return "processes.NAME";
    return FindKey(Section::kSupervisor, name) != nullptr ? "supervisor" : "";
  }
  if (not_this == Section::kSupervisor || not_this == Section::kLogging) return {};
  if (not_this != Section::kProcess && not_this != Section::kApp &&
      FindKey(Section::kProcess, name) != nullptr) {
    return std::string(process);
  }
  for (const auto& [section, word] : below) {
    if (section != not_this && FindKey(section, name) != nullptr) {
      return fmt::format("{}.{}", process, word);
    }
  }
  return {};
}

std::optional<std::string> MeantKey(Section section, std::string_view name) {
  const std::string lower = Lower(name);
  const auto* elsewhere =
      std::ranges::find(kElsewhere, lower, &std::pair<std::string_view, std::string_view>::first);
  if (elsewhere != kElsewhere.end() && FindKey(section, elsewhere->second) != nullptr) {
    return std::string(elsewhere->second);
  }
  if (section == Section::kTop &&
      std::ranges::find(kTablesElsewhere, lower) != kTablesElsewhere.end())
    return "processes";
  std::vector<std::string_view> names;
  for (const Key& key : KeysOf(section)) names.push_back(key.name);
  if (const auto also = AlsoIn(section)) {
    for (const Key& key : KeysOf(*also)) names.push_back(key.name);
  }
  return Nearest(name, names);
}

void ReadEntry(const Key& key, const Entry& entry, const Place& place,
               std::map<std::string_view, std::string_view>& seen) {
  const Reading reading_name{place, entry.key, {}, entry.value};
  if (key.read == nullptr) {
    place.errors.Add(entry.position, reading_name.Path(),
                     fmt::format("\"{}\" is not supported yet; leave it out for now", entry.key));
    return;
  }
  const std::string_view main_name = key.same_as.empty() ? key.name : key.same_as;
  const auto [before, first] = seen.emplace(main_name, entry.key);
  if (!first) {
    place.errors.Add(
        entry.position, reading_name.Path(),
        fmt::format("\"{}\" and \"{}\" say the same; keep one of them", before->second, entry.key));
    return;
  }
  const std::string mark = place.prefix + std::string(main_name);
  Mark& kept = place.draft.marks[mark];
  kept = {entry.value.position, place.layer, {}};
  if (!key.same_as.empty()) kept.written = place.prefix + std::string(key.name);
  key.read(Reading{place, entry.key, mark, entry.value});
}

}  // namespace

std::span<const Key> KeysOf(Section section) {
  switch (section) {
    case Section::kTop:
      return TopKeys();
    case Section::kProcess:
      return ProcessKeys();
    case Section::kHealthCheck:
      return HealthCheckKeys();
    case Section::kLimits:
      return LimitKeys();
    case Section::kLogs:
      return LogKeys();
    case Section::kLogging:
      return LoggingKeys();
    case Section::kWebhook:
      return WebhookKeys();
    case Section::kSupervisor:
      return SupervisorKeys();
    case Section::kApp:
      return AppKeys();
    case Section::kAppLogs:
      return AppLogKeys();
  }
  return {};
}

const Key* FindKey(Section section, std::string_view name) {
  const std::span<const Key> keys = KeysOf(section);
  const auto found = std::ranges::find(keys, name, &Key::name);
  if (found != keys.end()) return &*found;
  const auto also = AlsoIn(section);
  return also ? FindKey(*also, name) : nullptr;
}

std::string ExplainUnknownKey(Section section, std::string_view name, std::string_view table) {
  if (const std::string home = HomeOf(name, section, table); !home.empty()) {
    return fmt::format("unknown key here; it belongs in [{}]", home);
  }
  if (const auto meant = MeantKey(section, name)) {
    return fmt::format("unknown key; did you mean \"{}\"?", *meant);
  }
  return fmt::format("unknown key \"{}\"; remove it", name.substr(0, kShownName));
}

void ReadSection(Section section, const Table& table, const Place& place) {
  std::map<std::string_view, std::string_view> seen;  // main name -> as written
  for (const Entry& entry : table.entries) {
    if (const Key* key = FindKey(section, entry.key)) {
      ReadEntry(*key, entry, place, seen);
      continue;
    }
    const std::string path = place.path + "." + entry.key;
    if (section == Section::kProcess && entry.value.As<Table>() != nullptr &&
        place.layer == Layer::kOwn && !place.errors.full() && !MeantKey(section, entry.key)) {
      place.errors.Add(entry.position, path,
                       fmt::format("a name with a dot needs quotes; write [processes.\"{}\"]",
                                   path.substr(sizeof("processes"))));
      continue;
    }
    if (place.errors.full()) {
      place.errors.Add(entry.position, path, "unknown key");
      continue;
    }
    place.errors.Add(entry.position, path, ExplainUnknownKey(section, entry.key, place.path));
    // What was meant counts as said, so that it is not missed as well.
    if (const auto meant = MeantKey(section, entry.key)) {
      place.draft.marks.try_emplace(place.prefix + *meant,
                                    Mark{entry.value.position, place.layer, {}});
    }
  }
}

}  // namespace oxherd
