// A checker that cannot fail proves nothing: each invariant is shown a step that breaks it.
//
// A Stage takes the real core through real steps, with the ledger watching. The last step of each
// story is doctored: what the core decided, or what the kernel has, is changed before it is
// checked.
#include "tests/sim/checker.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "base/check.h"
#include "tests/sim/fake_keeper.h"
#include "tests/sim/stage.h"

namespace oxherd::sim {
namespace {

using namespace std::chrono_literals;

// A reload of service a, whose two instances are Ready, with the new ones under way.
void BeginReload(Stage& stage) {
  stage.BringUp({Instances(2)});
  stage.Well(stage.Ask(Verb::kReload, {"a"}, {Instances(2)}));
  stage.ConfirmAll();
}

InstanceState StoppingOf(const Instance& instance, Instant until) {
  return Stopping{.process = *instance.process(), .until = until, .hook = {}};
}

struct Row {
  Invariant invariant;
  const char* broken;
  Violation (*play)(Stage&);
};

Violation DuplicateToken(Stage& stage) {
  return stage.Step(stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)}),
                    [](Stage& s) { s.actions.push_back(s.Decided<action::Spawn>()); });
}

Violation KillTheDead(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  const Token dead = stage.token();
  stage.End(dead, ExitStatus::Code(1));
  return stage.Step(event::Due{}, [dead](Stage& s) { s.actions.push_back(action::Kill{dead}); });
}

Violation NoDeadline(Stage& stage) {
  return stage.Step(stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)}),
                    [](Stage& s) { std::get<Starting>(s.current().state).ready_by = kNever; });
}

Violation DeadlineInThePast(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.Well(stage.Ask(Verb::kStop, {"a"}));
  return stage.Step(event::Due{},
                    [](Stage& s) { std::get<Stopping>(s.current().state).until = s.now; });
}

Violation HookNotKilled(Stage& stage) {
  stage.BringUp({MakeSpec(0, [](Policy& policy) { policy.has_pre_stop = true; })});
  stage.Well(stage.Ask(Verb::kStop, {"a"}));
  stage.now += stage.service().spec().policy.hook_timeout;
  return stage.Step(event::Due{}, [](Stage& s) {
    std::erase_if(s.actions,
                  [](const Action& a) { return std::holds_alternative<action::Kill>(a); });
  });
}

Violation KillAtTooEarly(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(stage.Ask(Verb::kStop, {"a"}),
                    [](Stage& s) { s.Decided<action::Stop>().kill_at -= 1ms; });
}

Violation KilledTooEarly(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.Well(stage.Ask(Verb::kStop, {"a"}));
  Process* process = stage.kernel.Find(stage.token());
  process->kill_at = stage.now + 10s;
  process->killed_at = stage.now + 9s;
  return stage.Scene();
}

Violation NeverKilled(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.kernel.Find(stage.token())->kill_at = stage.now - 1ms;
  return stage.Scene();
}

Violation ReadyGivenUp(Stage& stage) {
  BeginReload(stage);
  return stage.Step(event::Due{},
                    [](Stage& s) { s.current().state = StoppingOf(s.current(), s.now + 10s); });
}

// What is Unhealthy does not count for 7; it is not to be retired before its time all the same.
Violation RetiredTooEarly(Stage& stage) {
  BeginReload(stage);
  const auto unhealthy = [](Stage& s) {
    s.current().state = Unhealthy{.process = *s.current().process(),
                                  .ready_since = s.now,
                                  .since = s.now,
                                  .next_try = kNever,
                                  .tries = 0,
                                  .probing = {}};
  };
  unhealthy(stage);
  return stage.Step(event::Due{},
                    [](Stage& s) { s.current().state = StoppingOf(s.current(), s.now + 10s); });
}

Violation TargetMoves(Stage& stage) {
  BeginReload(stage);
  return stage.Step(event::Due{}, [](Stage& s) {
    s.service().rollout->target = s.service().rollout->target.Next();
  });
}

Violation ThreeGenerations(Stage& stage) {
  stage.scenario.versions[0][0].spec = Instances(3);
  stage.BringUp({Instances(3)});
  for (std::uint32_t i = 0; i < 3; ++i) {
    Service& service = stage.service();
    if (i > 0) {
      service.specs.push_back({.generation = Generation(1 + i), .spec = service.specs[0].spec});
    }
    service.slots[i].current.generation = Generation(1 + i);
    stage.kernel.Find(service.slots[i].current.token())->generation = Generation(1 + i);
  }
  return stage.Scene();
}

Violation FailedAgain(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.Well(event::Exited{stage.token(), ExitStatus::Code(1)});
  stage.ledger.services[0].At(Generation(1)).failed = true;
  return stage.Step(event::Gone{stage.token()});
}

