// What OxMgr's keys mean together, said in ours: restarts, the shared port, the health check.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/number.h"
#include "config/endpoint.h"
#include "config/rules.h"

namespace oxherd {

namespace {

// In which OxMgr counts restarts.
constexpr Millis kCrashWindow = std::chrono::minutes(5);

// What OxMgr sets to hide GPUs, and what keeps the frameworks from seeing one.
constexpr auto kNoGpu = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"CUDA_VISIBLE_DEVICES", ""},
    {"NVIDIA_VISIBLE_DEVICES", "void"},
    {"HIP_VISIBLE_DEVICES", ""},
    {"ROCR_VISIBLE_DEVICES", ""},
});

bool IsPort(std::string_view text) { return ParseNumber<std::uint16_t>(text).value_or(0) != 0; }

// The URL of a `curl` that fails where the server does, and does nothing else; empty: it does more.
std::string UrlOfCurl(const Command& command) {
  if (command.through_shell || command.argv.empty() || !command.argv[0].ends_with("curl"))
    return {};
  std::string url;
  bool fails = false;
  for (std::size_t i = 1; i < command.argv.size(); ++i) {
    const std::string& word = command.argv[i];
    const bool short_flags = word.size() > 1 && word[0] == '-' && word[1] != '-' &&
                             word.find_first_not_of("-fsS") == std::string::npos;
    if (word == "--max-time" || word == "-m" || word == "-o" || word == "--output") {
      ++i;
    } else if (short_flags) {
      fails = fails || word.contains('f');
    } else if (word == "--fail") {
      fails = true;
    } else if (word == "--silent" || word == "--show-error") {
      continue;
    } else if (url.empty() && word.starts_with("http://")) {
      url = word;
    } else {
      return {};
    }
  }
  return fails ? url : std::string();
}

class AppRules {
 public:
  AppRules(Draft& draft, const RuleContext& context)
      : draft_(draft), context_(context), policy_(draft.spec.policy) {}

  void Run() {
    SettleRestarts();
    SettleVariables();
    SettlePort();
    SettleHealth();
    if (!draft_.spec.cron_restart.empty() && draft_.Find("timezone") == nullptr) {
      draft_.spec.timezone = "UTC";
      Note("cron_restart", "is in UTC, as in OxMgr; add timezone for the times of another place");
    }
    if (draft_.app.unified_logs && draft_.Find("logs.combined") == nullptr) {
      context_.errors.Add(*draft_.app.unified_logs, draft_.table + ".unified_logs",
                          "needs a file that both streams go to; add logs = { combined = \"…\" }");
    }
  }

 private:
  void Explain(std::string_view mark, std::string message) {
    if (context_.options.explains_dialect) Note(mark, std::move(message));
  }
  void Note(std::string_view mark, std::string message) {
    context_.errors.Note(draft_.PositionOf(mark), draft_.PathOf(mark), std::move(message));
  }
  void Error(std::string_view mark, std::string message) {
    context_.errors.Add(draft_.PositionOf(mark), draft_.PathOf(mark), std::move(message));
  }

  void SettleRestarts() {
    const AppWishes& app = draft_.app;
    if (app.max_restarts == 0) {
      policy_.restart = RestartPolicy::kNo;
    } else if (app.max_restarts) {
      policy_.max_restarts = *app.max_restarts;
    }
    if (app.crash_restart_limit.value_or(0) == 0) return;
    const auto limit = static_cast<std::uint16_t>(*app.crash_restart_limit + 1);
    if (policy_.max_restarts == 0 || limit < policy_.max_restarts) policy_.max_restarts = limit;
    if (draft_.Find("restart_window_secs") == nullptr) policy_.restart_window = kCrashWindow;
  }

  void Set(std::string_view name, std::string_view value) {
    draft_.env.push_back({std::string(name), std::string(value), draft_.position, Layer::kOwn});
  }

  void SettleVariables() {
    if (!draft_.app.instance_var.empty()) Set(draft_.app.instance_var, "${INSTANCE}");
    if (!draft_.app.deny_gpu) return;
    for (const auto& [name, value] : kNoGpu) Set(name, value);
  }

