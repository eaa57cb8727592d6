#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "config/command.h"
#include "config/endpoint.h"
#include "config/environment.h"
#include "config/listen_address.h"
#include "config/rules.h"

namespace oxherd {

namespace {

using Kind = HealthCheck::Kind;

struct KindKey {
  Kind kind;
  const char* mark;
};
constexpr std::array<KindKey, 3> kKinds = {{{Kind::kHttp, "health_check.endpoint"},
                                            {Kind::kTcp, "health_check.tcp"},
                                            {Kind::kCommand, "health_check.command"}}};

const char* MarkOf(Kind kind) {
  const auto* found = std::ranges::find(kKinds, kind, &KindKey::kind);
  return found == kKinds.end() ? "health_check" : found->mark;
}

class HealthRules {
 public:
  HealthRules(Draft& draft, const RuleContext& context)
      : draft_(draft), context_(context), policy_(draft.spec.policy) {}

  void Run() {
    if (policy_.type == ServiceType::kOneshot) {
      RefuseForOneshot();
      return;
    }
    draft_.spec.health_check.kind = ChooseKind();
    FillCheck();
    CheckAddress();
    policy_.ready_by = ChooseReady();
  }

 private:
  [[nodiscard]] Kind kind() const { return draft_.spec.health_check.kind; }
  [[nodiscard]] bool several() const { return policy_.instances > 1 || draft_.instances_by_cpus; }

  void Error(std::string_view mark, std::string message) {
    context_.errors.Add(draft_.PositionOf(mark), draft_.PathOf(mark), std::move(message));
  }

  void RefuseForOneshot() {
    for (const char* mark : {"ready", "ready_log", "health_check"}) {
      if (draft_.HasOwn(mark)) {
        Error(mark, "a oneshot is ready when it exits 0; remove this, or type = \"oneshot\"");
      }
    }
    draft_.spec.health_check = {};
    draft_.spec.ready_log.clear();
    policy_.ready_by = ReadyBy::kExit;
  }

  // What the service itself says wins over [defaults]; within one of them there is one kind.
  Kind ChooseKind() {
    for (const Layer layer : {Layer::kProfile, Layer::kOwn, Layer::kInherited}) {
      const KindKey* chosen = nullptr;
      for (const KindKey& key : kKinds) {
        const Mark* mark = draft_.Find(key.mark);
        if (mark == nullptr || mark->layer != layer) continue;
        if (chosen != nullptr) {
          Error(key.mark, "a health check asks in one way: endpoint, tcp or command; keep one");
          return Kind::kNone;
        }
        chosen = &key;
      }
      if (chosen != nullptr) return chosen->kind;
    }
    if (draft_.HasOwn("health_check")) {
      Error("health_check",
            "says nothing to ask; add endpoint = \"http://…\", tcp = \"host:port\" or command");
    }
    return Kind::kNone;
  }

  void FillCheck() {
    HealthCheck& check = draft_.spec.health_check;
    if (kind() == Kind::kHttp) check.target = draft_.check_endpoint;
    if (kind() == Kind::kTcp) check.target = draft_.check_tcp;
    if (kind() == Kind::kCommand) check.command = draft_.check_command;
    policy_.has_health = kind() != Kind::kNone;
    policy_.health_interval = check.interval;
    policy_.health_timeout = check.timeout;
    policy_.health_initial_delay = check.initial_delay;
    policy_.healthy_threshold = check.healthy_threshold;
    policy_.unhealthy_threshold = check.unhealthy_threshold;
  }

  // Where the instance in `slot` is asked. Nothing if that cannot be told here: an unknown variable
  // has its own error.
  std::optional<Result<Endpoint>> AddressOf(SlotIndex slot) {
    const SpawnIdentity identity{slot, Generation(1), Token(1)};
    const auto environment =
        BuildEnvironment(draft_.spec, identity, context_.options.base_environment);
    if (!environment) return std::nullopt;
    const auto target = Expand(draft_.spec.health_check.target, *environment, slot);
    if (!target) return std::nullopt;
    return kind() == Kind::kHttp ? ParseHttpEndpoint(*target) : ParseTcpEndpoint(*target);
  }

  void CheckAddress() {
    if (kind() != Kind::kHttp && kind() != Kind::kTcp) return;
    if (draft_.spec.health_check.target.empty()) return;  // was not a string
    const auto first = AddressOf(0);
    const auto last = AddressOf(several() ? std::max<SlotIndex>(policy_.instances, 2) - 1 : 0);
    if (!first || !last) return;
    for (const auto* address : {&*first, &*last}) {
      if (!*address) {
        Error(MarkOf(kind()), address->error().message);
        return;
      }
    }
    const Endpoint& endpoint = first->value();
    if (IsListenedOn(endpoint.port)) return;  // asked through the instance's own socket
    if (several() && endpoint.port == last->value().port && endpoint.host == last->value().host) {
      SharedPort(endpoint.port);
    } else if (!several() && !draft_.spec.port_base && draft_.Find("reload_strategy") == nullptr) {
      context_.errors.Note(
          draft_.PositionOf(MarkOf(kind())), draft_.PathOf(MarkOf(kind())),
          fmt::format(
              "a reload starts the new instance while the old one has port {}; add listen = {}, "
              "or, if the program does not share its port, reload_strategy = \"stop-first\"",
              endpoint.port, endpoint.port));
    }
  }