SpecPtr Crashing() {
  return MakeSpec(0, [](Policy& policy) { policy.max_restarts = 2; });
}

Violation BackoffDoesNotGrow(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.End(stage.token(), ExitStatus::Code(1));  // at once
  stage.Well(event::Exited{stage.token(), ExitStatus::Code(1)});
  return stage.Step(event::Gone{stage.token()},
                    [](Stage& s) { std::get<Backoff>(s.current().state).until = s.now + 1ms; });
}

Violation RestartedTooOften(Stage& stage) {
  stage.BringUp({Crashing()});
  stage.End(stage.token(), ExitStatus::Code(1));
  stage.ledger.services[0].slots[0].restarts = 2;
  stage.Well(event::Exited{stage.token(), ExitStatus::Code(1)});
  const State failing = stage.after;
  return stage.Step(event::Gone{stage.token()}, [&failing](Stage& s) {
    s.after = failing;
    Instance& again = s.current();
    const Token token = s.after.next_token;
    s.after.next_token = token.Next();
    again.state = Starting{.process = {.token = token, .pid = {}, .spawned_at = s.now},
                           .confirmed = false,
                           .ready_by = s.now + 30s,
                           .proven_at = kNever,
                           .probing = {}};
    s.actions.push_back(action::Spawn{.token = token,
                                      .instance = {"a", 0},
                                      .generation = again.generation,
                                      .kind = ProcessKind::kInstance});
  });
}

Violation WishChanges(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(event::Due{}, [](Stage& s) { s.service().wish = Wish::kStopped; });
}

void AddSpawn(Stage& stage, std::size_t service) {
  const Token token = stage.after.next_token;
  stage.after.next_token = token.Next();
  stage.actions.push_back(action::Spawn{.token = token,
                                        .instance = {ServiceName(service), 0},
                                        .generation = stage.service(service).generation,
                                        .kind = ProcessKind::kInstance});
}

Violation SpawnOfTheUnwanted(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.Well(stage.Ask(Verb::kStop, {"a"}));
  stage.End(stage.token(), ExitStatus::Code(0));
  return stage.Step(event::Due{}, [](Stage& s) { AddSpawn(s, 0); });
}

Violation BeforeItsDependency(Stage& stage) {
  return stage.Step(stage.Ask(Verb::kStart, {"a", "b"}, {MakeSpec(0), Needing(1, 0)}),
                    [](Stage& s) { AddSpawn(s, 1); });
}

Violation SecondReply(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)}),
                    [](Stage& s) { s.actions.push_back(s.Decided<action::Reply>()); });
}

Violation NoReply(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)}), [](Stage& s) {
    std::erase_if(s.actions,
                  [](const Action& a) { return std::holds_alternative<action::Reply>(a); });
  });
}

Violation ForgottenRequest(Stage& stage) {
  stage.Well(stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)}));
  return stage.Step(event::Due{}, [](Stage& s) { s.after.requests.clear(); });
}

Violation ReadyWithoutProof(Stage& stage) {
  stage.Well(stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)}));
  return stage.Step(event::Started{stage.token(), Pid(7)}, [](Stage& s) {
    s.current().state = Ready{.process = *s.current().process(), .since = s.now, .probing = {}};
    s.service().slots.at(0).reached = Reached::kReady;
  });
}

Violation ReadyForNobody(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(event::Due{},
                    [](Stage& s) { s.service().slots.at(0).reached = Reached::kNothing; });
}

Violation AcknowledgedTooEarly(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  const Token token = stage.token();
  return stage.Step(event::Exited{token, ExitStatus::Code(1)},
                    [token](Stage& s) { s.actions.push_back(action::Acknowledge{token}); });
}

Violation AnotherIsStopped(Stage& stage) {
  stage.BringUp({MakeSpec(0), MakeSpec(1)});
  return stage.Step(stage.Ask(Verb::kStop, {"a"}), [](Stage& s) {
    action::Stop stop = s.Decided<action::Stop>();
    stop.token = s.token(1);
    s.actions.push_back(stop);
  });
}

Violation NewGenerationByItself(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(event::Due{}, [](Stage& s) {
    s.service().last_generation = s.service().last_generation.Next();
  });
}

Violation TimerArmedAgain(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(event::Due{},
                    [](Stage& s) { std::get<Ready>(s.current().state).probing.next = s.now; });
}

Violation SaysStopped(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  return stage.Step(stage.Ask(Verb::kStop, {"a"}), [](Stage& s) {
    RequestRecord& record = s.after.requests.back();
    record.items.at(0).outcome = Outcome::kStopped;
    record.finished = true;
    s.actions.push_back(action::Reply{record.id});
  });
}

