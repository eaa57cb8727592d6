#include <doctest/doctest.h>

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

TEST_SUITE("core: traffic in a reload") {
  TEST_CASE("no client reaches the new one before min_uptime of Ready; then none the old one") {
    Play play;
    play.BringUp({TwoInstances()});
    play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    CHECK(play.Steered() == Sockets{0, 1});
    CHECK(play.replacement("api", 0)->socket == SocketNumber(2));
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.replacement("api", 0)->is_ready());
    play.Pass(999ms);
    CHECK(play.Steered() == Sockets{0, 1});
    CHECK(play.Take<action::WatchDrain>().empty());
    play.Pass(1ms);
    CHECK(play.Steered() == Sockets{1, 2});
    const auto watched = play.Take<action::WatchDrain>();
    REQUIRE(watched.size() == 1);
    CHECK(watched[0].token == play.token("api", 0));
    CHECK(watched[0].socket == 0);
  }

  TEST_CASE("the old one is told to stop when it is drained") {
    Play play;
    play.BringUp({TwoInstances()});
    const Token old = play.token("api", 0);
    play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Happens(event::Drained{old});  // it has not begun to
    play.Pass(1s);
    REQUIRE(play.StateOf("api", 0) == "draining");
    CHECK(play.Take<action::Stop>().empty());
    SUBCASE("drained early") {
      play.Happens(event::Drained{old});
      CHECK(play.Take<action::Stop>().size() == 1);
    }
    SUBCASE("drained late") {
      play.Pass(3s);
      CHECK(play.Take<action::Stop>().empty());
      play.Happens(event::Drained{old});
      CHECK(play.Take<action::Stop>().size() == 1);
    }
    SUBCASE("never drained") {
      play.Pass(4999ms);
      CHECK(play.Take<action::Stop>().empty());
      play.Pass(1ms);
      CHECK(play.Take<action::Stop>().size() == 1);
    }
  }

  TEST_CASE("a new one that is well for a moment and dies never had a client") {
    Play play;
    play.BringUp({TwoInstances()});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(999ms);
    REQUIRE(play.replacement("api")->is_ready());
    play.Forget();
    play.End(play.replacement("api")->token(), ExitStatus::Code(1));
    CHECK(play.Take<action::Steer>().empty());
    CHECK(play.StateOf("api") == "ready");
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kRolledBack);
    CHECK(play.current("api").generation == Generation(1));
    play.Pass(100s);
    CHECK(play.Take<action::Sweep>().empty());
  }

  TEST_CASE("one on trial gets the clients when nobody else is well") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    play.Ask(Verb::kReload, {"api"}, {MakeListeningSpec("api")});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.Steered() == Sockets{0});
    SUBCASE("as the old one has crashed") {
      play.Happens(event::Exited{play.token("api"), ExitStatus::Signal(9)});
      CHECK(play.Steered() == Sockets{1});
      play.Happens(event::Gone{play.token("api")});
      CHECK(play.current("api").generation == Generation(2));
      CHECK(play.Steered() == Sockets{1});
    }
    SUBCASE("as the old one was taken out by hand") {
      event::Request drain;
      drain.verb = Verb::kDrain;
      drain.names = {"api/0"};
      drain.forced = true;
      play.Ask(drain);
      CHECK(play.Steered() == Sockets{1});
    }
  }

  TEST_CASE("a new one in the place of one that went first is on trial while old ones serve") {
    Play play;
    auto api = TwoInstances();
    api->policy.reload_strategy = ReloadStrategy::kStopFirst;
    play.BringUp({api});
    play.Ask(Verb::kReload, {"api"}, {api});
    play.Happens(event::Drained{play.token("api", 0)});
    play.Obey(play.token("api", 0));
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api", 0) == "ready");
    CHECK(play.Steered() == Sockets{1});
    SUBCASE("for min_uptime") {
      play.Pass(1s);
      // And then it is the turn of the other one, which leaves.
      CHECK(play.Steered() == Sockets{0});
      play.Happens(event::Drained{play.token("api", 1)});
      play.Obey(play.token("api", 1));
      play.ConfirmSpawns();
      play.Answer("api/1", ProbeOutcome::kGood);
      CHECK(play.Steered() == Sockets{0, 1});  // no old one is left
    }
    SUBCASE("and not one request is lost with it") {
      play.Pass(500ms);
      play.Forget();
      play.End(play.token("api", 0), ExitStatus::Code(1));
      CHECK(play.Take<action::Steer>().empty());
    }
  }

  TEST_CASE("the new one dies while the old one drains: traffic goes back in the same turn") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    play.Ask(Verb::kReload, {"api"}, {MakeListeningSpec("api")});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    CHECK(play.Steered() == Sockets{1});
    play.Happens(event::Exited{play.replacement("api")->token(), ExitStatus::Code(1)});
    CHECK(play.StateOf("api") == "ready");
    CHECK(play.Steered() == Sockets{0});
  }

  TEST_CASE("a socket is given to the next one only when the old tree is gone") {
    Play play;
    play.BringUp({TwoInstances()});
    const Token old = play.token("api", 0);
    play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    play.Happens(event::Drained{old});
    play.Happens(event::Exited{old, ExitStatus::Code(0)});
    play.Forget();
    play.Pass(1s);
    CHECK(play.Take<action::Spawn>().empty());  // its workers may still accept
    play.Happens(event::Gone{old});
    const auto spawned = play.Take<action::Spawn>();
    REQUIRE(spawned.size() == 1);
    CHECK(spawned[0].instance.slot == 1);
    CHECK(spawned[0].socket == SocketNumber(0));
  }

  TEST_CASE("what is left in the socket of the old one is reset until no handshake can end there") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    const Token old = play.token("api");
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {MakeListeningSpec("api")});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    play.Happens(event::Drained{old});
    play.Obey(old);
    REQUIRE(play.IsAnswered(reload));
    play.Pass(1s);
    CHECK(play.Take<action::Sweep>().size() == 1);
    play.Pass(70s);
    CHECK(play.Take<action::Sweep>().size() > 30);
    play.Pass(60s);
    CHECK(play.Take<action::Sweep>().empty());
    CHECK(NextDeadline(play.state()) == kNever);  // and then nothing happens any more
  }

  TEST_CASE("the pools of a new address are opened first; if that fails nothing has changed") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    auto target = MakeListeningSpec("api");
    target->policy.listen.push_back({.address = "tcp:0.0.0.0:9000"});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {target});
    const auto asked = play.Take<action::OpenPool>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].address == "tcp:0.0.0.0:9000");
    CHECK(play.replacement("api") == nullptr);
    SUBCASE("it is taken") {
      play.Happens(event::PoolOpened{.service = "api",
                                     .address = "tcp:0.0.0.0:9000",
                                     .width = 0,
                                     .shared = false,
                                     .error = "taken"});
      REQUIRE(play.IsAnswered(reload));
      CHECK(play.Item(reload).outcome == Outcome::kFailed);
      CHECK(play.Item(reload).failure.kind == Failure::Kind::kListen);
      CHECK(play.Take<action::Spawn>().empty());
      CHECK(play.Steered() == Sockets{0});
    }
    SUBCASE("the old ones have it themselves: they go first, this once") {
      play.Happens(event::PoolOpened{.service = "api",
                                     .address = "tcp:0.0.0.0:9000",
                                     .width = 0,
                                     .shared = false,
                                     .error = "taken",
                                     .is_own = true});
      CHECK(play.Told(action::Tell::Kind::kStopsFirst));
      CHECK(play.Take<action::Spawn>().empty());
      CHECK(play.Take<action::Stop>().size() == 1);
      play.Obey(play.token("api"));
      const auto again = play.Take<action::OpenPool>();
      REQUIRE(again.size() == 1);
      CHECK(again[0].address == "tcp:0.0.0.0:9000");
      CHECK(play.Take<action::ClosePool>().empty());  // clients wait at the other one
      play.OpenPools();
      play.ConfirmSpawns();
      play.Answer("api/0", ProbeOutcome::kGood);
      play.Pass(1s);
      REQUIRE(play.IsAnswered(reload));
      CHECK(play.Item(reload).outcome == Outcome::kReloaded);
    }
    SUBCASE("it is open") {
      play.OpenPools();
      play.ConfirmSpawns();
      CHECK(play.Steered("tcp:0.0.0.0:9000") == Sockets{1});
      CHECK(play.Steered() == Sockets{0});
      play.Answer("api/0", ProbeOutcome::kGood);
      play.Pass(1s);
      CHECK(play.Steered() == Sockets{1});
    }
  }

  TEST_CASE("an address that is no longer listed is closed when its last instance is gone") {
    Play play;
    auto both = MakeListeningSpec("api");
    both->policy.listen.push_back({.address = "tcp:0.0.0.0:9000"});
    play.BringUp({both});
    const Token old = play.token("api");
    play.Ask(Verb::kReload, {"api"}, {MakeListeningSpec("api")});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    play.Happens(event::Drained{old});
    CHECK(play.Take<action::ClosePool>().empty());
    play.Obey(old);
    const auto closed = play.Take<action::ClosePool>();
    REQUIRE(closed.size() == 1);
    CHECK(closed[0].address == "tcp:0.0.0.0:9000");
  }

  TEST_CASE(
      "adding listen is one stop-first reload: all the old ones go before the port is opened") {
    Play play;
    auto before = MakeSpec("api");
    before->policy.instances = 2;
    play.BringUp({before});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    CHECK(play.Told(action::Tell::Kind::kStopsFirst));
    CHECK(play.Take<action::OpenPool>().empty());
    CHECK(play.Take<action::Stop>().size() == 2);
    play.Obey(play.token("api", 0));
    CHECK(play.Take<action::OpenPool>().empty());
    play.Obey(play.token("api", 1));
    CHECK(play.Take<action::OpenPool>().size() == 1);
    SUBCASE("and it goes on with no gap from then on") {
      play.OpenPools();
      play.ConfirmSpawns();
      play.Answer("api/0", ProbeOutcome::kGood);
      play.Answer("api/1", ProbeOutcome::kGood);
      play.Pass(1s);
      REQUIRE(play.IsAnswered(reload));
      CHECK(play.Item(reload).outcome == Outcome::kReloaded);
    }
    SUBCASE("and the old spec is started again if somebody else has the port by then") {
      play.Happens(event::PoolOpened{.service = "api",
                                     .address = std::string(kAddress),
                                     .width = 0,
                                     .shared = false,
                                     .error = "taken"});
      play.ConfirmSpawns();
      play.Pass(3s);
      REQUIRE(play.IsAnswered(reload));
      CHECK(play.Item(reload).outcome == Outcome::kRolledBack);
      CHECK(play.current("api", 0).generation == Generation(1));
      CHECK(play.StateOf("api", 0) == "ready");
    }
  }

  TEST_CASE("taking listen away closes the sockets before the new ones start") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    play.Ask(Verb::kReload, {"api"}, {MakeSpec("api")});
    CHECK(play.StateOf("api") == "stopping");
    CHECK(play.Take<action::ClosePool>().empty());
    CHECK(play.Take<action::Spawn>().empty());
    play.Obey(play.token("api"));
    CHECK(play.Take<action::ClosePool>().size() == 1);
    const auto spawned = play.Take<action::Spawn>();
    REQUIRE(spawned.size() == 1);
    CHECK_FALSE(spawned[0].socket);
  }

  TEST_CASE("a service that is scaled down drains what it gives up") {
    Play play;
    play.BringUp({TwoInstances()});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {MakeListeningSpec("api")});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    const Token old = play.token("api", 0);
    play.Pass(1s);
    play.Happens(event::Drained{old});
    play.Obey(old);
    CHECK(play.StateOf("api", 1) == "draining");
    const Token surplus = play.token("api", 1);
    play.Happens(event::Drained{surplus});
    CHECK(play.StateOf("api", 1) == "stopping");
    play.Obey(surplus);
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.service("api").slots.size() == 1);
  }

  TEST_CASE("a wider reload gets its sockets before it begins") {
    Play play;
    play.BringUp({MakeListeningSpec("api")});
    play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    const auto asked = play.Take<action::OpenPool>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].width == 3);
    CHECK(play.Take<action::Spawn>().empty());
    play.OpenPools();
    CHECK(play.Take<action::Spawn>().size() == 1);
  }
}

}  // namespace
}  // namespace oxherd
