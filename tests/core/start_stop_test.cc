#include <doctest/doctest.h>

#include <csignal>

#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;
using Tell = action::Tell;

TEST_SUITE("core: start and stop") {
  TEST_CASE("a service is spawned at once and ready after min_uptime") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {MakeSpec("api")});
    CHECK(play.Take<action::Spawn>().size() == 1);
    CHECK(play.StateOf("api") == "starting");
    play.ConfirmSpawns();
    play.Pass(999ms);
    CHECK(play.StateOf("api") == "starting");
    CHECK_FALSE(play.IsAnswered(start));
    play.Pass(1ms);
    CHECK(play.StateOf("api") == "ready");
    REQUIRE(play.IsAnswered(start));
    CHECK(play.Item(start).outcome == Outcome::kStarted);
  }

  TEST_CASE("a stop signals, and is finished when the tree is gone, not before") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const Token token = play.token("api");
    const RequestId stop = play.Ask(Verb::kStop, {"api"});
    const auto signals = play.Take<action::Stop>();
    REQUIRE(signals.size() == 1);
    CHECK(signals[0].token == token);
    CHECK(signals[0].signal == SIGTERM);
    CHECK(signals[0].kill_at == play.now() + 10s);
    play.Happens(event::Exited{token, ExitStatus::Code(0)});
    CHECK_FALSE(play.IsAnswered(stop));
    play.Happens(event::Gone{token});
    CHECK(play.StateOf("api") == "stopped");
    REQUIRE(play.IsAnswered(stop));
    CHECK(play.Item(stop).outcome == Outcome::kStopped);
  }

  TEST_CASE(
      "what outlives SIGKILL by five seconds is shown as unkillable, and whoever waits is told") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const RequestId stop = play.Ask(Verb::kStop, {"api"});
    play.Pass(10s);
    CHECK(play.StateOf("api") == "killing");
    CHECK(play.Take<action::Kill>().empty());  // the keeper carries out kill_at, nobody else
    play.Pass(5s);
    CHECK(play.Told(Tell::Kind::kUnkillable));
    REQUIRE(play.IsAnswered(stop));
    CHECK(play.Item(stop).outcome == Outcome::kFailed);
    CHECK(play.Item(stop).failure.kind == Failure::Kind::kUnkillable);
  }

  TEST_CASE("a start during a stop is remembered; two copies never run") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const Token old = play.token("api");
    const RequestId stop = play.Ask(Verb::kStop, {"api"});
    const RequestId start = play.Ask(Verb::kStart, {"api"});
    CHECK(play.Take<action::Spawn>().empty());
    play.Obey(old);
    CHECK(play.Take<action::Spawn>().size() == 1);
    CHECK(play.Item(stop).outcome == Outcome::kStopped);
    play.ConfirmSpawns();
    play.Pass(1s);
    CHECK(play.Item(start).outcome == Outcome::kStarted);
  }

  TEST_CASE("a restart stops, then starts, and is answered when the new one is ready") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const Token old = play.token("api");
    const RequestId restart = play.Ask(Verb::kRestart, {"api"});
    CHECK(play.StateOf("api") == "stopping");
    play.Obey(old);
    play.ConfirmSpawns();
    CHECK(play.token("api") > old);
    CHECK_FALSE(play.IsAnswered(restart));
    play.Pass(1s);
    REQUIRE(play.IsAnswered(restart));
    CHECK(play.Item(restart).outcome == Outcome::kStarted);
  }

  TEST_CASE("stop twice: both callers get the result") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const Token token = play.token("api");
    const RequestId first = play.Ask(Verb::kStop, {"api"});
    const RequestId second = play.Ask(Verb::kStop, {"api"});
    CHECK(play.Take<action::Stop>().size() == 1);
    play.Obey(token);
    CHECK(play.Item(first).outcome == Outcome::kStopped);
    CHECK(play.Item(second).outcome == Outcome::kStopped);
  }

  TEST_CASE("the same request id twice is one request") {
    Play play;
    event::Request request;
    request.id = RequestId(99);
    request.verb = Verb::kStart;
    request.specs = {MakeSpec("api")};
    play.Ask(request);
    play.Ask(request);
    CHECK(play.Take<action::Spawn>().size() == 1);
    CHECK(play.state().requests.size() == 1);
  }

  TEST_CASE("a start widens to what is missing and waits until it is ready") {
    Play play;
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "api", .kind = DependencyKind::kReady}};
    const RequestId start = play.Ask(Verb::kStart, {"worker"}, {MakeCheckedSpec("api"), worker});
    play.ConfirmSpawns();
    CHECK(play.StateOf("worker") == "waiting");
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api") == "ready");
    CHECK(play.StateOf("worker") == "starting");
    play.ConfirmSpawns();
    play.Pass(1s);
    CHECK(play.Item(start, "worker").outcome == Outcome::kStarted);
  }

  TEST_CASE("if a dependency fails, the waiting start is answered at once") {
    Play play;
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "api", .kind = DependencyKind::kReady}};
    const RequestId start = play.Ask(Verb::kStart, {}, {MakeSpec("api"), worker});
    play.ConfirmSpawns();
    play.End(play.token("api"), ExitStatus::Code(1));
    REQUIRE(play.IsAnswered(start));
    CHECK(play.Item(start, "api").failure.kind == Failure::Kind::kExited);
    CHECK(play.Item(start, "worker").failure.kind == Failure::Kind::kDependency);
    CHECK(play.Item(start, "worker").failure.service == "api");
  }

  TEST_CASE("a start is answered also when what failed is two dependencies away") {
    Play play;
    auto middle = MakeSpec("middle");
    middle->policy.depends_on = {{.service = "api", .kind = DependencyKind::kReady}};
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "middle", .kind = DependencyKind::kReady}};
    auto api = MakeSpec("api");
    api->policy.restart = RestartPolicy::kNo;
    play.Ask(Verb::kStart, {}, {api, middle, worker});
    const RequestId restart = play.Ask(Verb::kRestart, {"worker"});
    play.ConfirmSpawns();
    play.End(play.token("api"), ExitStatus::Code(1));
    REQUIRE(play.IsAnswered(restart));
    CHECK(play.Item(restart).failure.kind == Failure::Kind::kDependency);
    CHECK(play.Item(restart).failure.service == "middle");
  }

  TEST_CASE("stopping several: those who depend go first") {
    Play play;
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "api", .kind = DependencyKind::kReady}};
    play.BringUp({MakeSpec("api"), worker});
    play.Ask(Verb::kStop, {"api", "worker"});
    CHECK(play.StateOf("worker") == "stopping");
    CHECK(play.StateOf("api") == "ready");
    play.Obey(play.token("worker"));
    CHECK(play.StateOf("api") == "stopping");
  }

  TEST_CASE("a stop touches nothing but what it names") {
    Play play;
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "api", .kind = DependencyKind::kReady}};
    play.BringUp({MakeSpec("api"), worker});
    play.Ask(Verb::kStop, {"api"});
    CHECK(play.StateOf("api") == "stopping");
    CHECK(play.StateOf("worker") == "ready");
  }

  TEST_CASE("delete stops and forgets") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const RequestId removed = play.Ask(Verb::kDelete, {"api"});
    play.Obey(play.token("api"));
    CHECK(play.state().Find("api") == nullptr);
    CHECK(play.Item(removed).outcome == Outcome::kStopped);
  }

  TEST_CASE("a oneshot is done when it exits 0 and lets its dependents start") {
    Play play;
    auto migrate = MakeSpec("migrate");
    migrate->policy.type = ServiceType::kOneshot;
    migrate->policy.ready_by = ReadyBy::kExit;
    migrate->policy.ready_timeout.reset();
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "migrate", .kind = DependencyKind::kReady}};
    const RequestId start = play.Ask(Verb::kStart, {}, {migrate, worker});
    play.ConfirmSpawns();
    CHECK(play.StateOf("worker") == "waiting");
    play.End(play.token("migrate"), ExitStatus::Code(0));
    CHECK(play.StateOf("migrate") == "exited");
    CHECK(play.StateOf("worker") == "starting");
    CHECK(play.Item(start, "migrate").outcome == Outcome::kDone);
  }

  TEST_CASE("a pre_stop_cmd runs before the stop signal, whose deadline counts from the signal") {
    Play play;
    auto api = MakeSpec("api");
    api->policy.has_pre_stop = true;
    play.BringUp({api});
    play.Ask(Verb::kStop, {"api"});
    CHECK(play.Take<action::Stop>().empty());
    const Token hook = play.service("api").hooks.at(0).token;
    play.Pass(2s);
    play.Happens(event::Exited{hook, ExitStatus::Code(0)});
    play.Happens(event::Gone{hook});
    const auto signals = play.Take<action::Stop>();
    REQUIRE(signals.size() == 1);
    CHECK(signals[0].kill_at == play.now() + 10s);
  }

  TEST_CASE("a pre_stop_cmd that hangs is killed at its own deadline, then the signal is sent") {
    Play play;
    auto api = MakeSpec("api");
    api->policy.has_pre_stop = true;
    play.BringUp({api});
    play.Ask(Verb::kStop, {"api"});
    const Token hook = play.service("api").hooks.at(0).token;
    play.Pass(10s);
    const auto kills = play.Take<action::Kill>();
    REQUIRE(kills.size() == 1);
    CHECK(kills[0].token == hook);
    CHECK(play.Take<action::Stop>().size() == 1);
  }

  TEST_CASE("a shutdown stops everything and changes nothing of what is wanted") {
    Play play;
    play.BringUp({MakeSpec("api")});
    event::Request request;
    request.verb = Verb::kShutdown;
    const RequestId id = play.Ask(request);
    CHECK(play.StateOf("api") == "stopping");
    CHECK_FALSE(ShutdownFinished(play.state()));
    play.Obey(play.token("api"));
    CHECK(ShutdownFinished(play.state()));
    CHECK(play.service("api").wish == Wish::kRunning);
    CHECK(play.Take<action::Spawn>().empty());
    CHECK(play.IsAnswered(id));
  }
}

}  // namespace
}  // namespace oxherd
