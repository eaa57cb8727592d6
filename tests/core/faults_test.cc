// Rows of the fault list that are decided in core, each as a story.
#include <doctest/doctest.h>

#include <cerrno>

#include "core/restart_policy.h"
#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

void FailSpawn(Play& play, std::int32_t number) {
  play.Happens(event::SpawnFailed{.token = play.token("api"), .stage = 9, .number = number});
}

TEST_SUITE("core: faults") {
  TEST_CASE(
      "a program that is being written (ETXTBSY) is tried again for a second, then given up") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {MakeSpec("api")});
    const Instant begin = play.now();
    for (int i = 0; i < kTextBusyTries; ++i) {
      FailSpawn(play, ETXTBSY);
      REQUIRE(play.StateOf("api") == "backoff");
      CHECK(play.current("api").crashes == 0);
      CHECK_FALSE(play.IsAnswered(start));
      play.Pass(kTextBusyDelay);
    }
    CHECK(play.now() - begin == 1s);
    FailSpawn(play, ETXTBSY);
    CHECK(play.StateOf("api") != "starting");
    REQUIRE(play.IsAnswered(start));
    CHECK(play.Item(start).failure.kind == Failure::Kind::kSpawn);
    CHECK(play.Item(start).failure.number == ETXTBSY);
  }

  TEST_CASE("want of processes or memory is no reason to give up: tried again after a second") {
    for (const std::int32_t number : {EAGAIN, ENOMEM, EMFILE}) {
      Play play;
      play.Ask(Verb::kStart, {}, {MakeSpec("api"), MakeSpec("worker")});
      FailSpawn(play, number);
      CHECK(play.StateOf("api") == "backoff");
      CHECK(play.StateOf("worker") == "starting");
      play.Pass(999ms);
      CHECK(play.StateOf("api") == "backoff");
      play.Pass(1ms);
      CHECK(play.StateOf("api") == "starting");
    }
  }

  TEST_CASE("a stop ends in stopped, whatever it comes upon") {
    Play play;
    SUBCASE("a start") { play.Ask(Verb::kStart, {}, {MakeSpec("api")}); }
    SUBCASE("a back-off") {
      play.Ask(Verb::kStart, {}, {MakeSpec("api")});
      FailSpawn(play, EAGAIN);
      REQUIRE(play.StateOf("api") == "backoff");
    }
    SUBCASE("a crash whose tree is not empty yet") {
      play.BringUp({MakeSpec("api")});
      play.Happens(event::Exited{play.token("api"), ExitStatus::Code(1)});
    }
    SUBCASE("a reload whose old one drains") {
      play.BringUp({MakeCheckedSpec("api")});
      play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
      play.ConfirmSpawns();
      play.Answer("api/0", ProbeOutcome::kGood);
      REQUIRE(play.StateOf("api") == "draining");
    }
    const RequestId stop = play.Ask(Verb::kStop, {"api"});
    if (play.replacement("api") != nullptr) play.Obey(play.replacement("api")->token());
    if (play.token("api").is_set()) play.Obey(play.token("api"));
    CHECK(play.StateOf("api") == "stopped");
    CHECK(play.IsAnswered(stop));
    play.Pass(600s);
    CHECK(play.StateOf("api") == "stopped");
  }

  TEST_CASE("an old one that ignores its stop signal is killed in time, and the reload is done") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    const Token old = play.token("api");
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    const auto stops = play.Take<action::Stop>();
    REQUIRE(stops.size() == 1);
    CHECK(stops[0].token == old);
    CHECK(stops[0].kill_at == play.now() + play.service("api").spec().policy.stop_timeout);
    play.Pass(stops[0].kill_at - play.now());
    CHECK_FALSE(play.IsAnswered(reload));
    play.End(old, ExitStatus::Signal(9));
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kReloaded);
  }

  TEST_CASE("what the Oxfile no longer has is left alone by apply and reload") {
    Play play;
    play.BringUp({MakeSpec("api"), MakeSpec("worker")});
    const Token worker = play.token("worker");
    for (const Verb verb : {Verb::kApply, Verb::kReload}) {
      const RequestId request = play.Ask(verb, {}, {MakeSpec("api")});
      const RequestRecord* record = play.state().Find(request);
      REQUIRE(record != nullptr);
      CHECK(record->items.size() == 1);
      CHECK(play.token("worker") == worker);
      CHECK(play.StateOf("worker") == "ready");
    }
  }
}

}  // namespace
}  // namespace oxherd