Violation SaysStarted(Stage& stage) {
  return stage.Step(stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)}), [](Stage& s) {
    RequestRecord& record = s.after.requests.back();
    record.items.at(0).outcome = Outcome::kStarted;
    record.finished = true;
    s.actions.push_back(action::Reply{record.id});
  });
}

Violation SaysReloaded(Stage& stage) {
  BeginReload(stage);
  return stage.Step(event::Due{}, [](Stage& s) {
    RequestRecord& record = s.after.requests.back();
    record.items.at(0).outcome = Outcome::kReloaded;
    record.finished = true;
    s.actions.push_back(action::Reply{record.id});
  });
}

Violation SaysReloadedUntold(Stage& stage) {
  const auto spec = MakeSpec(0, [](Policy& policy) { policy.reload_signal = 1; });
  stage.BringUp({spec});
  stage.Well(stage.Ask(Verb::kReload, {"a"}, {spec}));
  return stage.Step(event::Due{}, [](Stage& s) {
    RequestRecord& record = s.after.requests.back();
    record.items.at(0).outcome = Outcome::kReloaded;
    record.finished = true;
    s.actions.push_back(action::Reply{record.id});
  });
}

Violation TooManyStarts(Stage& stage) {
  return stage.Step(stage.Ask(Verb::kStart, {"a"}, {Instances(3)}),
                    [](Stage& s) { s.after.settings.start_parallel = 2; });
}

Violation SignalledTwice(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.kernel.Find(stage.token())->stop_signals = 2;
  return stage.Scene();
}

Violation HookRunsAgain(Stage& stage) {
  const auto spec = MakeSpec(0, [](Policy& policy) { policy.has_pre_reload = true; });
  stage.BringUp({spec});
  stage.Well(stage.Ask(Verb::kReload, {"a"}, {spec}));
  const Token hook = stage.service().hooks.at(0).token;
  stage.Well(event::Started{hook, Pid(7)});
  return stage.Step(event::Due{}, [](Stage& s) {
    AddSpawn(s, 0);
    auto& spawn = s.Decided<action::Spawn>();
    spawn.kind = ProcessKind::kPreReload;
    spawn.generation = s.service().rollout->target;
  });
}

Violation NobodysProcess(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.Live(Token(77));
  return stage.Scene();
}

Violation TwoOwners(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  stage.service().slots[0].replacement = stage.current();
  return stage.Scene();
}

Violation TooManyAlive(Stage& stage) {
  stage.BringUp({Instances(1)});
  for (std::uint16_t slot = 1; slot < 4; ++slot) {
    Slot& added = stage.service().slots.emplace_back(stage.service().slots[0]);
    std::get<Ready>(added.current.state).process.token = Token(70U + slot);
    stage.Live(Token(70U + slot)).slot = slot;
  }
  return stage.Scene();
}

// 17: the checker takes the step once more by itself; here the two differ.
Violation TwoResults(Stage& stage) {
  stage.scenario.seed = kSampleEvery - 1;  // the first step is one that is compared
  Checker checker;
  checker.Reset(stage.scenario);
  const Event start = stage.Ask(Verb::kStart, {"a"}, {MakeSpec(0)});
  checker.Before(stage.after, start, stage.now);
  Apply(stage.after, start, stage.now, stage.actions);
  stage.current().crashes = 3;
  checker.After(stage.after, start, stage.actions, stage.kernel, stage.now);
  return checker.violation();
}

// 3, second half.
Violation StrangersMatter(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  Checker checker;
  checker.Reset(stage.scenario);
  checker.BeforeStranger(stage.after);
  stage.current().crashes = 3;
  checker.AfterStranger(stage.after, {});
  return checker.violation();
}

Violation LeftBehind(Stage& stage) {
  stage.BringUp({MakeSpec(0)});
  Checker checker;
  checker.Reset(stage.scenario);
  FakeKeeper keeper;
  keeper.Reset(stage.scenario, Random(1));
  checker.Settled(stage.after, stage.kernel, keeper.book(), true);
  return checker.violation();
}

