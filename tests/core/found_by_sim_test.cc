// What the simulator found: each of these stories once broke an invariant of lifecycle.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "core/auto_listen.h"
#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<Spec> Instances(std::uint16_t count) {
  auto api = MakeCheckedSpec("api");
  api->policy.instances = count;
  return api;
}

bool Spawned(const std::vector<action::Spawn>& spawns, std::string_view service) {
  return std::ranges::any_of(
      spawns, [&](const action::Spawn& spawn) { return spawn.instance.service == service; });
}

TEST_SUITE("core: found by the simulator") {
  TEST_CASE("a reload that fails leaves as many instances as the running definition has") {
    Play play;
    play.BringUp({Instances(2)});
    play.Ask(Verb::kRestart, {"api"}, {Instances(1)});
    auto wide = Instances(2);
    wide->policy.has_pre_reload = true;
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {wide});
    const Token hook = play.service("api").hooks.at(0).token;
    play.Obey(play.token("api", 0));
    play.Obey(play.token("api", 1));
    play.End(hook, ExitStatus::Code(1));
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).failure.kind == Failure::Kind::kHook);
    CHECK(play.service("api").slots.size() == 1);
    CHECK(play.current("api", 0).generation == Generation(2));
  }

  TEST_CASE("a roll-back keeps a new instance whose predecessor has ended a moment ago") {
    Play play;
    auto api = Instances(2);
    api->policy.reload_parallel = 2;
    api->policy.has_post_stop = true;
    api->policy.hook_timeout = 29s;
    api->policy.ready_timeout = 30s;
    play.BringUp({api});
    play.Ask(Verb::kReload, {"api"}, {api});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    const Token new0 = play.replacement("api", 0)->token();
    play.Obey(play.token("api", 0));  // its post_stop_cmd hangs
    play.Pass(29s);  // that one's time is over, and in the same instant api/1 was not ready in time
    CHECK(play.service("api").rollout->phase == Rollout::Phase::kBack);
    CHECK(play.token("api", 0) == new0);
    CHECK(play.StateOf("api", 0) == "ready");
  }

  TEST_CASE("a reload in the middle of a restart does not start anything before its dependencies") {
    Play play;
    auto api = Instances(2);
    api->policy.depends_on = {{.service = "db", .kind = DependencyKind::kReady}};
    play.BringUp({MakeCheckedSpec("db"), api});
    auto narrow = MakeCheckedSpec("api");
    narrow->policy.depends_on = api->policy.depends_on;
    play.Ask(Verb::kRestart, {"db", "api"}, {MakeCheckedSpec("db"), narrow});
    play.Obey(play.token("api", 0));
    play.Ask(Verb::kReload, {"api"}, {api});
    play.Obey(play.token("api", 1));  // which only the reload's definition has
    CHECK_FALSE(Spawned(play.Take<action::Spawn>(), "api"));
    play.Obey(play.token("db"));
    play.ConfirmSpawns();
    play.Answer("db/0", ProbeOutcome::kGood);
    CHECK(Spawned(play.Take<action::Spawn>(), "api"));
  }

  TEST_CASE(
      "a restart starts dependents when the new instance is ready, not while the old one is") {
    Play play;
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "db", .kind = DependencyKind::kReady}};
    play.BringUp({MakeCheckedSpec("db"), worker});
    play.Ask(Verb::kRestart, {"db", "worker"}, {MakeCheckedSpec("db"), worker});
    REQUIRE(play.StateOf("db") == "ready");  // its dependents go first
    play.Pass(play.service("db").spec().policy.health_interval);
    play.Answer("db/0", ProbeOutcome::kGood);
    play.Obey(play.token("worker"));
    CHECK_FALSE(Spawned(play.Take<action::Spawn>(), "worker"));
    play.Obey(play.token("db"));
    play.ConfirmSpawns();
    play.Answer("db/0", ProbeOutcome::kGood);
    CHECK(Spawned(play.Take<action::Spawn>(), "worker"));
  }

  TEST_CASE("a reload of what waits for its turn to stop begins when that has stopped") {
    Play play;
    auto api = MakeSpec("api");
    api->policy.depends_on = {{.service = "db", .kind = DependencyKind::kReady}};
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "db", .kind = DependencyKind::kReady},
                                 {.service = "api", .kind = DependencyKind::kReady}};
    play.BringUp({MakeCheckedSpec("db"), api, worker});
    play.Ask(Verb::kRestart, {"db", "api", "worker"}, {MakeCheckedSpec("db"), api, worker});
    play.Ask(Verb::kReload, {"api"}, {api});
    CHECK(play.replacement("api") == nullptr);
    play.Obey(play.token("worker"));
    play.Obey(play.token("api"));
    CHECK_FALSE(Spawned(play.Take<action::Spawn>(), "api"));  // db is not back yet
    play.Obey(play.token("db"));
    play.ConfirmSpawns();
    play.Answer("db/0", ProbeOutcome::kGood);
    CHECK(Spawned(play.Take<action::Spawn>(), "api"));
    CHECK(play.current("api").generation == Generation(2));
  }

  TEST_CASE("a stop waits for dependents, but for none that cannot be killed") {
    Play play;
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "db", .kind = DependencyKind::kReady}};
    play.BringUp({MakeCheckedSpec("db"), worker});
    play.Ask(Verb::kStop, {"db", "worker"});
    play.Pass(worker->policy.stop_timeout);
    REQUIRE(play.StateOf("worker") == "killing");
    CHECK(play.StateOf("db") == "ready");
    play.Pass(kUnkillableAfter);
    CHECK(play.StateOf("db") == "stopping");
  }

  TEST_CASE("a generation does not count as proved because of what its slot ran before") {
    Play play;
    auto api = MakeCheckedSpec("api");
    api->policy.max_restarts = 1;
    api->policy.start_delay = 1s;
    play.BringUp({api});
    play.End(play.token("api"), ExitStatus::Code(1));
    REQUIRE(play.StateOf("api") == "failed");
    play.Ask(Verb::kStart, {"api"}, {api});
    REQUIRE(play.StateOf("api") == "waiting");
    play.Ask(Verb::kReload, {"api"}, {api});
    play.Pass(1s);
    play.ConfirmSpawns();
    REQUIRE(play.StateOf("api") == "starting");
    REQUIRE(play.current("api").generation == Generation(2));
    CHECK_FALSE(play.service("api").Find(Generation(2))->was_ready);
  }

  TEST_CASE("an added instance that has not started is dropped when the reload turns back") {
    Play play;
    play.state().settings.start_parallel = 1;
    auto api = MakeCheckedSpec("api");
    api->policy.max_restarts = 1;
    api->policy.failed_retry = 0s;
    play.Ask(Verb::kStart, {"api"}, {api});
    play.ConfirmSpawns();
    play.End(play.token("api"), ExitStatus::Code(1));
    REQUIRE(play.StateOf("api") == "failed");
    auto wide = Instances(2);
    wide->policy.reload_parallel = 2;
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {wide});
    REQUIRE(play.StateOf("api", 1) == "waiting");
    play.Happens(event::SpawnFailed{
        .token = play.replacement("api", 0)->token(), .stage = 9, .number = ENOENT});
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.service("api").slots.size() == 1);
  }

  TEST_CASE("a slot that the definition does not have keeps nobody waiting") {
    Play play;
    play.BringUp({Instances(3)});
    play.Ask(Verb::kRestart, {"api"}, {Instances(1)});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {Instances(3)});
    play.Obey(play.token("api", 0));
    play.Obey(play.token("api", 2));
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.End(play.token("api", 2), ExitStatus::Code(1));  // back, but generation 2 never was Ready
    play.Obey(play.token("api", 1));
    REQUIRE(play.IsAnswered(reload));
    REQUIRE(play.Item(reload).failure.old_lost);
    REQUIRE(play.StateOf("api", 1) == "stopped");
    const RequestId start = play.Ask(Verb::kStart, {"api"});
    play.ConfirmSpawns();
    play.Answer("api/2", ProbeOutcome::kGood);
    CHECK(play.IsAnswered(start));
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "api", .kind = DependencyKind::kReady}};
    play.Ask(Verb::kStart, {"worker"}, {worker});
    CHECK(play.StateOf("worker") == "starting");
  }

  TEST_CASE("a scale does not wait for what a roll-back has left beyond the definition") {
    Play play;
    play.BringUp({Instances(3)});
    event::Request more;
    more.verb = Verb::kScale;
    more.names = {"api"};
    more.count = 4;
    const RequestId scale = play.Ask(more);
    play.ConfirmSpawns();
    REQUIRE(play.StateOf("api", 3) == "starting");
    play.Ask(Verb::kRestart, {"api"}, {Instances(1)});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {Instances(3)});
    play.Obey(play.token("api", 0));
    play.Obey(play.token("api", 2));
    play.Obey(play.token("api", 3));
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.End(play.token("api", 2), ExitStatus::Code(1));  // back, but generation 2 never was Ready
    play.Obey(play.token("api", 1));
    REQUIRE(play.IsAnswered(reload));
    REQUIRE(play.Item(reload).failure.old_lost);
    play.Ask(Verb::kStart, {"api"});
    play.ConfirmSpawns();
    play.Answer("api/2", ProbeOutcome::kGood);
    REQUIRE(play.StateOf("api", 2) == "ready");
    CHECK(play.IsAnswered(scale));
  }

  TEST_CASE("what was being killed while the image was lost is killing, with a deadline") {
    State fresh;
    WorldRecord record;
    record.token = Token(5);
    record.instance = {"api", 0};
    record.generation = Generation(1);
    record.pid = Pid(4242);
    record.stop_sent = InstantFromNanoseconds(1);
    record.kill_fired = true;
    Actions actions;
    Restore(fresh, {record}, InstantFromNanoseconds(2), actions);
    const Instance& adopted = fresh.Find("api")->slots.at(0).current;
    CHECK(adopted.kind() == StateKind::kKilling);
    CHECK(adopted.deadline() != kNever);
  }

  TEST_CASE(
      "what could not be killed in a roll-back and is gone after all comes back as the old one") {
    Play play;
    auto api = Instances(2);
    api->policy.reload_strategy = ReloadStrategy::kStopFirst;
    api->policy.reload_parallel = 2;
    api->policy.stop_timeout = 1s;
    play.BringUp({api});
    play.Ask(Verb::kReload, {"api"}, {api});
    play.Obey(play.token("api", 0));
    play.Obey(play.token("api", 1));
    play.ConfirmSpawns();
    REQUIRE(play.current("api", 1).generation == Generation(2));
    play.End(play.token("api", 0), ExitStatus::Code(1));
    const Token stuck = play.token("api", 1);
    play.Pass(1s);
    play.Happens(event::KillFired{stuck});
    play.Pass(5s);
    REQUIRE(play.current("api", 1).is_unkillable());
    REQUIRE(play.service("api").rollout);
    play.End(stuck, ExitStatus::Signal(9));
    CHECK(play.current("api", 1).generation == Generation(1));
    CHECK(play.StateOf("api", 1) == "starting");
  }

  TEST_CASE(
      "a new one that turns bad on trial, and has nobody beside it, stays until it is replaced") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 2;
    api->policy.has_health = true;
    api->policy.unhealthy_threshold = 1;
    api->policy.health_interval = 300ms;
    play.BringUp({api});
    play.End(play.token("api", 0), ExitStatus::Code(1));
    REQUIRE(play.StateOf("api", 0) == "starting");
    play.Ask(Verb::kReload, {"api"}, {api});
    play.ConfirmSpawns();
    REQUIRE(play.replacement("api", 0) != nullptr);
    const Token first = play.token("api", 0);
    const Token fresh = play.replacement("api", 0)->token();
    play.Happens(event::Probed{fresh, ProbeOutcome::kGood, {}});
    play.Obey(first);  // it was only starting: there was nothing to wait for
    REQUIRE(play.token("api", 0) == fresh);
    play.Pass(300ms);
    play.Happens(event::Probed{fresh, ProbeOutcome::kBad, {}});
    CHECK(play.service("api").rollout->phase == Rollout::Phase::kBack);
    CHECK(play.StateOf("api", 0) == "unhealthy");
    REQUIRE(play.replacement("api", 0) != nullptr);
    CHECK(play.replacement("api", 0)->generation == Generation(1));
  }

  TEST_CASE("what cannot go back is not mixed with what would need the same port") {
    Play play;
    play.state().settings.start_parallel = 1;
    auto listening = MakeListeningSpec("api");
    listening->policy.instances = 3;
    play.Ask(Verb::kStart, {"api"}, {listening});
    play.OpenPools();
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {Instances(3)});
    play.Obey(play.token("api", 0));
    play.Happens(event::Started{play.token("api", 0), Pid(7)});
    play.End(play.token("api", 0), ExitStatus::Code(1));  // back, but the old one never was Ready
    REQUIRE(play.StateOf("api", 1) == "starting");
    REQUIRE(play.current("api", 1).generation == Generation(2));
    CHECK(play.StateOf("api", 2) == "failed");
    play.ConfirmSpawns();
    play.Answer("api/1", ProbeOutcome::kGood);
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kRolledBack);
  }

  // Each bind(2) of it waited for three seconds to be heard of; with a health check and less time
  // than that until it counted as Ready, every replacement turned bad in its turn.
  TEST_CASE("what was taken for a program without a port is not held up when it binds one later") {
    Play play;
    auto api = MakeCheckedSpec("api");
    api->policy.ready_by = ReadyBy::kListen;
    api->policy.auto_listen = AutoListen::kUnknown;
    api->policy.unhealthy_threshold = 1;
    play.Ask(Verb::kStart, {"api"}, {api});
    play.ConfirmSpawns();
    CHECK(IsToTellAddress(play.service("api"), Generation(1)));
    play.Pass(kBindsWithin);
    REQUIRE(play.StateOf("api") == "ready");
    play.Pass(api->policy.health_interval);
    play.Answer("api/0", ProbeOutcome::kBad);
    REQUIRE(play.replacement("api") != nullptr);
    CHECK_FALSE(IsToTellAddress(play.service("api"), Generation(1)));
  }

  TEST_CASE("a slot that came when the rollout had begun has its turn before it") {
    using Progress = Rollout::Progress;
    Rollout::Turns turns(1, Progress::kDone);
    CHECK(turns[3] == Progress::kTodo);
    CHECK_FALSE(turns.knows(3));
    turns.Set(3, Progress::kInProgress);
    CHECK(turns.each() ==
          std::vector{Progress::kDone, Progress::kTodo, Progress::kTodo, Progress::kInProgress});
  }
}

}  // namespace
}  // namespace oxherd
