#include <doctest/doctest.h>

#include <algorithm>

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

TEST_SUITE("core: sockets that are shut down") {
  TEST_CASE(
      "a socket that its program shut down: others serve at once, it listens when they are gone") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 3;
    play.BringUp({api});
    CHECK(play.Steered() == Sockets{0, 1, 2});
    play.Forget();
    play.Happens(event::SocketShut{"api", std::string(kAddress), 0});
    const auto steers = play.Take<action::Steer>();
    REQUIRE(steers.size() == 1);
    // The last place, the spare socket's, has become the first.
    CHECK(steers[0].order == Sockets{3, 1, 2});
    CHECK(steers[0].places == std::vector<std::uint16_t>{1, 2});
    CHECK(play.Take<action::Relisten>().empty());
    play.Happens(event::Exited{play.token("api", 0), ExitStatus::Code(0)});
    CHECK(play.Take<action::Relisten>().empty());
    play.Happens(event::Gone{play.token("api", 0)});
    const auto again = play.Take<action::Relisten>();
    REQUIRE(again.size() == 1);
    CHECK(again[0].socket == 0);
    CHECK(play.Take<action::Spawn>().empty());
    play.Happens(event::Relistened{"api", std::string(kAddress), 0, /*failed=*/false});
    CHECK(play.Take<action::Steer>().back().order == Sockets{3, 1, 2, 0});
    CHECK(play.Take<action::Spawn>().back().socket == SocketNumber(0));
  }

  TEST_CASE("a program that shuts its socket and lives on is replaced") {
    Play play;
    auto api = MakeListeningSpec("api");
    SUBCASE("without a health check") {}
    SUBCASE("with one that it passes all the same") {
      api->policy.ready_by = ReadyBy::kHealth;
      api->policy.has_health = true;
      api->policy.healthy_threshold = 1;
    }
    play.BringUp({api});
    const Token deaf = play.token("api");
    play.Forget();
    play.Happens(event::SocketShut{"api", std::string(kAddress), 0});
    CHECK(play.Steered() == Sockets{1});  // clients wait where its replacement will be
    play.Pass(499ms);
    CHECK(play.StateOf("api") == "ready");
    play.Pass(1ms);
    CHECK(play.StateOf("api") == "unhealthy");
    CHECK(play.current("api").failure.kind == Failure::Kind::kDeaf);
    REQUIRE(play.replacement("api") != nullptr);
    CHECK(play.replacement("api")->socket == SocketNumber(1));
    play.Answer("api/0", ProbeOutcome::kGood);
    play.ConfirmSpawns();
    play.Pass(200ms);
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api") == "draining");
    CHECK(play.Take<action::Sweep>().empty());  // nobody was reset
    play.Happens(event::Drained{deaf});
    play.Pass(1s);
    play.Obey(deaf);
    CHECK(play.StateOf("api") == "ready");
    CHECK(play.token("api") != deaf);
    CHECK(play.Take<action::Relisten>().size() == 1);
  }

  TEST_CASE("a program that listens again in time is well") {
    Play play;
    play.BringUp({TwoInstances()});
    play.Happens(event::SocketShut{"api", std::string(kAddress), 0});
    CHECK(play.Steered() == Sockets{1});
    play.Pass(400ms);
    play.Happens(event::Relistened{"api", std::string(kAddress), 0});
    CHECK(play.Take<action::Steer>().back().order == Sockets{2, 1, 0});
    CHECK(play.Steered() == Sockets{1, 0});
    play.Pass(10s);
    CHECK(play.StateOf("api") == "ready");
    CHECK(play.Take<action::Relisten>().empty());
  }

  TEST_CASE("without an image the kernel's own order counts, and who has which socket is known") {
    World world;
    for (SlotIndex slot = 0; slot < 2; ++slot) {
      WorldRecord& record = world.emplace_back();
      record.token = Token(slot + 1U);
      record.instance = {"api", slot};
      record.generation = Generation(1);
      record.pid = Pid(7 + slot);
      record.spawned_at = InstantFromNanoseconds(1);
      record.socket = static_cast<SocketNumber>(2 - slot);
    }
    Play play;
    const event::Boot boot{
        .wishes = {{.spec = TwoInstances(), .generation = Generation(1), .wanted = true}}};
    Populate(play.state(), boot);
    Actions actions;
    Restore(play.state(), world, play.now(), actions);
    event::PoolOpened opened{.service = "api",
                             .address = std::string(kAddress),
                             .width = 3,
                             .shared = false,
                             .error = {}};
    opened.order = {2, 1};  // one was shut
    play.Happens(opened);
    const auto steers = play.Take<action::Steer>();
    REQUIRE(steers.size() == 1);
    CHECK(steers[0].order == Sockets{2, 1});
    const auto again = play.Take<action::Relisten>();
    REQUIRE(again.size() == 1);
    CHECK(again[0].socket == 0);
    play.Happens(event::Relistened{"api", std::string(kAddress), 0});
    for (const WorldRecord& record : world) {
      play.Happens(event::Probed{record.token, ProbeOutcome::kGood, {}});
      CHECK(play.StateOf("api", record.instance.slot) == "ready");
    }
    CHECK(play.Steered() == Sockets{2, 1});
    CHECK(play.Take<action::Steer>().back().order == Sockets{2, 1, 0});
  }

  TEST_CASE("without an image, what is held for IPv4 alone stays so") {
    Play play;
    const event::Boot boot{
        .wishes = {{.spec = TwoInstances(), .generation = Generation(1), .wanted = true}}};
    Populate(play.state(), boot);
    NoteHeld(play.state(), "api", "tcp:0.0.0.0:3000");
    NoteHeld(play.state(), "api", "tcp:0.0.0.0:4000");  // no bare port of it
    NoteHeld(play.state(), "web", "tcp:0.0.0.0:3000");
    CHECK(HasPool(play.state(), "api", "tcp:0.0.0.0:4000"));
    Actions actions;
    Restore(play.state(), {}, play.now(), actions);
    const auto opens = std::ranges::find_if(actions, [](const Action& action) {
      return std::holds_alternative<action::OpenPool>(action);
    });
    REQUIRE(opens != actions.end());
    CHECK(std::get<action::OpenPool>(*opens).address == "tcp:0.0.0.0:3000");
    CHECK(play.service("api").traffic->ipv4_only.size() == 1);
  }

  TEST_CASE("what is heard of a pool that was closed since is not of the one that is open") {
    Play play;
    play.Ask(Verb::kStart, {}, {TwoInstances()});
    const Token first = play.Take<action::OpenPool>().at(0).pool;
    play.OpenPools();
    play.ConfirmSpawns();
    play.Ask(Verb::kStop, {"api"});
    play.Obey(play.token("api", 0));
    play.Obey(play.token("api", 1));
    play.Ask(Verb::kStart, {"api"}, {TwoInstances()});
    const Token second = play.Take<action::OpenPool>().at(0).pool;
    CHECK(first != second);
    event::SocketShut shut{"api", std::string(kAddress), 0};
    shut.pool = first;
    event::PoolOpened opened{.service = "api",
                             .address = std::string(kAddress),
                             .width = 3,
                             .shared = false,
                             .error = {}};
    opened.pool = first;
    play.Happens(shut);
    play.Happens(opened);
    CHECK(play.Take<action::ClosePool>().size() == 1);  // of the stop
    CHECK(play.StateOf("api", 0) == "waiting");
    play.OpenPools();
    CHECK(play.Take<action::Steer>().back().order == Sockets{0, 1, 2});
    shut.pool = second;
    play.Happens(shut);
    CHECK(play.Take<action::Steer>().back().order == Sockets{2, 1});
  }
}

}  // namespace
}  // namespace oxherd
