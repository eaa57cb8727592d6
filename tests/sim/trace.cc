#include "tests/sim/trace.h"

#include <array>
#include <utility>

#include "tests/sim/view.h"

namespace oxherd::sim {
namespace {

std::string Number(std::uint64_t number) { return std::to_string(number); }
std::string Of(Token token) { return "#" + Number(token.number()); }
std::string Of(Generation generation) { return "gen " + Number(generation.number()); }

// Seconds since the beginning, to the millisecond.
std::string Time(Instant now) {
  if (now == kNever) return "never";
  const std::int64_t millis = ToMillis(now - kBeginning);
  std::string fraction = std::to_string(1000 + millis % 1000).substr(1);
  return std::to_string(millis / 1000) + "." + fraction;
}

std::string_view Name(ProcessKind kind) {
  constexpr std::array<std::string_view, 4> kNames = {"", "pre_reload ", "pre_stop ", "post_stop "};
  return kNames[static_cast<std::size_t>(kind)];
}
std::string_view Name(ProbeOutcome outcome) {
  constexpr std::array<std::string_view, 4> kNames = {"good", "bad", "foreign", "void"};
  return kNames[static_cast<std::size_t>(outcome)];
}
std::string_view Name(Rollout::Phase phase) {
  constexpr std::array<std::string_view, 3> kNames = {"preparing", "forward", "back"};
  return kNames[static_cast<std::size_t>(phase)];
}
std::string_view Name(Failure::Kind kind) {
  constexpr std::array<std::string_view, 19> kNames = {
      "",           "exited", "not ready",   "spawn failed", "unhealthy",      "foreign port",
      "dependency", "hook",   "aborted",     "superseded",   "unkillable",     "unknown",
      "timeout",    "listen", "bind family", "bind width",   "not in traffic", "last in traffic",
      "other"};
  return kNames[std::min<std::size_t>(static_cast<std::size_t>(kind), kNames.size() - 1)];
}
std::string_view Name(Outcome outcome) {
  constexpr std::array<std::string_view, 10> kNames = {
      "queued",  "running", "started",     "reloaded", "unchanged",
      "stopped", "done",    "rolled back", "failed",   "skipped"};
  return kNames[static_cast<std::size_t>(outcome)];
}

struct DescribeEvent {
  std::string operator()(const event::Started& e) const { return "started " + Of(e.token); }
  std::string operator()(const event::SpawnFailed& e) const {
    return "spawn failed " + Of(e.token) + " errno " + std::to_string(e.number);
  }
  std::string operator()(const event::Exited& e) const {
    const bool code = e.status.kind == ExitStatus::Kind::kCode;
    return "exited " + Of(e.token) + (code ? " code " : " signal ") + Number(e.status.number);
  }
  std::string operator()(const event::Gone& e) const { return "gone " + Of(e.token); }
  std::string operator()(const event::KillFired& e) const { return "kill fired " + Of(e.token); }
  std::string operator()(const event::Probed& e) const {
    return "probed " + Of(e.token) + " " + std::string(Name(e.outcome));
  }
  std::string operator()(const event::LogMatched& e) const { return "ready log " + Of(e.token); }
  std::string operator()(const event::Due&) const { return "due"; }
  std::string operator()(const event::Request& e) const {
    std::string text = "request " + Number(e.id.number() % 10000) + " ";
    text += sim::Name(e.verb);
    for (const std::string& name : e.names) text += " " + name;
    if (!e.specs.empty()) text += " with";
    for (const SpecPtr& spec : e.specs) text += " " + spec->name + ".v" + Number(spec->source_line);
    if (e.count != 0) text += (e.relative ? " by " : " to ") + std::to_string(e.count);
    if (e.forced) text += " forced";
    if (e.keep_instances) text += " keep";
    if (e.parallel > 1) text += " parallel=" + Number(e.parallel);
    return text;
  }
  std::string operator()(const event::Replace& e) const {
    return "replace " + e.service + (e.slot ? "/" + Number(*e.slot) : "");
  }
  std::string operator()(const event::Schedule& e) const { return "time of " + e.service; }
  std::string operator()(const event::Notified& e) const {
    return "notified " + Of(e.token) + (e.kind == event::Notified::Kind::kReady ? " ready" : "");
  }
  std::string operator()(const event::PoolOpened& e) const {
    const std::string pool = e.service + " " + e.address;
    return e.error.empty() ? "pool opened " + pool + " width " + Number(e.width)
                           : "pool not opened " + pool + ": " + e.error;
  }
  std::string operator()(const event::Drained& e) const { return "drained " + Of(e.token); }
  std::string operator()(const event::Signalled& e) const { return "signalled " + Of(e.token); }
  std::string operator()(const event::SocketShut& e) const {
    return "socket shut " + e.service + " " + e.address + " " + Number(e.socket);
  }
  std::string operator()(const event::Relistened& e) const {
    return "listens again " + e.service + " " + e.address + " " + Number(e.socket);
  }
  std::string operator()(const event::AddressRefused& e) const {
    return "address refused " + Of(e.token) + " " + e.address + " wanted " + e.wanted;
  }
  std::string operator()(const event::Boot& e) const {
    std::string text = "boot";
    for (const auto& wish : e.wishes)
      text += " " + wish.spec->name + (wish.wanted ? "" : " (stopped)");
    return text;
  }
};

struct DescribeAction {
  std::string operator()(const action::Spawn& a) const {
    return "spawn " + Of(a.token) + " " + std::string(Name(a.kind)) + a.instance.Text() + " " +
           Of(a.generation) + (a.socket ? " socket " + Number(*a.socket) : "");
  }
  std::string operator()(const action::Stop& a) const {
    return "stop " + Of(a.token) + " kill at " + Time(a.kill_at);
  }
  std::string operator()(const action::Kill& a) const { return "kill " + Of(a.token); }
  std::string operator()(const action::Signal& a) const { return "signal " + Of(a.token); }
  std::string operator()(const action::Acknowledge& a) const {
    return "acknowledge " + Of(a.token);
  }
  std::string operator()(const action::Probe& a) const { return "probe " + Of(a.token); }
  std::string operator()(const action::Reply& a) const {
    return "reply to " + Number(a.request.number() % 10000);
  }
  std::string operator()(const action::SaveWishes&) const { return {}; }
  std::string operator()(const action::Tell&) const { return {}; }
  std::string operator()(const action::OpenPool& a) const {
    return "open pool " + a.service + " " + a.address + " width " + Number(a.width);
  }
  std::string operator()(const action::ClosePool& a) const {
    return "close pool " + a.service + " " + a.address;
  }
  std::string operator()(const action::Steer& a) const {
    std::string text = "steer " + a.service + " " + a.address + " to";
    for (const std::uint16_t place : a.places) text += " " + Number(place);
    text += " of";
    for (const SocketNumber socket : a.order) text += " " + Number(socket);
    return text;
  }
  std::string operator()(const action::WatchDrain& a) const {
    return "watch drain " + Of(a.token) + " socket " + Number(a.socket);
  }
  std::string operator()(const action::Sweep& a) const {
    return "sweep " + a.service + " " + a.address + " socket " + Number(a.socket);
  }
  std::string operator()(const action::Relisten& a) const {
    return "relisten " + a.service + " " + a.address + " socket " + Number(a.socket);
  }
};

std::string DescribeInstance(const InstanceView& one) {
  std::string text = std::string(oxherd::Name(one.kind));
  if (one.token.is_set()) text += Of(one.token);
  text += "(" + Of(one.generation) + ")";
  if (one.socket) text += "@" + Number(*one.socket);
  if (one.deadline != kNever) text += "<" + Time(one.deadline);
  return text;
}

std::string DescribeRollout(const Service& service) {
  if (!service.rollout) return {};
  const Rollout& rollout = *service.rollout;
  std::string text = " rollout " + Number(rollout.from.number()) + "->" +
                     Number(rollout.target.number()) + " " + std::string(Name(rollout.phase)) +
                     " [";
  constexpr std::string_view kProgress = ".>+x";
  for (const auto progress : rollout.slots.each())
    text += kProgress[static_cast<std::size_t>(progress)];
  return text + "]";
}

std::string DescribeTraffic(const Traffic& traffic) {
  std::string text;
  for (const Pool& pool : traffic.pools) {
    text += " {" + pool.address.substr(pool.address.rfind(':')) + (pool.awaited ? "?" : "");
    for (const SocketNumber socket : pool.order) text += " " + Number(socket);
    text += " ->";
    for (const SocketNumber socket : pool.steered) text += " " + Number(socket);
    text += "}";
  }
  return text;
}

}  // namespace

std::string_view Name(Verb verb) {
  constexpr std::array<std::string_view, 15> kNames = {
      "none",     "start", "stop",    "restart", "reload", "apply", "delete", "wait",
      "shutdown", "boot",  "replace", "drain",   "resume", "reset", "scale"};
  return kNames[static_cast<std::size_t>(verb)];
}

std::string Describe(const Event& event) { return std::visit(DescribeEvent{}, event); }
std::string Describe(const Action& action) { return std::visit(DescribeAction{}, action); }

std::string Describe(const State& state, Instant /*now*/) {
  View view;
  Look(state, view);
  std::string text;
  for (const Service& service : state.services) {
    text += " | " + service.name + (service.wish == Wish::kRunning ? "+" : "-");
    text += Number(service.generation.number()) + DescribeRollout(service);
    if (service.next) text += " next " + Number(service.next->target.number());
    if (service.stop_order) text += " stops in turn";
    for (const InstanceView& one : view.instances()) {
      if (ServiceName(one.service) != service.name) continue;
      text += (one.is_replacement ? " & " : "  ") + DescribeInstance(one);
    }
    if (service.traffic) text += DescribeTraffic(*service.traffic);
    for (const Hook& hook : service.hooks) text += " hook" + Of(hook.token);
  }
  for (const RequestRecord& record : state.requests) {
    text += " | request " + Number(record.id.number() % 10000) + (record.finished ? "=" : "?");
    for (const RequestItem& item : record.items) {
      text += " " + item.service + ":" + std::string(Name(item.outcome));
      if (item.failure.is_set()) text += " (" + std::string(Name(item.failure.kind)) + ")";
    }
  }
  if (state.shutdown) text += " | shutdown";
  return text;
}

std::string Describe(const Step& step) {
  constexpr std::array<std::string_view, 11> kNames = {"request",
                                                       "the same request again",
                                                       "replace",
                                                       "the daemon will die",
                                                       "the daemon hangs",
                                                       "a process is killed from outside",
                                                       "a stranger",
                                                       "SIGTERM",
                                                       "the time has come",
                                                       "the keeper is killed",
                                                       "keeper and daemon are killed"};
  std::string text = std::string(kNames[static_cast<std::size_t>(step.kind)]);
  if (step.kind == Step::Kind::kRequest) text = "a client sends " + std::string(Name(step.verb));
  if (step.kind == Step::Kind::kCrash) text += " after " + Number(step.number) + " (0: no image)";
  return text;
}

std::string Describe(const Scenario& scenario) {
  std::string text = "seed " + Number(scenario.seed) + "\n";
  for (std::size_t i = 0; i < scenario.services; ++i) {
    for (const Version& version : scenario.versions[i]) {
      const Policy& policy = version.spec->policy;
      constexpr std::array<std::string_view, 3> kQuality = {"good", "flaky", "broken"};
      constexpr std::array<std::string_view, 6> kProof = {"uptime", "health", "log",
                                                          "exit",   "listen", "notify"};
      text += "  " + version.spec->name + ".v" + Number(version.spec->source_line) + " " +
              std::string(kQuality[static_cast<std::size_t>(version.quality)]) +
              " instances=" + Number(policy.instances) +
              " ready=" + std::string(kProof[static_cast<std::size_t>(policy.ready_by)]);
      if (policy.has_health) text += " health";
      for (const ListenAddress& listen : policy.listen) text += " " + listen.address;
      if (version.wants != Wants::kAny) text += version.wants == Wants::kIpv4 ? " ipv4" : " narrow";
      if (version.asked != nullptr) text += " auto";
      if (policy.type == ServiceType::kOneshot) text += " oneshot";
      if (policy.scheduled) text += " scheduled";
      if (policy.reload_strategy == ReloadStrategy::kStopFirst) text += " stop-first";
      if (policy.restart != RestartPolicy::kAlways) {
        text += policy.restart == RestartPolicy::kNo ? " restart=no" : " restart=on-failure";
      }
      text += " max_restarts=" + Number(policy.max_restarts) +
              " stop_timeout=" + std::to_string(policy.stop_timeout.count()) +
              " parallel=" + Number(policy.reload_parallel);
      if (policy.has_pre_reload) text += " pre_reload";
      if (policy.has_pre_stop) text += " pre_stop";
      if (policy.has_post_stop) text += " post_stop";
      for (const Dependency& need : policy.depends_on) text += " needs " + need.service;
      text += "\n";
    }
  }
  return text;
}

void Trace::Note(Instant now, std::string_view what) {
  text_ += Time(now) + "  -- " + std::string(what) + "\n";
}
void Trace::Take(Instant now, const Event& event) {
  text_ += Time(now) + "  " + Describe(event) + "\n";
}
void Trace::Join(Instant now, const World& world) {
  text_ += Time(now) + "  a new daemon joins image and world:";
  for (const WorldRecord& record : world) {
    text_ += " " + Of(record.token);
    if (record.exit) text_ += "(exited)";
    if (record.gone) text_ += "(gone)";
  }
  text_ += "\n";
}
void Trace::Decide(const Actions& actions, std::size_t performed) {
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const std::string text = Describe(actions[i]);
    if (text.empty()) continue;
    text_ += i < performed ? "           -> " : "           -> LOST: ";
    text_ += text + "\n";
  }
}
void Trace::Show(const State& state, Instant now) {
  text_ += "          " + Describe(state, now) + "\n";
}

}  // namespace oxherd::sim