constexpr Row kRows[] = {
    {Invariant::kOneInstance, "a process that no instance has", NobodysProcess},
    {Invariant::kOneInstance, "a process that two instances have", TwoOwners},
    {Invariant::kHowManyLive, "four processes of one instance", TooManyAlive},
    {Invariant::kTokens, "a token is given out twice", DuplicateToken},
    {Invariant::kTokens, "an event about a stranger changes something", StrangersMatter},
    {Invariant::kNoSignalToDead, "a kill for what is gone", KillTheDead},
    {Invariant::kDeadlines, "starting without a deadline", NoDeadline},
    {Invariant::kDeadlines, "a deadline is still due after timers were run", DeadlineInThePast},
    {Invariant::kDeadlines, "a hook outlives its time", HookNotKilled},
    {Invariant::kKillInTime, "kill_at is early", KillAtTooEarly},
    {Invariant::kKillInTime, "SIGKILL is early", KilledTooEarly},
    {Invariant::kKillInTime, "SIGKILL never comes", NeverKilled},
    {Invariant::kReadyNeverLowered, "a reload stops a Ready instance", ReadyGivenUp},
    {Invariant::kRetiredAfterReady, "retired before the new one is Ready", RetiredTooEarly},
    {Invariant::kOneRollout, "the target moves", TargetMoves},
    {Invariant::kOneRollout, "three generations are alive", ThreeGenerations},
    {Invariant::kFailedStaysFailed, "a failed generation is started again", FailedAgain},
    {Invariant::kRestartLimit, "a back-off of 1 ms", BackoffDoesNotGrow},
    {Invariant::kRestartLimit, "restarted beyond max_restarts", RestartedTooOften},
    {Invariant::kStoppedStaysStopped, "a wish changes by itself", WishChanges},
    {Invariant::kStoppedStaysStopped, "what is stopped is spawned", SpawnOfTheUnwanted},
    {Invariant::kDependencies, "spawned before what it depends on", BeforeItsDependency},
    {Invariant::kDependencies, "Ready, and not relied on", ReadyForNobody},
    {Invariant::kOneReply, "a second reply", SecondReply},
    {Invariant::kOneReply, "no reply", NoReply},
    {Invariant::kOneReply, "a request is forgotten", ForgottenRequest},
    {Invariant::kEvidence, "Ready without proof", ReadyWithoutProof},
    {Invariant::kAcknowledged, "acknowledged while its tree lives", AcknowledgedTooEarly},
    {Invariant::kSameResult, "the same step gives two results", TwoResults},
    {Invariant::kOthersUntouched, "a stop of a stops b", AnotherIsStopped},
    {Invariant::kNewSpecByRequest, "a generation that nobody asked for", NewGenerationByItself},
    {Invariant::kLiveness, "a timer is armed for now again", TimerArmedAgain},
    {Invariant::kLiveness, "the daemon leaves a process behind", LeftBehind},
    {Invariant::kReplyIsTrue, "stopped, and alive", SaysStopped},
    {Invariant::kReplyIsTrue, "started, and not Ready", SaysStarted},
    {Invariant::kReplyIsTrue, "reloaded, and the old one serves", SaysReloaded},
    {Invariant::kReplyIsTrue, "reloaded, and one was never told", SaysReloadedUntold},
    {Invariant::kStartBound, "three starts where two may be", TooManyStarts},
    {Invariant::kSignalOnce, "the stop signal twice", SignalledTwice},
    {Invariant::kHookOnce, "pre_reload_cmd twice", HookRunsAgain},
};

// The words by which a program asks for the wall's time, or any time.
bool AsksForTime(const std::string& text) {
  constexpr const char* kWords[] = {"system_clock", "steady_clock::now", "clock_gettime",
                                    "gettimeofday", "localtime",         "gmtime",
                                    "std::time(",   "time(nullptr)",     "<ctime>"};
  return std::ranges::any_of(kWords, [&](const char* word) { return text.contains(word); });
}

TEST_SUITE("sim: the checks") {
  TEST_CASE("each invariant fires on a step that breaks it") {
    for (const Row& row : kRows) {
      INFO("invariant " << static_cast<int>(row.invariant) << ": " << std::string(row.broken));
      Stage stage;
      const Violation violation = row.play(stage);
      INFO("found: " << static_cast<int>(violation.invariant) << ": "
                     << std::string(violation.what));
      CHECK(violation.invariant == row.invariant);
    }
  }

  TEST_CASE("no invariant is without such a step") {
    std::set<int> shown = {18, 20, 22};  // 20: below; the others: checker_traffic_test.cc
    for (const Row& row : kRows) shown.insert(static_cast<int>(row.invariant));
    for (int number = 1; number <= 22; ++number) {
      INFO(number);
      CHECK(shown.contains(number));
    }
    for (int number = 30; number <= 34; ++number) {
      INFO(number);
      CHECK(shown.contains(number));
    }
  }

  TEST_CASE("20: nothing in core can ask for a time: it is told") {
    CHECK(AsksForTime("auto now = std::chrono::system_clock::now();"));  // this can fail
    const auto core = std::filesystem::path(OXHERD_SOURCE_DIR) / "supervisor/core";
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(core)) {
      std::ifstream file(entry.path());
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      INFO(entry.path().string());
      CHECK_FALSE(AsksForTime(text));
      ++files;
    }
    CHECK(files > 20);
  }

  TEST_CASE("a Check of our own that fails ends the scenario, not the simulator") {
    const auto broken = [] { OXHERD_CHECK(false, "on purpose"); };
    CHECK_THROWS(broken());
  }
}

}  // namespace
}  // namespace oxherd::sim