  // What PORT is set to, as `listen` takes it; empty: nothing, or nothing that is a port.
  [[nodiscard]] std::string Port() const {
    std::string port;
    for (const EnvSetting& setting : draft_.env) {
      if (setting.name == "PORT") port = setting.text;
    }
    if (port.empty() && !draft_.env_files.empty()) return "${PORT}";
    return IsPort(port) ? port : std::string();
  }

  void SettlePort() {
    const AppWishes& app = draft_.app;
    const char* const key = app.cluster_mode ? "cluster_mode" : "reuse_port";
    if (app.cluster_mode) {
      const int each = app.cluster_instances > 0 ? app.cluster_instances
                                                 : std::max<int>(context_.options.usable_cpus, 1);
      const int all = std::min<int>(each * policy_.instances, kMaxListenInstances);
      policy_.instances = static_cast<std::uint16_t>(all);
      draft_.instances_by_cpus = app.cluster_instances == 0;
    } else if (!app.reuse_port) {
      return;
    }
    if (draft_.Find("listen") != nullptr || draft_.spec.port_base) return;
    const std::string port = Port();
    if (!port.empty()) {
      const Mark mark{draft_.PositionOf(key), Layer::kOwn, key};
      draft_.marks.insert_or_assign("listen", mark);
      draft_.expandables["listen"] = {{port, mark.position}};
      Explain(key,
              fmt::format("{} on port {}, which Oxherd owns: a reload loses no connection",
                          policy_.instances == 1 ? "one instance"
                                                 : fmt::format("{} instances", policy_.instances),
                          port));
    } else if (app.cluster_mode) {
      draft_.marks.insert_or_assign("listen", Mark{draft_.PositionOf(key), Layer::kOwn, key});
      policy_.auto_listen = AutoListen::kUnknown;
      Explain(key, "the instances share the first port that one of them binds (listen = \"auto\")");
    } else {
      // Its program shares the port by itself.
      Set("OXMGR_REUSEPORT", "1");
      Set("SO_REUSEPORT", "1");
      Note(key,
           "the port is not known, so the program has to share it itself, and a reload can "
           "lose connections; add listen = 3000, or PORT to env");
    }
  }

  [[nodiscard]] bool ListensOn(std::uint16_t port) const {
    const auto listen = draft_.expandables.find("listen");
    return listen != draft_.expandables.end() &&
           std::ranges::any_of(listen->second, [port](const Expandable& each) {
             const std::size_t colon = each.text.rfind(':');
             return each.text.substr(colon == std::string::npos ? 0 : colon + 1) ==
                    std::to_string(port);
           });
  }

  // A URL is asked of the instance that is meant; what curl asks, any instance may answer.
  void SettleHealth() {
    constexpr std::string_view kCommand = "health_check.command";
    const bool has_check =
        draft_.Find(kCommand) != nullptr || draft_.Find("health_check") != nullptr;
    if (draft_.app.wait_ready && !has_check && draft_.Find("ready") == nullptr) {
      Error("wait_ready",
            "waits for the health check, and there is none; add health_cmd, or write "
            "ready = \"notify\" for a program that says so itself");
    }
    const Mark* mark = draft_.Find(kCommand);
    const std::string url = mark == nullptr ? "" : UrlOfCurl(draft_.check_command);
    if (url.empty() || url.contains("${") || draft_.Find("health_check.endpoint") != nullptr)
      return;
    const auto endpoint = ParseHttpEndpoint(url);
    if (!endpoint || (policy_.instances > 1 && !ListensOn(endpoint->port))) return;
    Explain(kCommand,
            fmt::format("is asked as endpoint = \"{}\", of the very instance that is meant", url));
    draft_.check_endpoint = url;
    draft_.check_command = {};
    draft_.expandables.erase(std::string(kCommand));
    draft_.expandables["health_check.endpoint"] = {{url, mark->position}};
    draft_.marks.insert_or_assign("health_check.endpoint", *mark);
    draft_.marks.erase(std::string(kCommand));
  }

  Draft& draft_;
  const RuleContext& context_;
  Policy& policy_;
};

}  // namespace

void FinishApp(Draft& draft, const RuleContext& context) { AppRules(draft, context).Run(); }

}  // namespace oxherd
