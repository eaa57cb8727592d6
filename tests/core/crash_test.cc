#include <doctest/doctest.h>

#include <cerrno>

#include "core/restart_policy.h"
#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

TEST_SUITE("core: crashes and health") {
  TEST_CASE("reset counts restarts and crashes from zero, and touches nothing else") {
    Play play;
    play.BringUp({MakeSpec("api")});
    play.End(play.token("api"), ExitStatus::Code(1));
    CHECK(play.current("api").crashes == 1);
    play.Pass(Seconds(1));
    play.Forget();
    const std::string_view before = play.StateOf("api");
    const RequestId reset = play.Ask(Verb::kReset, {"api"});
    CHECK(play.Item(reset).outcome == Outcome::kDone);
    CHECK(play.IsAnswered(reset));
    CHECK(play.current("api").crashes == 0);
    CHECK(play.current("api").restarts == 0);
    CHECK(play.StateOf("api") == before);
    CHECK(play.Take<action::Spawn>().empty());
    const RequestId unknown = play.Ask(Verb::kReset, {"apu"});
    CHECK(play.Item(unknown).outcome == Outcome::kFailed);
  }

  TEST_CASE("the first restart comes at once, the next ones after 100 ms doubled") {
    Play play;
    play.BringUp({MakeSpec("api")});
    play.End(play.token("api"), ExitStatus::Code(1));
    CHECK(play.Take<action::Spawn>().size() == 1);
    play.ConfirmSpawns();
    play.End(play.token("api"), ExitStatus::Code(1));
    CHECK(play.StateOf("api") == "backoff");
    play.Pass(99ms);
    CHECK(play.StateOf("api") == "backoff");
    play.Pass(11ms);  // a tenth of jitter at most
    CHECK(play.StateOf("api") == "starting");
  }

  TEST_CASE("what is left of a crashed tree is killed, and the restart waits for it") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const Token token = play.token("api");
    play.Happens(event::Exited{token, ExitStatus::Code(1)});
    const auto kills = play.Take<action::Kill>();
    REQUIRE(kills.size() == 1);
    CHECK(kills[0].token == token);
    CHECK(play.Take<action::Spawn>().empty());
    play.Happens(event::Gone{token});
    CHECK(play.Take<action::Spawn>().size() == 1);
  }

  TEST_CASE("after max_restarts crashes in a row a service is Failed, and tried again later") {
    Play play;
    auto api = MakeSpec("api");
    api->policy.max_restarts = 3;
    play.BringUp({api});
    for (int crash = 0; crash < 3; ++crash) {
      play.End(play.token("api"), ExitStatus::Code(1));
      play.Pass(250ms);
      play.ConfirmSpawns();
    }
    CHECK(play.StateOf("api") == "failed");
    play.Pass(300s);
    CHECK(play.StateOf("api") == "starting");
  }

  TEST_CASE("ready for restart_window resets the count") {
    Play play;
    play.BringUp({MakeSpec("api")});
    play.End(play.token("api"), ExitStatus::Code(1));
    play.ConfirmSpawns();
    play.Pass(61s);
    CHECK(play.current("api").crashes == 1);
    play.End(play.token("api"), ExitStatus::Code(1));
    CHECK(play.current("api").crashes == 1);
    CHECK(play.StateOf("api") == "starting");
  }

  TEST_CASE("restart = on-failure leaves alone what ended well, never what ended before ready") {
    Policy policy;
    policy.restart = RestartPolicy::kOnFailure;
    CHECK_FALSE(StartsAgain(policy, ExitStatus::Code(0), true));
    CHECK(StartsAgain(policy, ExitStatus::Code(0), false));
    CHECK(StartsAgain(policy, ExitStatus::Code(1), true));
  }

  TEST_CASE("delays never shrink and never pass the maximum") {
    Policy policy;
    Millis last{0};
    for (std::uint16_t crashes = 1; crashes < 40; ++crashes) {
      const Millis delay = BackoffDelay(policy, crashes, 7, {"api", 0});
      CHECK(delay >= last);
      CHECK(delay <= policy.restart_delay_max);
      last = delay;
    }
    CHECK(last == policy.restart_delay_max);
  }

  TEST_CASE("a program that is not there fails a first start at once") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {}, {MakeSpec("api")});
    play.Happens(event::SpawnFailed{.token = play.token("api"), .stage = 1, .number = ENOENT});
    CHECK(play.StateOf("api") == "failed");
    REQUIRE(play.IsAnswered(start));
    CHECK(play.Item(start).failure.kind == Failure::Kind::kSpawn);
  }

  TEST_CASE("a program that a deploy is replacing is tried again after at least a second") {
    Play play;
    play.BringUp({MakeSpec("api")});
    play.End(play.token("api"), ExitStatus::Code(1));
    play.Happens(event::SpawnFailed{.token = play.token("api"), .stage = 1, .number = ENOENT});
    CHECK(play.StateOf("api") == "backoff");
    play.Pass(999ms);
    CHECK(play.StateOf("api") == "backoff");
    play.Pass(1ms);
    CHECK(play.StateOf("api") == "starting");
  }

  TEST_CASE("an unhealthy instance runs until its replacement is ready") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    const Token old = play.token("api");
    for (int i = 0; i < 3; ++i) {
      play.Pass(30s);
      play.Answer("api/0", ProbeOutcome::kBad);
    }
    CHECK(play.StateOf("api") == "unhealthy");
    REQUIRE(play.replacement("api") != nullptr);
    play.ConfirmSpawns();
    CHECK(play.token("api") == old);
    play.Answer("api/0",
                ProbeOutcome::kGood);  // both are asked; the new one is Ready, the old good
    CHECK(play.current("api").crashes == 0);
  }

  TEST_CASE("a void answer counts for nothing") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    for (int i = 0; i < 10; ++i) {
      play.Pass(30s);
      play.Answer("api/0", ProbeOutcome::kVoid);
    }
    CHECK(play.StateOf("api") == "ready");
  }

  TEST_CASE("if every instance turns bad within one interval, replacing waits") {
    Play play;
    auto api = MakeCheckedSpec("api");
    api->policy.instances = 2;
    play.BringUp({api});
    for (int i = 0; i < 3; ++i) {
      play.Pass(30s);
      play.Answer("api/1", ProbeOutcome::kBad);
    }
    CHECK(play.service("api").rollout);
  }
}

}  // namespace
}  // namespace oxherd
