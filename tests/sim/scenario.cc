#include "tests/sim/scenario.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "tests/sim/random.h"

namespace oxherd::sim {
namespace {

ReadyBy DrawProof(Random& random, const Policy& policy) {
  if (policy.type == ServiceType::kOneshot) return ReadyBy::kExit;
  if (policy.has_health && random.OneIn(2)) return ReadyBy::kHealth;
  return random.OneIn(3) ? ReadyBy::kLog : ReadyBy::kUptime;
}

void DrawDependencies(Random& random, const Scenario& scenario, std::size_t index, Policy& policy) {
  for (std::size_t other = 0; other < index; ++other) {
    if (!random.OneIn(2)) continue;
    const bool oneshot = scenario.versions[other][0].spec->policy.type == ServiceType::kOneshot;
    DependencyKind kind = DependencyKind::kReady;
    if (random.OneIn(3)) kind = oneshot ? DependencyKind::kCompleted : DependencyKind::kStarted;
    policy.depends_on.push_back({ServiceName(other), kind});
  }
}

Policy DrawPolicy(Random& random, const Scenario& scenario, std::size_t index) {
  Policy policy;
  if (random.OneIn(6)) policy.type = ServiceType::kOneshot;
  policy.instances = random.Pick(std::array<std::uint16_t, 5>{1, 1, 2, 2, 3});
  if (random.OneIn(4)) policy.restart = RestartPolicy::kOnFailure;
  if (random.OneIn(8)) policy.restart = RestartPolicy::kNo;
  if (random.OneIn(4)) policy.reload_strategy = ReloadStrategy::kStopFirst;
  if (random.OneIn(4)) policy.kill_mode = KillMode::kMixed;
  policy.has_health = policy.type == ServiceType::kService && random.OneIn(3);
  policy.ready_by = DrawProof(random, policy);
  policy.reload_parallel = random.OneIn(3) ? 2 : 1;
  policy.ready_timeout = random.PickMillis(std::array{1000, 2000, 3000});
  if (policy.type == ServiceType::kOneshot && random.OneIn(2)) policy.ready_timeout.reset();
  policy.min_uptime = random.PickMillis(std::array{100, 200, 500, 1000});
  if (random.OneIn(8)) policy.start_delay = Millis(500);
  policy.restart_delay = random.PickMillis(std::array{0, 0, 0, 100, 500});
  policy.restart_delay_max = random.PickMillis(std::array{1000, 2000, 5000});
  policy.max_restarts = random.Pick(std::array<std::uint16_t, 6>{0, 1, 2, 3, 3, 10});
  policy.restart_window = random.PickMillis(std::array{1000, 3000, 10000});
  policy.failed_retry = random.PickMillis(std::array{0, 5000, 20000});
  policy.stop_timeout = random.PickMillis(std::array{500, 1000, 1000, 2000, 2000, 0});
  policy.hook_timeout = random.PickMillis(std::array{500, 1000});
  policy.pre_reload_timeout = Millis(2000);
  policy.has_pre_reload = random.OneIn(6);
  policy.has_pre_stop = random.OneIn(6);
  policy.has_post_stop = random.OneIn(6);
  policy.health_interval = random.PickMillis(std::array{500, 1000, 3000});
  policy.health_initial_delay = random.PickMillis(std::array{0, 0, 200});
  policy.healthy_threshold = random.OneIn(4) ? 2 : 1;
  policy.unhealthy_threshold = random.OneIn(2) ? 2 : 1;
  DrawDependencies(random, scenario, index, policy);
  return policy;
}

// What a later Oxfile changes: how well the program works, how many there are, the odd setting.
Policy Revise(Random& random, const Policy& before) {
  Policy policy = before;
  if (random.OneIn(3)) policy.instances = static_cast<std::uint16_t>(1 + random.Below(3));
  if (random.OneIn(6)) policy.stop_timeout = Millis(1500);
  if (random.OneIn(6)) policy.has_pre_reload = !policy.has_pre_reload;
  if (random.OneIn(8)) policy.reload_parallel = 2;
  return policy;
}

void DrawServices(Random& random, Scenario& scenario) {
  static constexpr std::array kQualities = {Quality::kGood,  Quality::kGood,  Quality::kGood,
                                            Quality::kFlaky, Quality::kFlaky, Quality::kBroken};
  scenario.services = random.Pick(std::array<std::size_t, 6>{1, 1, 1, 2, 2, 3});
  scenario.has_ready_log = false;
  for (auto& versions : scenario.versions) versions.clear();
  for (std::size_t i = 0; i < scenario.services; ++i) {
    Policy policy = DrawPolicy(random, scenario, i);
    const std::size_t count = 1 + random.Below(4);
    for (std::size_t version = 0; version < count; ++version) {
      if (version > 0) policy = Revise(random, policy);
      auto spec = std::make_shared<Spec>();
      spec->name = ServiceName(i);
      spec->policy = policy;
      spec->source_line = static_cast<std::uint32_t>(version);
      scenario.has_ready_log |= policy.ready_by == ReadyBy::kLog;
      scenario.versions[i].push_back({std::move(spec), random.Pick(kQualities)});
    }
  }
}

void DrawFaults(Random& random, Scenario& scenario) {
  Faults& faults = scenario.faults;
  faults = Faults{};
  faults.slow_messages = random.OneIn(4);
  faults.bad_probes = random.OneIn(8);
  faults.heartbeat = random.OneIn(16);
  faults.whole_image = random.OneIn(8);
  // Not drawn from `random`: what older seeds are stays as it is.
  faults.lost_image = Mix(scenario.seed, 0x1057) % 16 == 0;
}

std::uint8_t DrawSubset(Random& random, std::size_t services) {
  const auto all = static_cast<std::uint8_t>((1U << services) - 1U);
  if (random.OneIn(3)) return all;
  const auto drawn = static_cast<std::uint8_t>(random.Below(std::size_t{all} + 1));
  return drawn == 0 ? std::uint8_t{1} : drawn;
}

void DrawRequest(Random& random, Scenario& scenario, std::array<std::uint8_t, kMaxServices>& oxfile,
                 Step& step) {
  static constexpr std::array kVerbs = {
      Verb::kStart,  Verb::kStart,  Verb::kStop,   Verb::kStop,   Verb::kRestart, Verb::kRestart,
      Verb::kReload, Verb::kReload, Verb::kReload, Verb::kReload, Verb::kReload,  Verb::kApply,
      Verb::kApply,  Verb::kDelete, Verb::kWait,   Verb::kWait};
  step.kind = Step::Kind::kRequest;
  step.verb = random.Pick(kVerbs);
  step.services = DrawSubset(random, scenario.services);
  step.forced = step.verb == Verb::kStop && random.OneIn(5);
  step.parallel = random.OneIn(4) ? 2 : 1;
  if (step.verb == Verb::kWait) {
    step.until =
        random.Pick(std::array{event::Request::Until::kReady, event::Request::Until::kHealthy,
                               event::Request::Until::kDone});
    step.timeout = random.PickMillis(std::array{1000, 5000, 20000});
  }
  for (std::size_t i = 0; i < scenario.services; ++i) {  // somebody has edited the Oxfile
    if (random.OneIn(2)) {
      oxfile[i] = static_cast<std::uint8_t>(random.Below(scenario.versions[i].size()));
    }
  }
  step.oxfile = oxfile;
}

Step DrawStep(Random& random, Scenario& scenario, std::array<std::uint8_t, kMaxServices>& oxfile) {
  Step step;
  switch (random.Below(16)) {
    case 0:
    case 1:
    case 2:
      step.kind = Step::Kind::kCrash;
      step.number = static_cast<std::uint16_t>(random.Below(6));
      break;
    case 3:
      step.kind = Step::Kind::kDuplicate;
      step.number = static_cast<std::uint16_t>(random.Below(8));
      break;
    case 4:
      step.kind = Step::Kind::kReplace;
      step.services = static_cast<std::uint8_t>(1U << random.Below(scenario.services));
      step.number = static_cast<std::uint16_t>(random.Below(4));  // a slot; 3: all
      break;
    case 5:
    case 6:
      step.kind = Step::Kind::kKill;
      step.number = static_cast<std::uint16_t>(random.Below(8));
      break;
    case 7:
      step.kind = Step::Kind::kStranger;
      break;
    default:
      DrawRequest(random, scenario, oxfile, step);
      break;
  }
  if (scenario.faults.heartbeat && random.OneIn(6)) step.kind = Step::Kind::kHang;
  return step;
}

void DrawSteps(Random& random, Scenario& scenario) {
  scenario.steps.clear();
  std::array<std::uint8_t, kMaxServices> oxfile{};
  Duration at{};
  if (!scenario.boot) {
    Step first;
    first.verb = random.OneIn(3) ? Verb::kApply : Verb::kStart;
    first.services = static_cast<std::uint8_t>((1U << scenario.services) - 1U);
    scenario.steps.push_back(first);
  }
  std::size_t count = 2 + random.Below(5);
  if (random.OneIn(4)) count = 5 + random.Below(8);
  if (random.OneIn(64)) count = 30 + random.Below(20);
  for (std::size_t i = 0; i < count; ++i) {
    at += random.PickMillis(std::array{0, 0, 50, 50, 100, 200, 500, 500, 1000, 2000, 5000, 10000});
    Step step = DrawStep(random, scenario, oxfile);
    step.at = at;
    scenario.steps.push_back(step);
  }
  if (random.OneIn(10)) {
    Step end;
    end.at = at + random.PickMillis(std::array{0, 500, 3000});
    end.kind = random.OneIn(3) ? Step::Kind::kTerminate : Step::Kind::kRequest;
    end.verb = Verb::kShutdown;
    end.forced = random.OneIn(4);
    end.keep = random.OneIn(8);
    scenario.steps.push_back(end);
  }
  scenario.quiet_after =
      scenario.steps.back().at + random.PickMillis(std::array{0, 100, 1000, 3000});
}

// Drawn apart, so that the scenarios without it stay what they were.
void DrawTraffic(Random random, Scenario& scenario) {
  scenario.knocks_every = {};
  scenario.moves_clients = false;
  if (!random.OneIn(3)) return;
  scenario.faults.ports_taken = random.OneIn(8);
  for (std::size_t i = 0; i < scenario.services; ++i) {
    if (scenario.versions[i][0].spec->policy.type == ServiceType::kOneshot || random.OneIn(4))
      continue;
    scenario.knocks_every = random.PickMillis(std::array{100, 200, 500});
    scenario.moves_clients = scenario.seed % 3 == 0;
    const bool mixed = random.OneIn(6);  // some versions listen, some do not
    const ReadyBy by =
        random.Pick(std::array{ReadyBy::kListen, ReadyBy::kListen, ReadyBy::kNotify});
    const bool two = random.OneIn(3);
    const Millis drain = random.PickMillis(std::array{0, 0, 300});
    const Millis drain_max = random.PickMillis(std::array{5000, 1000, 0});
    for (Version& version : scenario.versions[i]) {
      if (mixed && random.OneIn(2)) continue;
      auto spec = std::make_shared<Spec>(*version.spec);
      Policy& policy = spec->policy;
      const std::string port = std::to_string(3000 + i);
      policy.listen.push_back({.address = "tcp:[::]:" + port, .any_family = true});
      if (two && random.OneIn(2)) policy.listen.push_back({.address = "tcp:0.0.0.0:4" + port});
      policy.drain = drain;
      policy.drain_max = drain_max;
      if (policy.ready_by != ReadyBy::kHealth) policy.ready_by = by;
      scenario.has_ready_log |= policy.ready_by == ReadyBy::kNotify;
      if (random.OneIn(10)) version.wants = random.OneIn(3) ? Wants::kNarrow : Wants::kIpv4;
      version.spec = std::move(spec);
    }
  }
}

// Instances that a person takes out of traffic, and back; or whose counters he resets.
void DrawDrains(Random random, Scenario& scenario) {
  if (scenario.knocks_every == Duration() || !random.OneIn(3)) return;
  const std::size_t count = 1 + random.Below(3);
  for (std::size_t i = 0; i < count; ++i) {
    Step step;
    step.verb = random.OneIn(3) ? Verb::kResume : Verb::kDrain;
    if (random.OneIn(8)) step.verb = Verb::kReset;
    step.services = static_cast<std::uint8_t>(1U << random.Below(scenario.services));
    step.slot = static_cast<std::uint16_t>(random.Below(2));
    step.forced = random.OneIn(4);
    const std::size_t before = 1 + random.Below(scenario.steps.size());
    step.at = scenario.steps[before - 1].at + Millis(random.Below(2000));
    if (before < scenario.steps.size()) step.at = std::min(step.at, scenario.steps[before].at);
    scenario.steps.insert(scenario.steps.begin() + static_cast<std::ptrdiff_t>(before), step);
  }
  scenario.quiet_after = std::max(scenario.quiet_after, scenario.steps.back().at);
}

bool SomebodyWaitsFor(const Scenario& scenario, const std::string& name) {
  for (const auto& versions : scenario.versions) {
    for (const Version& version : versions) {
      const auto& needs = version.spec->policy.depends_on;
      if (std::ranges::find(needs, name, &Dependency::service) != needs.end()) return true;
    }
  }
  return false;
}

// Oneshots that are run at times, and these times: often while the last run lasts.
void DrawSchedules(Random random, Scenario& scenario) {
  for (std::size_t i = 0; i < scenario.services; ++i) {
    const bool is_oneshot = scenario.versions[i][0].spec->policy.type == ServiceType::kOneshot;
    if (!is_oneshot || SomebodyWaitsFor(scenario, ServiceName(i)) || random.OneIn(4)) continue;
    for (Version& version : scenario.versions[i]) {
      auto spec = std::make_shared<Spec>(*version.spec);
      spec->policy.scheduled = true;
      version.spec = std::move(spec);
    }
    const std::size_t count = 1 + random.Below(6);
    for (std::size_t time = 0; time < count; ++time) {
      Step step;
      step.kind = Step::Kind::kSchedule;
      step.services = static_cast<std::uint8_t>(1U << i);
      const std::size_t before = 1 + random.Below(scenario.steps.size());
      step.at = scenario.steps[before - 1].at + Millis(random.Below(3000));
      if (before < scenario.steps.size()) step.at = std::min(step.at, scenario.steps[before].at);
      scenario.steps.insert(scenario.steps.begin() + static_cast<std::ptrdiff_t>(before), step);
    }
  }
  scenario.quiet_after = std::max(scenario.quiet_after, scenario.steps.back().at);
}

// Programs that reload themselves.
void DrawReloadSignals(Random random, Scenario& scenario) {
  for (std::size_t i = 0; i < scenario.services; ++i) {
    if (!random.OneIn(4)) continue;
    for (Version& version : scenario.versions[i]) {
      auto spec = std::make_shared<Spec>(*version.spec);
      spec->policy.reload_signal = 1;
      version.spec = std::move(spec);
    }
  }
}

// Services whose address nobody has written down.
void DrawAutoListen(Random random, Scenario& scenario) {
  scenario.has_auto_listen = false;
  for (std::size_t i = 0; i < scenario.services; ++i) {
    if (!random.OneIn(3)) continue;
    for (Version& version : scenario.versions[i]) {
      const Policy& policy = version.spec->policy;
      if (policy.listen.size() != 1 || version.wants != Wants::kAny) continue;
      auto asked = std::make_shared<Spec>(*version.spec);
      asked->policy.listen.clear();
      asked->policy.auto_listen = AutoListen::kUnknown;
      version.asked = std::move(asked);
      scenario.has_auto_listen = true;
    }
  }
}

// How many there are, changed by hand.
void DrawScales(Random random, Scenario& scenario) {
  scenario.most_scaled = 0;
  if (!random.OneIn(4)) return;
  const std::size_t count = 1 + random.Below(3);
  scenario.most_scaled = 6;
  for (std::size_t i = 0; i < count; ++i) {
    Step step;
    step.verb = Verb::kScale;
    step.services = static_cast<std::uint8_t>(1U << random.Below(scenario.services));
    step.relative = random.OneIn(3);
    step.count =
        step.relative ? (random.OneIn(2) ? 1 : -1) : static_cast<std::int32_t>(1 + random.Below(3));
    const std::size_t before = 1 + random.Below(scenario.steps.size());
    step.at = scenario.steps[before - 1].at + Millis(random.Below(2000));
    if (before < scenario.steps.size()) step.at = std::min(step.at, scenario.steps[before].at);
    scenario.steps.insert(scenario.steps.begin() + static_cast<std::ptrdiff_t>(before), step);
  }
  scenario.quiet_after = std::max(scenario.quiet_after, scenario.steps.back().at);
}

// Keepers that are killed.
void DrawKeeperDeaths(Random random, Scenario& scenario) {
  if (!random.OneIn(4)) return;
  const std::size_t count = 1 + random.Below(3);
  for (std::size_t i = 0; i < count; ++i) {
    Step step;
    step.kind = Step::Kind::kKeeper;
    const std::size_t before = 1 + random.Below(scenario.steps.size());
    step.at = scenario.steps[before - 1].at + Millis(random.Below(2000));
    if (before < scenario.steps.size()) step.at = std::min(step.at, scenario.steps[before].at);
    scenario.steps.insert(scenario.steps.begin() + static_cast<std::ptrdiff_t>(before), step);
  }
  scenario.quiet_after = std::max(scenario.quiet_after, scenario.steps.back().at);
}

// Keeper and daemon that are killed together. What becomes of sockets then is not simulated.
void DrawBothDeaths(Random random, Scenario& scenario) {
  if (!random.OneIn(12) || scenario.knocks_every != Duration()) return;
  Step step;
  step.kind = Step::Kind::kBoth;
  const std::size_t before = 1 + random.Below(scenario.steps.size());
  step.at = scenario.steps[before - 1].at + Millis(random.Below(2000));
  if (before < scenario.steps.size()) step.at = std::min(step.at, scenario.steps[before].at);
  scenario.steps.insert(scenario.steps.begin() + static_cast<std::ptrdiff_t>(before), step);
  scenario.quiet_after = std::max(scenario.quiet_after, scenario.steps.back().at);
}

}  // namespace

void Draw(std::uint64_t seed, Scenario& scenario) {
  Random random(seed);
  scenario.seed = seed;
  scenario.settings = Settings{};
  if (random.OneIn(4)) scenario.settings.start_parallel = 1;
  if (random.OneIn(4)) scenario.settings.proving_parallel = 1;
  scenario.boot = random.OneIn(4);
  DrawFaults(random, scenario);
  DrawServices(random, scenario);
  DrawTraffic(Random(Mix(seed, 10)), scenario);
  DrawSteps(random, scenario);
  DrawDrains(Random(Mix(seed, 11)), scenario);
  DrawSchedules(Random(Mix(seed, 12)), scenario);
  DrawReloadSignals(Random(Mix(seed, 13)), scenario);
  DrawScales(Random(Mix(seed, 14)), scenario);
  DrawKeeperDeaths(Random(Mix(seed, 16)), scenario);
  DrawBothDeaths(Random(Mix(seed, 17)), scenario);
  DrawAutoListen(Random(Mix(seed, 15)), scenario);  // last: it copies what the others have made
}

Scenario Draw(std::uint64_t seed) {
  Scenario scenario;
  Draw(seed, scenario);
  return scenario;
}

}  // namespace oxherd::sim
