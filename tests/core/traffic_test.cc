#include <doctest/doctest.h>

#include <algorithm>

#include "core/traffic.h"
#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;
using Sockets = std::vector<SocketNumber>;

std::shared_ptr<Spec> TwoInstances() {
  auto api = MakeListeningSpec("api");
  api->policy.instances = 2;
  return api;
}

event::PoolOpened Refused(const action::OpenPool& open, std::string why) {
  return {.service = open.service,
          .address = open.address,
          .width = 0,
          .shared = false,
          .error = std::move(why)};
}

TEST_SUITE("core: traffic") {
  TEST_CASE("without listen nothing of it is said") {
    Play play;
    play.Ask(Verb::kStart, {}, {MakeSpec("api")});
    play.ConfirmSpawns();
    play.Pass(2s);
    play.End(play.token("api"), ExitStatus::Code(1));
    play.Ask(Verb::kReload, {"api"}, {MakeSpec("api")});
    play.ConfirmSpawns();
    play.Pass(20s);
    CHECK(play.Take<action::OpenPool>().empty());
    CHECK(play.Take<action::Steer>().empty());
    CHECK(play.Take<action::WatchDrain>().empty());
    CHECK(play.Take<action::Sweep>().empty());
    CHECK_FALSE(play.service("api").traffic);
  }

  TEST_CASE("the sockets are open before anything is started") {
    Play play;
    play.Ask(Verb::kStart, {}, {TwoInstances()});
    const auto asked = play.Take<action::OpenPool>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].address == kAddress);
    CHECK(asked[0].width == 3);  // one more than instances: for the one that replaces
    CHECK(play.Take<action::Spawn>().empty());
    play.OpenPools();
    const auto spawned = play.Take<action::Spawn>();
    REQUIRE(spawned.size() == 2);
    CHECK(spawned[0].socket == SocketNumber(0));
    CHECK(spawned[1].socket == SocketNumber(1));
    // Clients wait for the lowest slot that will start.
    CHECK(play.Steered() == Sockets{0});
  }

  TEST_CASE("an address that cannot be opened fails the start, in the words of the error") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {TwoInstances()});
    const auto asked = play.Take<action::OpenPool>();
    REQUIRE(asked.size() == 1);
    play.Happens(Refused(asked[0], "nginx (pid 7) has the port"));
    CHECK(play.Take<action::Spawn>().empty());
    REQUIRE(play.IsAnswered(start));
    CHECK(play.Item(start).outcome == Outcome::kFailed);
    CHECK(play.Item(start).failure.kind == Failure::Kind::kListen);
    CHECK(play.Item(start).failure.text == "nginx (pid 7) has the port");
    CHECK(play.StateOf("api") == "failed");
    // Tried again later, by itself.
    play.Pass(300s);
    CHECK(play.Take<action::OpenPool>().size() == 1);
  }

  TEST_CASE("traffic goes to the ready ones, and to no other") {
    Play play;
    play.Ask(Verb::kStart, {}, {TwoInstances()});
    play.OpenPools();
    play.ConfirmSpawns();
    play.Answer("api/1", ProbeOutcome::kGood);
    CHECK(play.StateOf("api", 1) == "ready");
    CHECK(play.Steered() == Sockets{1});
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.Steered() == Sockets{0, 1});
  }

  TEST_CASE("a probe goes to the socket of the instance, and one answer is enough") {
    Play play;
    auto api = TwoInstances();
    api->policy.healthy_threshold = 3;
    play.Ask(Verb::kStart, {}, {api});
    play.OpenPools();
    play.ConfirmSpawns();
    const auto probes = play.Take<action::Probe>();
    REQUIRE(probes.size() == 2);
    CHECK(probes[0].socket == SocketNumber(0));
    CHECK(probes[1].socket == SocketNumber(1));
    play.Happens(
        event::Probed{.token = probes[0].token, .outcome = ProbeOutcome::kGood, .other = {}});
    CHECK(play.StateOf("api", 0) == "ready");
    CHECK(play.Take<action::Probe>().empty());
  }

  TEST_CASE("ready = notify waits for the instance's own word") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.ready_by = ReadyBy::kNotify;
    play.Ask(Verb::kStart, {}, {api});
    play.OpenPools();
    play.ConfirmSpawns();
    play.Happens(event::Notified{play.token("api"), event::Notified::Kind::kStatus});
    CHECK(play.StateOf("api") == "starting");
    play.Happens(event::Notified{play.token("api"), event::Notified::Kind::kReady});
    CHECK(play.StateOf("api") == "ready");
  }

  TEST_CASE("an unhealthy instance gets no traffic, unless all of them are unhealthy") {
    Play play;
    auto api = TwoInstances();
    api->policy.ready_by = ReadyBy::kHealth;
    api->policy.has_health = true;
    api->policy.unhealthy_threshold = 1;
    play.BringUp({api});
    play.Pass(30s);
    play.Answer("api/0", ProbeOutcome::kBad);
    CHECK(play.StateOf("api", 0) == "unhealthy");
    CHECK(play.Steered() == Sockets{1});
    play.Answer("api/1", ProbeOutcome::kBad);
    CHECK(play.Steered() == Sockets{0, 1});
  }

  TEST_CASE("one that drained while it was unhealthy is unhealthy when it is wanted again") {
    Play play;
    auto api = TwoInstances();
    api->policy.ready_by = ReadyBy::kHealth;
    api->policy.has_health = true;
    api->policy.healthy_threshold = 1;
    api->policy.unhealthy_threshold = 1;
    play.BringUp({api});
    play.Pass(30s);
    const Token bad = play.token("api", 0);
    play.Answer("api/0", ProbeOutcome::kBad);
    CHECK(play.StateOf("api", 0) == "unhealthy");
    REQUIRE(play.replacement("api", 0) != nullptr);
    const Token good = play.replacement("api", 0)->token();
    play.ConfirmSpawns();
    play.Pass(200ms);
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api", 0) == "draining");
    play.Happens(event::Exited{good, ExitStatus::Signal(9)});
    play.Happens(event::Gone{good});
    CHECK(play.token("api", 0) == bad);
    CHECK(play.StateOf("api", 0) == "unhealthy");
    CHECK(play.Steered() == Sockets{1});
    play.Pass(10ms);  // it is asked at once: it may be well by now
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api", 0) == "ready");
    CHECK(play.Steered() == Sockets{0, 1});
  }

  TEST_CASE("what comes after a crash gets the same socket, where clients wait for it") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    CHECK(play.Steered() == Sockets{0});
    play.Happens(event::Exited{play.token("api"), ExitStatus::Signal(9)});
    play.Happens(event::Gone{play.token("api")});
    const auto spawned = play.Take<action::Spawn>();
    REQUIRE(spawned.size() == 1);
    CHECK(spawned[0].socket == SocketNumber(0));
    CHECK(play.Steered() == Sockets{0});
    CHECK(play.Take<action::ClosePool>().empty());
    play.Pass(900ms);
    CHECK(play.Take<action::Sweep>().empty());
  }

  TEST_CASE("a restart keeps the sockets open and gives each slot the one it had") {
    Play play;
    play.BringUp({TwoInstances()});
    play.Ask(Verb::kRestart, {"api"}, {TwoInstances()});
    const Token first = play.token("api", 0);
    play.Obey(play.token("api", 1));
    play.Obey(first);
    const auto spawned = play.Take<action::Spawn>();
    REQUIRE(spawned.size() == 2);
    for (const action::Spawn& spawn : spawned) CHECK(spawn.socket == spawn.instance.slot);
    CHECK(play.Take<action::ClosePool>().empty());
  }

  TEST_CASE("the sockets are closed when the stop begins, not when it ends") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    play.Ask(Verb::kStop, {"api"});
    CHECK(play.StateOf("api") == "stopping");
    REQUIRE(play.Take<action::ClosePool>().size() == 1);
    play.Obey(play.token("api"));
    CHECK_FALSE(play.service("api").traffic);
  }

  TEST_CASE(
      "a start during a slow stop opens the sockets when those who stop have let go of them") {
    for (const Verb verb : {Verb::kStart, Verb::kRestart}) {
      CAPTURE(static_cast<int>(verb));
      Play play;
      play.BringUp({TwoInstances()});
      const Token first = play.token("api", 0);
      const Token second = play.token("api", 1);
      play.Ask(Verb::kStop, {"api"});
      const auto closed = play.Take<action::ClosePool>();
      REQUIRE(closed.size() == 1);
      CHECK(closed[0].copies == action::ClosePool::Copies::kServeOn);
      play.Forget();
      play.Ask(verb, {"api"}, {TwoInstances()});
      play.Obey(first);
      CHECK(play.Take<action::OpenPool>().empty());
      play.Obey(second);
      CHECK(play.Take<action::OpenPool>().size() == 1);
      play.OpenPools();
      CHECK(play.Take<action::Spawn>().size() == 2);
    }
  }

  TEST_CASE("a service that stops after its dependents keeps its sockets until its turn") {
    Play play;
    auto web = MakeSpec("web");
    web->policy.depends_on = {{.service = "api"}};
    play.BringUp({MakeListeningSpec("api"), web});
    play.Ask(Verb::kStop, {"api", "web"});
    CHECK(play.Take<action::ClosePool>().empty());
    play.Obey(play.token("web"));
    CHECK(play.Take<action::ClosePool>().size() == 1);
  }

  TEST_CASE("when nothing lives and the next start is far away, clients are refused at once") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.restart_delay = 5s;
    play.BringUp({api});
    play.End(play.token("api"), ExitStatus::Code(1));
    CHECK(play.StateOf("api") == "backoff");
    CHECK(play.Take<action::ClosePool>().empty());  // five seconds are waited for
    play.Pass(5s);
    play.ConfirmSpawns();
    api->policy.restart_delay = 5001ms;
    play.Ask(Verb::kRestart, {"api"}, {api});
    play.Obey(play.token("api"));
    play.OpenPools();
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Forget();
    play.End(play.token("api"), ExitStatus::Code(1));
    CHECK(play.Take<action::ClosePool>().size() == 1);
    // And opened again before the next start.
    play.Forget();
    play.Pass(5001ms);
    CHECK(play.Take<action::OpenPool>().size() == 1);
    CHECK(play.Take<action::Spawn>().empty());
    play.OpenPools();
    CHECK(play.Take<action::Spawn>().size() == 1);
  }

  TEST_CASE("the queue of one that will not come back soon is emptied while others serve") {
    Play play;
    auto api = TwoInstances();
    api->policy.restart_delay = 3s;
    play.BringUp({api});
    play.End(play.token("api", 0), ExitStatus::Code(1));
    CHECK(play.Steered() == Sockets{1});
    play.Pass(999ms);
    CHECK(play.Take<action::Sweep>().empty());
    play.Pass(1ms);
    const auto swept = play.Take<action::Sweep>();
    REQUIRE(swept.size() == 1);
    CHECK(swept[0].socket == 0);
    CHECK(swept[0].idle == Sockets{0, 2});  // where nobody is, should they be moved
    play.Pass(1s);
    CHECK(play.Take<action::Sweep>().size() == 1);
    play.Pass(10s);  // it lives again
    play.ConfirmSpawns();
    play.Forget();
    play.Pass(5s);
    CHECK(play.Take<action::Sweep>().empty());
  }

  TEST_CASE("a program that wants IPv4: the pool is opened again, and the start is not counted") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {TwoInstances()});
    play.OpenPools();
    play.ConfirmSpawns();
    const Token first = play.token("api", 0);
    const Token second = play.token("api", 1);
    play.Forget();
    play.Happens(event::AddressRefused{.token = first,
                                       .address = std::string(kAddress),
                                       .why = event::AddressRefused::Why::kFamily,
                                       .wanted = "0.0.0.0:3000"});
    CHECK(play.Take<action::ClosePool>().size() == 1);
    CHECK(play.Take<action::Kill>().size() == 2);
    CHECK(play.Told(action::Tell::Kind::kReopened));
    play.End(first, ExitStatus::Code(1));
    play.End(second, ExitStatus::Code(1));
    const auto asked = play.Take<action::OpenPool>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].address == "tcp:0.0.0.0:3000");
    play.OpenPools();
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Answer("api/1", ProbeOutcome::kGood);
    REQUIRE(play.IsAnswered(start));
    CHECK(play.Item(start).outcome == Outcome::kStarted);
    CHECK(play.current("api").crashes == 0);
    CHECK(OpenAddresses(play.service("api"), Generation(1)) ==
          std::vector<std::string>{"tcp:0.0.0.0:3000"});
  }

  TEST_CASE("a program that wants a narrower address fails at once, and is told how to mend it") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {MakeListeningSpec("api")});
    play.OpenPools();
    play.ConfirmSpawns();
    play.Happens(event::AddressRefused{.token = play.token("api"),
                                       .address = std::string(kAddress),
                                       .why = event::AddressRefused::Why::kWidth,
                                       .wanted = "127.0.0.1:3000"});
    play.End(play.token("api"), ExitStatus::Code(1));
    CHECK(play.StateOf("api") == "failed");
    REQUIRE(play.IsAnswered(start));
    CHECK(play.Item(start).failure.kind == Failure::Kind::kBindWidth);
    CHECK(play.Item(start).failure.text == "127.0.0.1:3000");
  }

  TEST_CASE("an instance is taken out of traffic by hand, and back") {
    Play play;
    play.BringUp({TwoInstances()});
    const RequestId drain = play.Ask(Verb::kDrain, {"api/0"});
    CHECK(play.Steered() == Sockets{1});
    CHECK(play.StateOf("api", 0) == "ready");
    const auto watched = play.Take<action::WatchDrain>();
    REQUIRE(watched.size() == 1);
    CHECK_FALSE(play.IsAnswered(drain));
    play.Happens(event::Drained{watched[0].token});
    REQUIRE(play.IsAnswered(drain));
    CHECK(play.Item(drain).outcome == Outcome::kDone);
    SUBCASE("resume") {
      const RequestId resume = play.Ask(Verb::kResume, {"api/0"});
      CHECK(play.Item(resume).outcome == Outcome::kDone);
      CHECK(play.Steered() == Sockets{0, 1});
    }
    SUBCASE("the last one stays, unless it is forced") {
      const RequestId refused = play.Ask(Verb::kDrain, {"api/1"});
      CHECK(play.Item(refused).failure.kind == Failure::Kind::kLastInTraffic);
      CHECK(play.Steered() == Sockets{1});
      event::Request request;
      request.verb = Verb::kDrain;
      request.names = {"api/1"};
      request.forced = true;
      play.Ask(request);
      CHECK(play.Steered() == Sockets{2});  // where nobody accepts
      play.Pass(1s);
      const auto swept = play.Take<action::Sweep>();
      REQUIRE_FALSE(swept.empty());
      CHECK(swept[0].socket == 2);
      CHECK(swept[0].idle.empty());  // nobody is there to move them to
    }
    SUBCASE("it stays out through a crash") {
      play.End(play.token("api", 0), ExitStatus::Code(1));
      play.ConfirmSpawns();
      play.Answer("api/0", ProbeOutcome::kGood);
      CHECK(play.StateOf("api", 0) == "ready");
      CHECK(play.Steered() == Sockets{1});
    }
  }

  TEST_CASE("a drain by hand ends at drain_max, whatever is still under way") {
    Play play;
    play.BringUp({TwoInstances()});
    const RequestId drain = play.Ask(Verb::kDrain, {"api/0"});
    play.Pass(4999ms);
    CHECK_FALSE(play.IsAnswered(drain));
    play.Pass(1ms);
    CHECK(play.IsAnswered(drain));
  }

  TEST_CASE("an instance that is stopped alone drains first, while others serve") {
    Play play;
    play.BringUp({TwoInstances()});
    play.Ask(Verb::kStop, {"api/1"});
    CHECK(play.StateOf("api", 1) == "draining");
    CHECK(play.Steered() == Sockets{0});
    SUBCASE("and is told to stop when it is drained") {
      play.Happens(event::Drained{play.token("api", 1)});
      CHECK(play.StateOf("api", 1) == "stopping");
    }
    SUBCASE("and is back in traffic when it is started meanwhile") {
      play.Ask(Verb::kStart, {"api/1"});
      CHECK(play.StateOf("api", 1) == "ready");
      CHECK(play.Steered() == Sockets{0, 1});
    }
  }

  TEST_CASE("restarting one instance replaces it beside itself") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    const RequestId restart = play.Ask(Verb::kRestart, {"api/0"});
    CHECK(play.StateOf("api") == "ready");
    REQUIRE(play.replacement("api") != nullptr);
    play.ConfirmSpawns();
    SUBCASE("and the caller hears of it when the old one is gone") {
      play.Answer("api/0", ProbeOutcome::kGood);
      const Token old = play.token("api");
      play.Happens(event::Drained{old});
      play.Pass(1s);
      play.Obey(old);
      REQUIRE(play.IsAnswered(restart));
      CHECK(play.Item(restart).outcome == Outcome::kStarted);
    }
    SUBCASE("and the old one stays when the new one fails") {
      play.End(play.replacement("api")->token(), ExitStatus::Code(1));
      CHECK(play.StateOf("api") == "ready");
      REQUIRE(play.IsAnswered(restart));
      CHECK(play.Item(restart).outcome == Outcome::kFailed);
    }
  }

  TEST_CASE("a new daemon opens, steers and watches again what its predecessor did") {
    Play play;
    play.BringUp({TwoInstances()});
    play.Ask(Verb::kDrain, {"api/0"});
    play.Forget();
    World world;
    for (SlotIndex slot = 0; slot < 2; ++slot) {
      WorldRecord& record = world.emplace_back();
      record.token = play.token("api", slot);
      record.instance = {"api", slot};
      record.generation = Generation(1);
      record.pid = Pid(7);
      record.spawned_at = play.now();
    }
    Actions actions;
    Restore(play.state(), world, play.now(), actions);
    REQUIRE_FALSE(actions.empty());
    const auto* open = std::get_if<action::OpenPool>(&actions.front());
    REQUIRE(open != nullptr);
    CHECK(open->width == 3);
    const auto says = [&](const auto& which) {
      using A = std::decay_t<decltype(which)>;
      return std::ranges::any_of(
          actions, [](const Action& action) { return std::holds_alternative<A>(action); });
    };
    CHECK(says(action::Steer{}));
    CHECK(says(action::WatchDrain{}));
  }
}

}  // namespace
}  // namespace oxherd
