// What the simulator found of sockets and traffic: as found_by_sim_test.cc.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/traffic.h"
#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

TEST_SUITE("core: found by the simulator, of traffic") {
  TEST_CASE("the order of the sockets, and whose they are, survive an image that is not used") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 2;
    play.BringUp({api});
    play.Happens(event::SocketShut{"api", std::string(kAddress), 0});
    play.End(play.token("api", 0), ExitStatus::Code(0));
    play.Happens(event::Relistened{"api", std::string(kAddress), 0, /*failed=*/false});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
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
    State fresh;
    Populate(fresh, {.wishes = {{.spec = api, .generation = Generation(1), .wanted = true}}});
    KeepSockets(fresh, world, play.state());
    Actions actions;
    Restore(fresh, world, play.now(), actions);
    event::PoolOpened opened{.service = "api",
                             .address = std::string(kAddress),
                             .width = 3,
                             .shared = false,
                             .error = {}};
    Apply(fresh, opened, play.now(), actions);
    const Service& service = *fresh.Find("api");
    REQUIRE(service.traffic);
    CHECK(service.traffic->pools.at(0).order == std::vector<SocketNumber>{2, 1, 0});
    CHECK(service.slots.at(0).current.socket == SocketNumber(0));
    CHECK(service.slots.at(1).current.socket == SocketNumber(1));
  }

  TEST_CASE("clients of an address that the new one does not have wait for the old one") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 2;
    api->policy.reload_parallel = 2;
    api->policy.restart_delay = 4s;
    auto wide = std::make_shared<Spec>(*api);
    wide->policy.listen.push_back({.address = "tcp:0.0.0.0:4000"});
    play.BringUp({wide});
    play.Ask(Verb::kReload, {"api"}, {api});
    play.ConfirmSpawns();
    const Token old = play.token("api", 0);
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);  // its trial
    play.Happens(event::Drained{old});
    play.Obey(old);
    REQUIRE(play.StateOf("api", 0) == "ready");
    play.End(play.token("api", 1), ExitStatus::Code(1));  // while its replacement starts
    REQUIRE(play.StateOf("api", 1) == "backoff");
    CHECK(play.Steered("tcp:0.0.0.0:4000") == std::vector<SocketNumber>{1});
    CHECK(play.Steered() == std::vector<SocketNumber>{2});
  }

  TEST_CASE("with none ready, clients wait for the one that comes first") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 2;
    api->policy.restart_delay = 4s;
    play.BringUp({api});
    play.End(play.token("api", 1), ExitStatus::Code(1));
    play.Pass(3s);
    play.End(play.token("api", 0), ExitStatus::Code(1));
    REQUIRE(play.StateOf("api", 0) == "backoff");
    CHECK(play.Steered() == std::vector<SocketNumber>{1});
  }

  TEST_CASE(
      "what an image that is not used had closed is closed, and whoever listened there goes") {
    Play play;
    auto api = MakeListeningSpec("api");
    play.BringUp({api});
    play.Ask(Verb::kStop, {"api"});  // saved, and lost with the daemon: state.json is older
    WorldRecord record;
    record.token = play.token("api");
    record.instance = {"api", 0};
    record.generation = Generation(1);
    record.pid = Pid(7);
    record.spawned_at = play.now();
    World world{record};
    State fresh;
    Populate(fresh, {.wishes = {{.spec = api, .generation = Generation(1), .wanted = true}}});
    CHECK_FALSE(HasPool(play.state(), "api", kAddress));  // so the daemon closes what is held
    KeepSockets(fresh, world, play.state());
    Actions actions;
    Restore(fresh, world, play.now(), actions);
    CHECK(fresh.Find("api")->slots.at(0).current.kind() == StateKind::kStopping);
    Apply(fresh, event::Exited{record.token, ExitStatus::Code(0)}, play.now(), actions);
    Apply(fresh, event::Gone{record.token}, play.now(), actions);
    actions.clear();
    event::PoolOpened opened{.service = "api",
                             .address = std::string(kAddress),
                             .width = 2,
                             .shared = false,
                             .error = {}};
    Apply(fresh, opened, play.now(), actions);
    CHECK(fresh.Find("api")->traffic->pools.at(0).order == std::vector<SocketNumber>{0, 1});
    CHECK(fresh.Find("api")->slots.at(0).current.kind() == StateKind::kStarting);
  }

  TEST_CASE("what is replaced while it waits to be started again keeps its sockets") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.restart_delay = 4s;
    api->policy.reload_strategy = ReloadStrategy::kStopFirst;
    play.BringUp({api});
    play.End(play.token("api"), ExitStatus::Code(1));
    REQUIRE(play.StateOf("api") == "backoff");
    play.Happens(event::Replace{.service = "api", .slot = SlotIndex(0)});
    CHECK(play.Take<action::ClosePool>().empty());
    CHECK(play.StateOf("api") == "starting");
  }

  TEST_CASE("a pool that is open again with fewer sockets keeps nobody waiting") {
    Play play;
    auto wide = MakeListeningSpec("api");
    wide->policy.instances = 3;
    auto narrow = MakeListeningSpec("api");
    narrow->policy.restart_delay = 6s;  // longer than sockets are kept for
    play.BringUp({wide});
    play.Ask(Verb::kReload, {"api"}, {narrow});
    play.ConfirmSpawns();
    const std::vector<Token> old{play.token("api", 0), play.token("api", 1), play.token("api", 2)};
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(10s);  // its trial; then the old ones drain for as long as they may
    for (const Token token : old) play.Obey(token);
    play.Pass(10s);
    REQUIRE(play.service("api").slots.size() == 1);
    REQUIRE(play.current("api").socket == SocketNumber(3));
    play.End(play.token("api"), ExitStatus::Code(1));
    REQUIRE(play.StateOf("api") == "backoff");
    REQUIRE_FALSE(play.Take<action::ClosePool>().empty());
    play.Pass(10s);
    play.OpenPools();
    CHECK(play.StateOf("api") == "starting");
    CHECK(play.current("api").socket == SocketNumber(0));
  }

  TEST_CASE("what an earlier daemon had opened, and a program has shut since, left its place") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 4;
    play.Ask(Verb::kStart, {"api"}, {api});
    play.Happens(event::SocketShut{"api", std::string(kAddress), 2});
    play.OpenPools();
    REQUIRE(play.service("api").traffic);
    CHECK(play.service("api").traffic->pools.at(0).order == std::vector<SocketNumber>{0, 1, 4, 3});
  }

  TEST_CASE("sockets that the last daemon may have added are made anew, so that places are known") {
    Play play;
    auto api = MakeListeningSpec("api");
    auto wide = MakeListeningSpec("api");
    wide->policy.instances = 2;
    play.BringUp({api});
    play.Ask(Verb::kReload, {"api"}, {wide});
    REQUIRE(play.service("api").rollout->phase == Rollout::Phase::kPreparing);
    WorldRecord record;
    record.token = play.token("api");
    record.instance = {"api", 0};
    record.generation = Generation(1);
    record.pid = Pid(7);
    record.spawned_at = play.now();
    Actions actions;
    Restore(play.state(), {record}, play.now(), actions);
    REQUIRE_FALSE(actions.empty());
    const auto* open = std::get_if<action::OpenPool>(&actions.front());
    REQUIRE(open != nullptr);
    CHECK(open->width == 3);
    CHECK(open->known == 2);
  }

  TEST_CASE("a new daemon sweeps no queue before it has heard of the pool") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 2;
    api->policy.restart_delay = 4s;
    play.BringUp({api});
    play.End(play.token("api", 1), ExitStatus::Code(1));
    WorldRecord record;
    record.token = play.token("api", 0);
    record.instance = {"api", 0};
    record.generation = Generation(1);
    record.pid = Pid(7);
    record.spawned_at = play.now();
    const auto sweeps = [](const Actions& actions) {
      return std::ranges::any_of(actions, [](const Action& action) {
        return std::holds_alternative<action::Sweep>(action);
      });
    };
    Actions actions;
    World world{record};
    Restore(play.state(), world, play.now() + 2s, actions);  // it was due a second ago
    CHECK_FALSE(sweeps(actions));
    event::PoolOpened opened{.service = "api", .address = std::string(kAddress), .error = {}};
    opened.width = 3;
    Apply(play.state(), opened, play.now() + 2s, actions);
    Apply(play.state(), event::Due{}, play.now() + 3s, actions);
    CHECK(sweeps(actions));
  }

  TEST_CASE(
      "the queue of an address that the new one does not have is moved, though it has the number") {
    const std::string other = "tcp:0.0.0.0:4000";
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 2;
    api->policy.reload_parallel = 2;
    auto wide = std::make_shared<Spec>(*api);
    wide->policy.listen.push_back({.address = other});
    play.BringUp({wide});
    // Until it is steered anew, clients may end up at any of them.
    play.Happens(event::SocketShut{"api", other, 3});
    play.Happens(event::Relistened{"api", other, 3, /*failed=*/false});
    play.Ask(Verb::kReload, {"api"}, {api});
    play.ConfirmSpawns();
    REQUIRE(play.replacement("api", 0)->socket == SocketNumber(2));
    play.Pass(2s);
    const auto sweeps = play.Take<action::Sweep>();
    const auto found = std::ranges::find_if(sweeps, [&](const action::Sweep& sweep) {
      return sweep.address == other && sweep.socket == 2;
    });
    REQUIRE(found != sweeps.end());
    CHECK(std::ranges::count(found->idle, SocketNumber(2)) == 1);
  }

  TEST_CASE(
      "a new one that fails in the instant in which the old one is drained keeps the old one") {
    Play play;
    auto api = MakeListeningSpec("api");
    play.BringUp({api});
    play.Ask(Verb::kReload, {"api"}, {api});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);  // its trial
    REQUIRE(play.StateOf("api") == "draining");
    play.Happens(event::SocketShut{"api", std::string(kAddress), 1});
    Slot& slot = play.state().Find("api")->slots.at(0);
    std::get<Ready>(slot.replacement->state).deaf_at = play.now();
    play.Happens(event::Drained{play.token("api")});
    CHECK(play.StateOf("api") == "ready");
    CHECK(play.service("api").rollout->phase == Rollout::Phase::kBack);
  }

  TEST_CASE(
      "clients do not wait for what cannot be killed, or does not come back, while one starts") {
    Play play;
    auto api = MakeListeningSpec("api");
    api->policy.instances = 2;
    auto worker = MakeSpec("worker");
    worker->policy.depends_on = {{.service = "api", .kind = DependencyKind::kReady}};
    play.BringUp({api, worker});
    play.Happens(event::Exited{play.token("api", 0), ExitStatus::Code(1)});
    REQUIRE(play.StateOf("api", 0) == "killing");
    SUBCASE("it cannot be killed") {
      play.Pass(kUnkillableAfter);
      REQUIRE(play.current("api", 0).is_unkillable());
    }
    SUBCASE("the daemon is told to end") {
      event::Request shutdown;
      shutdown.verb = Verb::kShutdown;
      play.Ask(shutdown);
      REQUIRE(play.StateOf("api", 1) == "ready");  // worker stops first
    }
    auto& other = play.state().Find("api")->slots.at(1).current;
    const SocketNumber socket = *other.socket;
    other.state = Starting{.process = *other.process(),
                           .confirmed = true,
                           .ready_by = play.now() + 5s,
                           .proven_at = kNever,
                           .probing = {}};
    play.state().Find("api")->traffic->pools.at(0).stale = true;
    play.Happens(event::SocketShut{"api", std::string(kAddress), 2});
    CHECK(play.Steered() == std::vector{socket});
  }

  TEST_CASE("what has told its address is about to accept there: its queue is not reset") {
    Play play;
    auto api = MakeSpec("api");
    api->policy.ready_by = ReadyBy::kListen;
    api->policy.auto_listen = AutoListen::kUnknown;
    play.Ask(Verb::kStart, {"api"}, {api});
    play.ConfirmSpawns();
    play.Happens(event::AddressRefused{.token = play.token("api"),
                                       .address = {},
                                       .why = event::AddressRefused::Why::kUnlisted,
                                       .wanted = "[::]:3000"});
    REQUIRE(play.StateOf("api") == "killing");
    const auto starts_at = [&] {
      const Service& service = play.service("api");
      return StartsAt(play.state(), service, service.slots[0], service.slots[0].current);
    };
    CHECK(starts_at() <= play.now());
    play.Pass(kUnkillableAfter);
    CHECK(starts_at() == kNever);
  }
}

}  // namespace
}  // namespace oxherd