  [[nodiscard]] bool IsListenedOn(std::uint16_t port) const {
    return policy_.auto_listen != AutoListen::kNo ||
           std::ranges::any_of(policy_.listen,
                               [port](const ListenAddress& each) { return PortOf(each) == port; });
  }

  [[nodiscard]] bool ListensOnTcp() const {
    return policy_.auto_listen != AutoListen::kNo ||
           std::ranges::any_of(policy_.listen,
                               [](const ListenAddress& each) { return PortOf(each).has_value(); });
  }

  void SharedPort(std::uint16_t port) {
    const std::string count = draft_.instances_by_cpus ? "all" : std::to_string(policy_.instances);
    const std::string mend = draft_.spec.port_base
                                 ? fmt::format("write ${{PORT}} instead of {}", port)
                                 : fmt::format(
                                       "add listen = {}, or port_base = {} and write "
                                       "${{PORT}} here",
                                       port, port);
    Error(MarkOf(kind()),
          fmt::format("{} instances would be asked on port {}, and none of them be told apart; {}",
                      count, port, mend));
  }

  // A command proves that *this* instance answers only if it names it; while two of one slot live
  // (start-first), only by its process.
  [[nodiscard]] bool CommandNamesInstance() const {
    std::string text;
    for (const std::string& word : draft_.spec.health_check.command.argv) text += word + "\n";
    if (text.contains("OXHERD_PID")) return true;
    if (policy_.reload_strategy != ReloadStrategy::kStopFirst) return false;
    const bool own_port = draft_.spec.port_base.has_value() || !several();
    constexpr std::array<std::string_view, 4> kSlotNames = {
        "INSTANCE}", "OXHERD_INSTANCE_ID", "OXMGR_INSTANCE_ID", "NODE_APP_INSTANCE"};
    return (own_port && (text.contains("$PORT") || text.contains("${PORT}"))) ||
           text.contains("${INSTANCE") ||
           std::ranges::any_of(kSlotNames,
                               [&](std::string_view name) { return text.contains(name); });
  }

  ReadyBy ChooseReady() {
    const bool has_log = !draft_.spec.ready_log.empty();
    switch (draft_.ready) {
      case ReadyChoice::kHealth:
        RefuseUnusedLog();
        return ReadyByHealth();
      case ReadyChoice::kNotify:
        RefuseUnusedLog();
        return ReadyBy::kNotify;
      case ReadyChoice::kListen:
        RefuseUnusedLog();
        if (!ListensOnTcp()) {
          Error("ready", "\"listen\" needs a port of ours to ask at; add listen = 3000");
        }
        return ReadyBy::kListen;
      case ReadyChoice::kLog:
        if (!has_log && draft_.Find("ready_log") == nullptr) {
          Error("ready", "\"log\" needs a line to wait for; add ready_log = \"listening\"");
        }
        return ReadyBy::kLog;
      case ReadyChoice::kUptime:
        RefuseUnusedLog();
        return ReadyBy::kUptime;
      case ReadyChoice::kAuto:
        return ChooseReadyByItself(has_log);
    }
    return ReadyBy::kUptime;
  }

  void RefuseUnusedLog() {
    if (draft_.HasOwn("ready_log") && draft_.HasOwn("ready")) {
      Error("ready_log", "is not waited for; write ready = \"log\", or remove this");
    }
  }

  ReadyBy ReadyByHealth() {
    if (kind() == Kind::kNone) {
      Error("ready", fmt::format("\"health\" needs a health check; add [processes.{}.health_check]",
                                 draft_.spec.name));
    } else if (kind() == Kind::kCommand && !CommandNamesInstance()) {
      Error("health_check.command",
            "an old instance could answer for the new one; name the instance: $OXHERD_PID, or "
            "${PORT} with port_base or reload_strategy = \"stop-first\"");
    }
    return ReadyBy::kHealth;
  }

  ReadyBy ChooseReadyByItself(bool has_log) {
    const bool bound = kind() != Kind::kCommand || CommandNamesInstance();
    if (kind() != Kind::kNone && bound) {
      if (draft_.HasOwn("ready_log")) {
        context_.errors.Note(draft_.PositionOf("ready_log"), draft_.PathOf("ready_log"),
                             "is not waited for: the health check proves readiness; write "
                             "ready = \"log\" if this line should");
      }
      return ReadyBy::kHealth;
    }
    if (kind() != Kind::kNone) {
      context_.errors.Note(
          draft_.PositionOf("health_check.command"), draft_.PathOf("health_check.command"),
          fmt::format(
              "names no instance ($OXHERD_PID), so it cannot prove that a new one is ready; "
              "{} does",
              has_log ? "ready_log" : "min_uptime_ms"));
    }
    if (has_log) return ReadyBy::kLog;
    return ListensOnTcp() ? ReadyBy::kListen : ReadyBy::kUptime;
  }

  Draft& draft_;
  const RuleContext& context_;
  Policy& policy_;
};

}  // namespace

void FinishHealth(Draft& draft, const RuleContext& context) { HealthRules(draft, context).Run(); }

}  // namespace oxherd
