#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "config/endpoint.h"
#include "config/key_tables.h"
#include "config/table_readers.h"

namespace oxherd {

namespace {

using std::chrono::hours;
using R = const Reading&;

constexpr DurationRange kInterval{TimeUnit::kSeconds, Millis(100), hours(24)};
constexpr DurationRange kTimeout{TimeUnit::kSeconds, Millis(10), hours(1)};
constexpr DurationRange kDelay{TimeUnit::kSeconds, Millis(0), hours(24)};
constexpr DurationRange kCpuWindow{TimeUnit::kSeconds, Millis(1000), hours(1)};
constexpr std::uint64_t kMegabyte = std::uint64_t{1024} * 1024;
constexpr std::int64_t kMaxMegabytes = std::int64_t{1024} * 1024;  // 1 TiB
constexpr std::int64_t kMaxProcesses = 4'194'304;                  // the kernel's largest pid_max
constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();  // RLIM_INFINITY
constexpr std::int64_t kMaxOpenFiles = 1'073'741'816;  // the kernel's largest fs.nr_open

HealthCheck& HealthOf(R reading) { return reading.draft().spec.health_check; }
LogSpec& LogsOf(R reading) { return reading.draft().spec.logs; }

void ReadMegabytes(R reading, std::uint64_t& bytes) {
  if (const auto megabytes = ReadInteger(reading, 0, kMaxMegabytes)) {
    bytes = static_cast<std::uint64_t>(*megabytes) * kMegabyte;
  }
}

void ReadEndpoint(R reading) {
  auto text = ReadString(reading);
  if (!text) return;
  reading.draft().expandables.insert_or_assign(
      std::string(reading.mark), std::vector{Expandable{*text, reading.value.position}});
  reading.draft().check_endpoint = std::move(*text);
}

void ReadTcp(R reading) {
  std::optional<std::string> text;
  if (reading.value.As<std::int64_t>() != nullptr) {  // a bare port is this machine's
    const auto port = ReadInteger(reading, 1, 65535);
    if (!port) return;
    text = "127.0.0.1:" + std::to_string(*port);
  } else {
    text = ReadString(reading);
  }
  if (!text) return;
  reading.draft().expandables.insert_or_assign(
      std::string(reading.mark), std::vector{Expandable{*text, reading.value.position}});
  reading.draft().check_tcp = std::move(*text);
}

void ReadLogLevel(R reading) {
  ReadChoiceInto(reading, reading.place.supervisor.log_level, {"error", "warn", "info", "debug"},
                 {LogLevel::kError, LogLevel::kWarn, LogLevel::kInfo, LogLevel::kDebug});
}

void ReadHttp(R reading) {
  std::optional<std::string>& http = reading.place.supervisor.http;
  if (reading.value.As<std::int64_t>() != nullptr) {
    if (const auto port = ReadInteger(reading, 1, 65535)) {
      http = "127.0.0.1:" + std::to_string(*port);
    }
    return;
  }
  const auto text = ReadString(reading);
  if (!text) return;
  const auto endpoint = ParseTcpEndpoint(*text);
  const bool is_numeric =
      endpoint && endpoint->host.find_first_not_of("0123456789abcdefABCDEF.:") == std::string::npos;
  if (!text->empty() && !is_numeric && !(endpoint && endpoint->host == "localhost")) {
    reading.Error("not an address and a port; write \"127.0.0.1:9615\", or \"\" for none");
    return;
  }
  http = *text;
}

void ReadHttpToken(R reading) {
  constexpr std::size_t kShortest = 16;
  auto token = ReadString(reading);
  if (!token) return;
  const bool is_plain = std::ranges::all_of(*token, [](char c) { return c > ' ' && c <= '~'; });
  if (token->size() < kShortest || !is_plain) {
    reading.Error(
        "a token is at least 16 letters, digits and signs, without blanks; openssl rand "
        "-hex 16 makes one");
    return;
  }
  reading.place.supervisor.http_token = std::move(*token);
}

void ReadCore(R reading) {
  std::optional<std::uint64_t>& core = reading.draft().spec.limits.core_bytes;
  if (const auto* text = reading.value.As<std::string>(); text != nullptr && *text == "unlimited") {
    core = kUnlimited;
    return;
  }
  if (reading.value.As<std::string>() != nullptr) {
    reading.Error("write a number of bytes, 0 for none, or \"unlimited\"");
    return;
  }
  if (const auto bytes = ReadInteger(reading, 0, std::numeric_limits<std::int64_t>::max())) {
    core = static_cast<std::uint64_t>(*bytes);
  }
}

void ReadMemoryLimit(R reading) {
  if (const auto megabytes = ReadInteger(reading, 1, kMaxMegabytes)) {
    reading.draft().spec.limits.memory_bytes = static_cast<std::uint64_t>(*megabytes) * kMegabyte;
  }
}

// 8.5 is well said too.
void ReadCpuLimit(R reading) {
  constexpr double kLeast = 0.1;
  constexpr double kMost = 100'000;
  double percent = 0;
  if (const auto* number = reading.value.As<double>()) {
    percent = *number;
  } else if (const auto* whole = reading.value.As<std::int64_t>()) {
    percent = static_cast<double>(*whole);
  } else {
    return reading.WrongType(reading.value, "a number: 80 means 80 % of one core");
  }
  if (!(percent >= kLeast && percent <= kMost)) {
    return reading.Error("out of range; write 0.1 to 100000, where 100 is one whole core");
  }
  reading.draft().spec.limits.cpu_permille = static_cast<std::uint32_t>(std::lround(percent * 10));
}

void ReadControlGroup(R reading) {
  std::string group;
  if (const auto* text = reading.value.As<std::string>(); text == nullptr || !text->empty()) {
    ReadAccount(reading, group);
    if (group.empty()) return;
  }
  reading.place.supervisor.control_group = std::move(group);
}

// The daemon reads and writes its logs in any case; nobody executes one, and whoever could write
// into one could put words into a service's mouth.
void ReadLogMode(R reading) {
  constexpr std::uint16_t kOwners = 0600;
  constexpr std::uint16_t kReaders = 0044;
  const auto mode = ReadOctal(reading, "0640");
  if (!mode) return;
  if ((*mode & kOwners) != kOwners || (*mode & ~(kOwners | kReaders)) != 0) {
    reading.Error("logs are \"0600\", \"0640\" or \"0644\": others can be let read, not write");
    return;
  }
  LogsOf(reading).mode = *mode;
}

void ReadOnEvents(R reading) {
  const auto* items = reading.value.As<Array>();
  if (items == nullptr) return reading.WrongType(reading.value, "an array: [\"failed\", \"oom\"]");
  std::vector<std::string> names;
  for (const Value& item : *items) {
    const auto* name = item.As<std::string>();
    if (name == nullptr || std::ranges::find(kEventNames, *name) == kEventNames.end()) {
      reading.Error(item.position,
                    "no event; they are \"failed\", \"rolled_back\", \"unhealthy\", \"oom\" and "
                    "\"recovered\"");
      return;
    }
    names.push_back(*name);
  }
  if (names.empty()) return reading.Error("names no event; remove it, and on_event_cmd");
  reading.place.supervisor.on_events = std::move(names);
}

Webhook& WebhookOf(R reading) { return reading.draft().spec.webhook; }

// "127.0.0.1:9000": behind a proxy that the world reaches, unless it says otherwise.
void ReadWebhookPort(R reading) {
  if (reading.value.As<std::int64_t>() != nullptr) {
    if (const auto port = ReadInteger(reading, 1, 65535)) {
      WebhookOf(reading).address = "127.0.0.1:" + std::to_string(*port);
    }
    return;
  }
  const auto text = ReadString(reading);
  if (!text) return;
  const auto endpoint = ParseTcpEndpoint(*text);
  if (!endpoint ||
      endpoint->host.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos) {
    return reading.Error("not a port, or an address and a port; write 9000 or \"0.0.0.0:9000\"");
  }
  WebhookOf(reading).address = *text;
}

void ReadSecret(R reading) {
  auto text = ReadString(reading);
  if (!text) return;
  reading.draft().expandables.insert_or_assign(
      std::string(reading.mark), std::vector{Expandable{*text, reading.value.position}});
  WebhookOf(reading).secret = std::move(*text);
}

// One line, or an array of lines, each of which is a command.
void ReadOnPush(R reading) {
  constexpr std::size_t kMostCommands = 20;
  const auto* items = reading.value.As<Array>();
  const Array one = {reading.value};
  const Array& lines = items == nullptr ? one : *items;
  if (lines.empty() || lines.size() > kMostCommands) {
    return reading.Error(
        fmt::format("1 to {} commands: [\"git pull\", \"oxherd reload api\"]", kMostCommands));
  }
  std::vector<Command> commands;
  for (const Value& line : lines) {
    auto command = ReadCommand(Reading{reading.place, reading.name, reading.mark, line});
    if (!command) return;
    commands.push_back(std::move(*command));
  }
  WebhookOf(reading).on_push = std::move(commands);
}

constexpr auto kWebhookKeys = std::to_array<Key>({
    {"enabled", "boolean", "true", "whether it is there",
     [](R r) { ReadInto(r, WebhookOf(r).enabled); }},
    {"port", "port or \"addr:port\"", "[supervisor] http",
     "a listener of its own; a port alone is 127.0.0.1's", ReadWebhookPort},
    {"secret", "string", "",
     "what GitHub signs with, or GitLab's token; ${NAME} of the environment", ReadSecret},
    {"branch", "string", "any", "pushes to others are left alone",
     [](R r) {
       if (auto branch = ReadString(r)) WebhookOf(r).branch = std::move(*branch);
     }},
    {"on_push", "command or array of commands", "",
     "run one after the other, until one fails; their output is in the service's log", ReadOnPush},
});

constexpr auto kHealthCheckKeys = std::to_array<Key>({
    {"endpoint", "http URL", "", "healthy: it answers 2xx", ReadEndpoint},
    {"tcp", "\"host:port\" or port", "", "healthy: it accepts", ReadTcp},
    {"command", "command", "", "healthy: it exits 0",
     [](R r) { ReadCommandInto(r, r.draft().check_command); }},
    {"interval_secs", "duration", "30", "from one check to the next",
     [](R r) { ReadDurationInto(r, HealthOf(r).interval, kInterval); }},
    {"timeout_secs", "duration", "5", "from connect to the last byte",
     [](R r) { ReadDurationInto(r, HealthOf(r).timeout, kTimeout); }},
    {"healthy_threshold", "1 to 1000", "1", "successes in a row that count",
     [](R r) { ReadInto(r, HealthOf(r).healthy_threshold, 1, 1000); }},
    {"unhealthy_threshold", "1 to 1000", "3", "failures in a row that count",
     [](R r) { ReadInto(r, HealthOf(r).unhealthy_threshold, 1, 1000); }},
    {"initial_delay_secs", "duration", "0", "before the first check",
     [](R r) { ReadDurationInto(r, HealthOf(r).initial_delay, kDelay); }},
});

constexpr auto kLimitKeys = std::to_array<Key>({
    {"max_open_files", "16 to 1073741816", "", "descriptors (RLIMIT_NOFILE)",
     [](R r) {
       if (const auto files = ReadInteger(r, 16, kMaxOpenFiles)) {
         r.draft().spec.limits.max_open_files = static_cast<std::uint64_t>(*files);
       }
     }},
    {"memory_mb", "1 to 1048576", "", "memory of the whole tree; beyond it it is replaced",
     ReadMemoryLimit},
    {"max_memory_mb", "number", "", "memory_mb", ReadMemoryLimit, "memory_mb"},
    {"cpu_percent", "0.1 to 100000", "", "CPU of the whole tree, of one core; likewise",
     ReadCpuLimit},
    {"max_cpu_percent", "number", "", "cpu_percent", ReadCpuLimit, "cpu_percent"},
    {"cpu_window_secs", "duration", "60", "over which CPU is measured",
     [](R r) { ReadDurationInto(r, r.draft().spec.limits.cpu_window, kCpuWindow); }},
    {"max_processes", "1 to 4194304", "", "processes of its user (RLIMIT_NPROC; none for root)",
     [](R r) {
       if (const auto processes = ReadInteger(r, 1, kMaxProcesses)) {
         r.draft().spec.limits.max_processes = static_cast<std::uint64_t>(*processes);
       }
     }},
    {"core", "bytes, or \"unlimited\"", "the daemon's", "size of core files (RLIMIT_CORE)",
     ReadCore},
    {"enforce", "boolean", "false",
     "the kernel holds it to memory_mb, cpu_percent and max_processes too (cgroup v2)",
     [](R r) { ReadInto(r, r.draft().spec.limits.enforce); }},
});

constexpr auto kLogKeys = std::to_array<Key>({
    {"max_size_mb", "0 to 1048576", "20", "a file is rotated at this size; 0: never",
     [](R r) { ReadMegabytes(r, LogsOf(r).max_bytes); }},
    {"max_files", "0 to 10000", "5", "rotated files that are kept; 0: no limit",
     [](R r) { ReadInto(r, LogsOf(r).max_files, 0, 10000); }},
    {"max_days", "0 to 36500", "0", "rotated files are deleted after; 0: never",
     [](R r) { ReadInto(r, LogsOf(r).max_days, 0, 36500); }},
    {"compress", "boolean", "true", "rotated files are gzipped, but for the newest of them",
     [](R r) { ReadInto(r, LogsOf(r).compress); }},
});

constexpr auto kLoggingKeys = std::to_array<Key>({
    {"max_total_mb", "0 to 1048576", "0", "of all logs together; 0: no limit",
     [](R r) { ReadMegabytes(r, r.place.supervisor.max_total_log_bytes); }},
    {"mode", "octal string", "\"0600\"", "permissions of log files", ReadLogMode},
    {"group", "name", "", "who may read log files", [](R r) { ReadAccount(r, LogsOf(r).group); }},
});

constexpr auto kSupervisorKeys = std::to_array<Key>({
    {"log_level", "\"error\", \"warn\", \"info\" or \"debug\"", "\"info\"",
     "what the daemon says about itself", ReadLogLevel},
    {"start_parallel", "1 to 1000", "32", "starts at the same time",
     [](R r) { ReadInto(r, r.place.supervisor.start_parallel, 1, 1000); }},
    {"http", "port or \"addr:port\"", "", "metrics and JSON API; a port alone is 127.0.0.1's",
     ReadHttp},
    {"http_token", "string", "", "what changes something there wants it as Bearer token",
     ReadHttpToken},
    {"control_group", "name", "", "its members may look at root's daemon and steer its services",
     ReadControlGroup},
    {"on_event_cmd", "command", "", "run at an event, with the event as JSON on its stdin",
     [](R r) {
       if (auto command = ReadCommand(r)) r.place.supervisor.on_event_cmd = std::move(*command);
     }},
    {"on_events", "array", "all",
     "which events: \"failed\", \"rolled_back\", \"unhealthy\", \"oom\", \"recovered\"",
     ReadOnEvents},
});

// Tables; ParseOxfile() takes them apart itself, so the reader is never called.
constexpr Reader kTable = [](R) {};

constexpr auto kTopKeys = std::to_array<Key>({
    {"processes", "table", "", "[processes.NAME]: one service each", kTable},
    {"defaults", "table", "", "any key of a process, for all of them", kTable},
    {"logging", "table", "", "as [processes.NAME.logs], for all of them", kTable},
    {"supervisor", "table", "", "the daemon itself", kTable},
    {"apps", "array of tables", "", "OxMgr's own dialect: [[apps]] instead of [processes.NAME]",
     kTable},
    {"version", "1", "1", "of OxMgr's format", kTable},
    {"deploy", "table", "", "OxMgr's; left alone", kTable},
    {"include", "file or array, * and ? in their names", "",
     "more Oxfiles, which may define [processes] and [defaults] of their own", kTable},
});

}  // namespace

std::span<const Key> HealthCheckKeys() { return kHealthCheckKeys; }
std::span<const Key> LimitKeys() { return kLimitKeys; }
std::span<const Key> LogKeys() { return kLogKeys; }
std::span<const Key> LoggingKeys() { return kLoggingKeys; }
std::span<const Key> WebhookKeys() { return kWebhookKeys; }
std::span<const Key> SupervisorKeys() { return kSupervisorKeys; }
std::span<const Key> TopKeys() { return kTopKeys; }

}  // namespace oxherd
