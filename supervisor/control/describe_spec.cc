#include <fmt/format.h>

#include "base/signals.h"
#include "control/describe.h"
#include "control/words.h"

namespace oxherd::control {
namespace {

// "/health" of "http://127.0.0.1:${PORT}/health".
std::string PathOf(const std::string& url) {
  const std::size_t host = url.find("//");
  const std::size_t path = url.find('/', host == std::string::npos ? 0 : host + 2);
  return path == std::string::npos ? "/" : url.substr(path);
}

}  // namespace

std::string EvidenceText(const Spec& spec) {
  const HealthCheck& check = spec.health_check;
  switch (spec.policy.ready_by) {
    case ReadyBy::kHealth:
      if (check.kind == HealthCheck::Kind::kCommand) return "its health command succeeds";
      if (check.kind == HealthCheck::Kind::kTcp) return "accepts connections";
      return "answers " + PathOf(check.target);
    case ReadyBy::kLog:
      return "its log says so";
    case ReadyBy::kUptime:
      return fmt::format("alive for {}, no health check",
                         LimitText(spec.policy.min_uptime.count()));
    case ReadyBy::kListen:
      return "accepts connections";
    case ReadyBy::kNotify:
      return "it says so";
    case ReadyBy::kExit:
      return "";
  }
  return "";
}

std::string ReadyByText(const Spec& spec) {
  const HealthCheck& check = spec.health_check;
  switch (spec.policy.ready_by) {
    case ReadyBy::kHealth:
      if (check.kind == HealthCheck::Kind::kCommand) return "its health command succeeds";
      if (check.kind == HealthCheck::Kind::kTcp) return "accepts connections at " + check.target;
      return "answers " + check.target;
    case ReadyBy::kLog:
      return fmt::format("a line of its output matches \"{}\"", spec.ready_log);
    case ReadyBy::kUptime:
      return fmt::format("alive for {}", LimitText(spec.policy.min_uptime.count()));
    case ReadyBy::kListen:
      return "accepts a connection to its own socket";
    case ReadyBy::kNotify:
      return "it notifies: READY=1, or process.send('ready')";
    case ReadyBy::kExit:
      return "exits 0";
  }
  return "";
}

std::string RestartText(const Policy& policy) {
  if (policy.type == ServiceType::kOneshot) return "never (oneshot)";
  std::string text;
  switch (policy.restart) {
    case RestartPolicy::kNo:
      return "never";
    case RestartPolicy::kAlways:
      text = "always";
      break;
    case RestartPolicy::kOnFailure:
      text = "on failure";
      break;
  }
  if (policy.max_restarts == 0) return text + ", without limit";
  return fmt::format("{}, failed after {} crashes in a row", text, policy.max_restarts);
}

std::string StopText(const Policy& policy) {
  if (policy.stop_timeout.count() == 0) return "SIGKILL at once";
  return fmt::format("{} to {}, SIGKILL after {}", SignalName(policy.stop_signal),
                     policy.kill_mode == KillMode::kGroup ? "its group" : "the main process",
                     LimitText(policy.stop_timeout.count()));
}

namespace {

// 85 is "8.5%".
std::string PercentText(std::uint64_t permille) {
  if (permille % 10 == 0) return fmt::format("{}%", permille / 10);
  return fmt::format("{}.{}%", permille / 10, permille % 10);
}

}  // namespace

std::string LimitsText(const Limits& limits) {
  std::string text;
  if (limits.memory_bytes) text = "memory " + BytesText(*limits.memory_bytes);
  if (limits.cpu_permille) {
    text += fmt::format("{}cpu {} over {}", text.empty() ? "" : ", ",
                        PercentText(*limits.cpu_permille), LimitText(limits.cpu_window.count()));
  }
  if (!limits.enforce) return text;
  if (limits.max_processes) {
    text += fmt::format("{}processes {}", text.empty() ? "" : ", ", *limits.max_processes);
  }
  return text + (text.empty() ? "" : "; enforce = true");
}

std::string ExcessText(const Excess& excess, const Limits& limits) {
  if (excess.of == Excess::Of::kMemory) {
    return fmt::format("{} in use, limit {}", BytesText(excess.used),
                       BytesText(limits.memory_bytes.value_or(0)));
  }
  return fmt::format("{} of a core over {}, limit {}", PercentText(excess.used),
                     LimitText(limits.cpu_window.count()),
                     PercentText(limits.cpu_permille.value_or(0)));
}

std::string DependencyText(const Dependency& dependency) {
  switch (dependency.kind) {
    case DependencyKind::kReady:
      return dependency.service;
    case DependencyKind::kCompleted:
      return dependency.service + " (completed)";
    case DependencyKind::kStarted:
      return dependency.service + " (started)";
  }
  return dependency.service;
}

}  // namespace oxherd::control
