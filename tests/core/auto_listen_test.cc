// listen = "auto": the address is found by the first instance, and shared by all.
#include "core/auto_listen.h"

#include <doctest/doctest.h>

#include "core/traffic.h"
#include "tests/core/play.h"

namespace oxherd {
namespace {

using Why = event::AddressRefused::Why;

std::shared_ptr<Spec> MakeAuto(std::uint16_t instances = 3) {
  auto spec = MakeSpec("api");
  spec->policy.instances = instances;
  spec->policy.ready_by = ReadyBy::kListen;
  spec->policy.auto_listen = AutoListen::kUnknown;
  return spec;
}

void Binds(Play& play, Token token, const std::string& address) {
  play.Happens(event::AddressRefused{
      .token = token, .address = {}, .why = Why::kUnlisted, .wanted = address});
}

// The first instance finds the address, and all of them come up with it.
RequestId BringUpAt(Play& play, const std::string& address) {
  const RequestId start = play.Ask(Verb::kStart, {}, {MakeAuto()});
  play.ConfirmSpawns();
  const Token finder = play.token("api");
  Binds(play, finder, address);
  play.End(finder, ExitStatus::Signal(9));
  for (int round = 0; round < 5 && !play.IsAnswered(start); ++round) {
    play.OpenPools();
    play.ConfirmSpawns();
    for (const char* name : {"api/0", "api/1", "api/2"}) play.Answer(name, ProbeOutcome::kGood);
    play.Pass(Millis(500));
  }
  REQUIRE(play.IsAnswered(start));
  return start;
}

TEST_SUITE("core: listen = \"auto\"") {
  TEST_CASE("the first instance starts alone; what it binds is opened, and all share it") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {MakeAuto()});
    const auto spawns = play.Take<action::Spawn>();
    REQUIRE(spawns.size() == 1);
    CHECK(spawns[0].instance.slot == 0);
    CHECK_FALSE(spawns[0].socket);
    play.ConfirmSpawns();
    CHECK(play.Take<action::Probe>().empty());  // there is nothing to ask yet
    Binds(play, spawns[0].token, "[::]:3000");
    CHECK(play.Told(action::Tell::Kind::kAddressFound));
    CHECK(play.Take<action::Kill>().size() == 1);
    play.End(spawns[0].token, ExitStatus::Signal(9));
    const auto pools = play.Take<action::OpenPool>();
    REQUIRE(pools.size() == 1);
    CHECK(pools[0].address == "tcp:[::]:3000");
    play.OpenPools();
    const auto again = play.Take<action::Spawn>();
    REQUIRE(again.size() == 3);
    for (const action::Spawn& spawn : again) CHECK(spawn.socket.has_value());
    play.ConfirmSpawns();
    for (const char* name : {"api/0", "api/1", "api/2"}) play.Answer(name, ProbeOutcome::kGood);
    CHECK(play.Item(start).outcome == Outcome::kStarted);
    CHECK(play.current("api").crashes == 0);
    CHECK(play.service("api").spec().policy.auto_listen == AutoListen::kFound);
  }

  TEST_CASE("a program that binds nothing is one without a port, and its instances all start") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {MakeAuto()});
    play.ConfirmSpawns();
    play.Pass(kBindsWithin - Millis(100));
    CHECK(play.StateOf("api") == "starting");
    CHECK(play.StateOf("api", 1) == "waiting");
    play.Pass(Millis(200));
    CHECK(play.StateOf("api") == "ready");
    play.ConfirmSpawns();
    // From now on what it binds is its own affair.
    Binds(play, play.token("api", 1), "0.0.0.0:9000");
    CHECK(play.Take<action::OpenPool>().empty());
    play.Pass(kBindsWithin);
    CHECK(play.Item(start).outcome == Outcome::kStarted);
  }

  TEST_CASE("one that dies before it has bound anything is a crash, and the next try finds it") {
    Play play;
    play.Ask(Verb::kStart, {}, {MakeAuto()});
    play.ConfirmSpawns();
    const Token first = play.token("api");
    play.End(first, ExitStatus::Code(1));
    CHECK(play.current("api").crashes == 1);
    play.Pass(Millis(300));
    play.ConfirmSpawns();
    CHECK(play.StateOf("api", 1) == "waiting");
    REQUIRE(play.token("api") != first);
    Binds(play, play.token("api"), "127.0.0.1:3000");
    play.End(play.token("api"), ExitStatus::Signal(9));
    CHECK(play.current("api").crashes == 1);
    CHECK(OpenAddresses(play.service("api"), Generation(1)) ==
          std::vector<std::string>{"tcp:127.0.0.1:3000"});
  }

  TEST_CASE("what was found goes into the spec of the next generation, and may move there") {
    Play play;
    BringUpAt(play, "[::]:3000");
    auto same = MakeAuto();
    KeepFoundAddress(*same, play.service("api").spec(), Runs::kYes);
    CHECK(*same == play.service("api").spec());  // an apply leaves it alone

    auto changed = MakeAuto();
    changed->env = {{"PORT", "4000"}};
    KeepFoundAddress(*changed, play.service("api").spec(), Runs::kYes);
    CHECK(changed->policy.auto_listen == AutoListen::kAssumed);
    play.Forget();
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {changed});
    play.OpenPools();
    play.ConfirmSpawns();
    const Instance* newcomer = play.replacement("api");
    REQUIRE(newcomer != nullptr);
    const Token token = newcomer->token();
    CHECK(newcomer->socket.has_value());
    Binds(play, token, "[::]:4000");
    play.End(token, ExitStatus::Signal(9));
    CHECK(play.service("api").rollout.has_value());  // it is no failure
    for (int round = 0; round < 40 && !play.IsAnswered(reload); ++round) {
      play.OpenPools();
      play.ConfirmSpawns();
      for (const char* name : {"api/0", "api/1", "api/2"}) play.Answer(name, ProbeOutcome::kGood);
      for (const action::WatchDrain& drain : play.Take<action::WatchDrain>()) {
        play.Happens(event::Drained{drain.token});
      }
      for (const action::Stop& stop : play.Take<action::Stop>()) play.Obey(stop.token);
      play.Pass(Millis(500));
    }
    CHECK(play.Item(reload).outcome == Outcome::kReloaded);
    CHECK(OpenAddresses(play.service("api"), Generation(2)) ==
          std::vector<std::string>{"tcp:[::]:4000"});
  }

  TEST_CASE("an address that was found does not move again") {
    Play play;
    BringUpAt(play, "[::]:3000");
    play.Ask(Verb::kRestart, {"api"});
    for (SlotIndex slot = 0; slot < 3; ++slot) play.Obey(play.token("api", slot));
    play.ConfirmSpawns();
    play.Forget();
    Binds(play, play.token("api"), "[::]:9229");
    CHECK_FALSE(play.Told(action::Tell::Kind::kAddressFound));
    CHECK(play.Take<action::Kill>().empty());
  }

  TEST_CASE("a service that held its port itself is stopped first, this once") {
    Play play;
    auto plain = MakeSpec("api");
    play.BringUp({plain});
    play.Ask(Verb::kReload, {"api"}, {MakeAuto(1)});
    CHECK(play.Told(action::Tell::Kind::kStopsFirst));
    CHECK(play.replacement("api") == nullptr);
  }
}

}  // namespace
}  // namespace oxherd
