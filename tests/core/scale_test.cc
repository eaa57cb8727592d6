// scale: instances come and go, the others do not notice, and the count holds.
#include <doctest/doctest.h>

#include "core/traffic.h"
#include "tests/core/play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

RequestId Scale(Play& play, std::int32_t count, bool relative = false) {
  static std::uint64_t next = 1'000'000;
  event::Request request;
  request.id = RequestId(++next);
  request.verb = Verb::kScale;
  request.names = {"api"};
  request.count = count;
  request.relative = relative;
  return play.Ask(std::move(request));
}

// A service whose file says `instances`.
SpecPtr Api(std::uint16_t instances) {
  auto spec = MakeSpec("api");
  spec->policy.instances = instances;
  return spec;
}

void LiveLongEnough(Play& play) {
  play.OpenPools();
  play.ConfirmSpawns();
  play.Pass(2s);
}

TEST_SUITE("core: scale") {
  TEST_CASE("more instances are started, and the others are not touched") {
    Play play;
    play.BringUp({Api(2)});
    const Token first = play.token("api", 0);
    const RequestId scaled = Scale(play, 3);
    CHECK_FALSE(play.IsAnswered(scaled));
    CHECK(play.service("api").slots.size() == 3);
    LiveLongEnough(play);
    REQUIRE(play.IsAnswered(scaled));
    CHECK(play.Item(scaled).outcome == Outcome::kDone);
    CHECK(play.token("api", 0) == first);
    CHECK(play.current("api", 2).generation == Generation(1));
    CHECK_FALSE(play.service("api").rollout);
  }

  TEST_CASE("fewer: the last ones are told to stop, and it is done when they are gone") {
    Play play;
    play.BringUp({Api(3)});
    play.Forget();
    const RequestId scaled = Scale(play, -2, true);
    const auto stops = play.Take<action::Stop>();
    REQUIRE(stops.size() == 2);
    CHECK(stops[0].token == play.token("api", 1));
    CHECK_FALSE(play.IsAnswered(scaled));
    for (const action::Stop& stop : stops) play.Obey(stop.token);
    REQUIRE(play.IsAnswered(scaled));
    CHECK(play.service("api").slots.size() == 1);
    CHECK(play.StateOf("api") == "ready");
  }

  TEST_CASE("with listen the pool grows, and who goes is drained first") {
    Play play;
    auto spec = MakeListeningSpec("api");
    spec->policy.drain = 200ms;
    play.BringUp({spec});
    play.Forget();
    const RequestId grown = Scale(play, 3);
    const auto asked = play.Take<action::OpenPool>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].width == 4);
    play.OpenPools();
    play.ConfirmSpawns();
    play.Answer("api/1", ProbeOutcome::kGood);
    play.Answer("api/2", ProbeOutcome::kGood);
    play.Pass(2s);
    REQUIRE(play.IsAnswered(grown));
    CHECK(play.Steered().size() == 3);

    const RequestId shrunk = Scale(play, 2);
    CHECK(play.StateOf("api", 2) == "draining");
    CHECK(play.Steered().size() == 2);
    // A start does not bring it back.
    play.Ask(Verb::kStart, {"api"});
    CHECK(play.StateOf("api", 2) == "draining");
    const Token old = play.token("api", 2);
    play.Happens(event::Drained{old});
    play.Pass(1s);
    play.Obey(old);
    CHECK(play.IsAnswered(shrunk));
    CHECK(play.service("api").slots.size() == 2);
  }

  TEST_CASE("it holds until the file says another number") {
    Play play;
    play.BringUp({Api(2)});
    Scale(play, 4);
    LiveLongEnough(play);
    const RequestId same = play.Ask(Verb::kApply, {}, {Api(2)});
    CHECK(play.Item(same).outcome == Outcome::kUnchanged);
    play.Ask(Verb::kReload, {"api"}, {Api(2)});
    CHECK(play.service("api").slots.size() == 4);
    CHECK(play.service("api").spec(play.service("api").rollout->target).policy.instances == 4);
    play.Ask(Verb::kStop, {"api"});
    Play other;
    other.BringUp({Api(2)});
    Scale(other, 1);
    const RequestId changed = other.Ask(Verb::kApply, {}, {Api(3)});
    CHECK(other.Item(changed).outcome != Outcome::kUnchanged);
    CHECK(other.service("api").spec(other.service("api").rollout->target).policy.instances == 3);
  }

  TEST_CASE("what is stopped has as many as were asked for when it is started") {
    Play play;
    play.BringUp({Api(1)});
    play.Ask(Verb::kStop, {"api"});
    play.Obey(play.token("api"));
    const RequestId scaled = Scale(play, 2);
    REQUIRE(play.IsAnswered(scaled));
    CHECK(play.StateOf("api") == "stopped");
    play.Ask(Verb::kStart, {"api"}, {Api(1)});
    LiveLongEnough(play);
    CHECK(play.StateOf("api", 1) == "ready");
  }

  TEST_CASE("a scale waits for the reload that is under way") {
    Play play;
    play.BringUp({Api(1)});
    play.Ask(Verb::kReload, {"api"}, {Api(1)});
    const RequestId scaled = Scale(play, 2);
    CHECK(play.Item(scaled).outcome == Outcome::kQueued);
    play.ConfirmSpawns();
    const Token old = play.token("api");
    play.Pass(5s);
    play.Obey(old);
    LiveLongEnough(play);
    REQUIRE(play.IsAnswered(scaled));
    CHECK(play.Item(scaled).outcome == Outcome::kDone);
    CHECK(play.service("api").slots.size() == 2);
    CHECK(play.current("api", 1).generation == Generation(2));
  }

  TEST_CASE("none at all, or too many, is refused") {
    Play play;
    play.BringUp({Api(1)});
    for (const std::int32_t count : {-1, -1000}) {
      const RequestId scaled = Scale(play, count, true);
      REQUIRE(play.IsAnswered(scaled));
      CHECK(play.Item(scaled).failure.kind == Failure::Kind::kCount);
    }
    CHECK(play.Item(Scale(play, 1001)).failure.kind == Failure::Kind::kCount);
    CHECK(play.Item(Scale(play, 1)).outcome == Outcome::kUnchanged);
    CHECK(play.StateOf("api") == "ready");
  }

  TEST_CASE("a oneshot is not scaled") {
    Play play;
    auto job = MakeSpec("api");
    job->policy.type = ServiceType::kOneshot;
    job->policy.ready_by = ReadyBy::kExit;
    play.Ask(Verb::kStart, {}, {job});
    play.ConfirmSpawns();
    const RequestId scaled = Scale(play, 2);
    REQUIRE(play.IsAnswered(scaled));
    CHECK(play.Item(scaled).failure.kind == Failure::Kind::kCount);
    CHECK(play.service("api").slots.size() == 1);
  }

  TEST_CASE("an instance that fails before it is ready fails the scale, and nothing else") {
    Play play;
    play.BringUp({Api(1)});
    const RequestId scaled = Scale(play, 2);
    play.ConfirmSpawns();
    play.End(play.token("api", 1), ExitStatus::Code(1));
    REQUIRE(play.IsAnswered(scaled));
    CHECK(play.Item(scaled).outcome == Outcome::kFailed);
    CHECK(play.StateOf("api", 0) == "ready");
  }
}

}  // namespace
}  // namespace oxherd
