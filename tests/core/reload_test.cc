#include <doctest/doctest.h>

#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<Spec> TwoInstances() {
  auto api = MakeCheckedSpec("api");
  api->policy.instances = 2;
  return api;
}

TEST_SUITE("core: reload") {
  TEST_CASE("the new one is ready before the old one is told to stop, slot by slot") {
    Play play;
    play.BringUp({TwoInstances()});
    const Token old0 = play.token("api", 0);
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    REQUIRE(play.replacement("api", 0) != nullptr);
    CHECK(play.replacement("api", 1) == nullptr);
    CHECK(play.StateOf("api", 0) == "ready");
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api", 0) == "draining");
    play.Pass(999ms);
    CHECK(play.Take<action::Stop>().empty());
    play.Pass(1ms);
    CHECK(play.StateOf("api", 0) == "stopping");
    play.Obey(old0);
    CHECK(play.current("api", 0).generation == Generation(2));
    CHECK(play.StateOf("api", 0) == "ready");
    play.ConfirmSpawns();
    play.Answer("api/1", ProbeOutcome::kGood);
    play.Pass(1s);
    play.Obey(play.token("api", 1));
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kReloaded);
    CHECK(play.service("api").generation == Generation(2));
  }

  TEST_CASE("a new generation that never becomes ready leaves the old one running") {
    Play play;
    play.BringUp({TwoInstances()});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    play.Pass(30s);
    CHECK(play.StateOf("api", 0) == "ready");
    REQUIRE(play.replacement("api", 0) != nullptr);
    play.Obey(play.replacement("api", 0)->token());
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kRolledBack);
    CHECK(play.Item(reload).failure.kind == Failure::Kind::kNotReady);
    CHECK(play.Item(reload).tried == Generation(2));
    CHECK(play.service("api").generation == Generation(1));
    CHECK(play.replacement("api", 0) == nullptr);
  }

  TEST_CASE("a new instance that dies while the old one drains brings the old one back") {
    Play play;
    play.BringUp({TwoInstances()});
    const Token old0 = play.token("api", 0);
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api", 0) == "draining");
    play.End(play.replacement("api", 0)->token(), ExitStatus::Code(1));
    CHECK(play.StateOf("api", 0) == "ready");
    CHECK(play.token("api", 0) == old0);
    CHECK(play.Item(reload).outcome == Outcome::kRolledBack);
  }

  TEST_CASE("a failure in the second slot rolls the first one back the way it went forward") {
    Play play;
    play.BringUp({TwoInstances()});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {TwoInstances()});
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    play.Obey(play.token("api", 0));
    const Token new0 = play.token("api", 0);
    play.ConfirmSpawns();
    play.End(play.replacement("api", 1)->token(), ExitStatus::Code(1));
    CHECK(play.StateOf("api", 1) == "ready");
    // The old spec is proved again beside the new one, which stays until then.
    REQUIRE(play.replacement("api", 0) != nullptr);
    CHECK(play.replacement("api", 0)->generation == Generation(1));
    CHECK(play.token("api", 0) == new0);
    CHECK(play.StateOf("api", 0) == "ready");
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    play.Obey(new0);
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kRolledBack);
    CHECK(play.current("api", 0).generation == Generation(1));
  }

  TEST_CASE("a reload during a reload is remembered as next; a third replaces it") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    const RequestId first = play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
    const RequestId second = play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
    const RequestId third = play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
    REQUIRE(play.IsAnswered(second));
    CHECK(play.Item(second).failure.kind == Failure::Kind::kSuperseded);
    CHECK(play.Item(second).failure.other == Generation(4));
    CHECK_FALSE(play.IsAnswered(first));
    CHECK_FALSE(play.IsAnswered(third));
    CHECK(play.service("api").rollout->target == Generation(2));
    CHECK(play.service("api").next->target == Generation(4));
  }

  TEST_CASE("a stop aborts a reload and stops both generations") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
    play.ConfirmSpawns();
    const RequestId stop = play.Ask(Verb::kStop, {"api"});
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).failure.kind == Failure::Kind::kAborted);
    CHECK(play.Item(reload).failure.verb == Verb::kStop);
    CHECK(play.Take<action::Stop>().size() == 2);
    const Token fresh = play.replacement("api")->token();
    play.Obey(play.token("api"));
    CHECK_FALSE(play.IsAnswered(stop));
    play.Obey(fresh);
    CHECK(play.IsAnswered(stop));
  }

  TEST_CASE("what a person stopped stays stopped in a reload, and is named") {
    Play play;
    play.BringUp({MakeSpec("api")});
    play.Ask(Verb::kStop, {"api"});
    play.Obey(play.token("api"));
    auto changed = MakeSpec("api");
    changed->policy.stop_timeout = 5s;
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {changed});
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).was_stopped);
    CHECK(play.StateOf("api") == "stopped");
    CHECK(play.Take<action::Spawn>().size() == 0);
  }

  TEST_CASE("stop-first: the old one is gone before the new one is spawned") {
    Play play;
    auto api = TwoInstances();
    api->policy.reload_strategy = ReloadStrategy::kStopFirst;
    play.BringUp({api});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {api});
    CHECK(play.StateOf("api", 0) == "stopping");
    CHECK(play.StateOf("api", 1) == "ready");
    CHECK(play.Take<action::Spawn>().empty());
    play.Obey(play.token("api", 0));
    play.ConfirmSpawns();
    play.Answer("api/0", ProbeOutcome::kGood);
    CHECK(play.StateOf("api", 0) == "ready");
    play.Pass(1s);
    CHECK(play.StateOf("api", 1) == "stopping");
    play.Obey(play.token("api", 1));
    play.ConfirmSpawns();
    play.Answer("api/1", ProbeOutcome::kGood);
    play.Pass(1s);
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kReloaded);
  }

  TEST_CASE("stop-first: a failed new one is replaced by the old spec") {
    Play play;
    auto api = MakeCheckedSpec("api");
    api->policy.reload_strategy = ReloadStrategy::kStopFirst;
    play.BringUp({api});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {api});
    play.Obey(play.token("api"));
    play.ConfirmSpawns();
    play.End(play.token("api"), ExitStatus::Code(1));
    play.ConfirmSpawns();
    CHECK(play.current("api").generation == Generation(1));
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kRolledBack);
    CHECK(play.StateOf("api") == "ready");
  }

  TEST_CASE("surplus slots are stopped only when all others are ready in the new generation") {
    Play play;
    play.BringUp({TwoInstances()});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
    play.ConfirmSpawns();
    CHECK(play.StateOf("api", 1) == "ready");
    play.Answer("api/0", ProbeOutcome::kGood);
    play.Pass(1s);
    CHECK(play.StateOf("api", 1) == "ready");
    play.Obey(play.token("api", 0));
    CHECK(play.StateOf("api", 1) == "stopping");
    play.Obey(play.token("api", 1));
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.service("api").slots.size() == 1);
  }

  TEST_CASE("a failed pre_reload_cmd changes nothing") {
    Play play;
    auto api = MakeCheckedSpec("api");
    api->policy.has_pre_reload = true;
    play.BringUp({api});
    const RequestId reload = play.Ask(Verb::kReload, {"api"}, {api});
    const Token hook = play.service("api").hooks.at(0).token;
    play.End(hook, ExitStatus::Code(3));
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload).outcome == Outcome::kFailed);
    CHECK(play.Item(reload).failure.kind == Failure::Kind::kHook);
    CHECK(play.StateOf("api") == "ready");
    CHECK(play.current("api").generation == Generation(1));
  }

  TEST_CASE("a replacement by routine never displaces a person's reload") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    play.Ask(Verb::kReload, {"api"}, {MakeCheckedSpec("api")});
    play.Happens(event::Replace{.service = "api", .slot = {}});
    CHECK(play.service("api").rollout->cause == Cause::kPerson);
    CHECK_FALSE(play.service("api").next);
  }

  TEST_CASE("an apply leaves the unchanged alone and rolls the changed") {
    Play play;
    play.BringUp({MakeSpec("api"), MakeSpec("worker")});
    auto changed = MakeSpec("worker");
    changed->policy.stop_timeout = 5s;
    const RequestId apply = play.Ask(Verb::kApply, {}, {MakeSpec("api"), changed});
    CHECK(play.Item(apply, "api").outcome == Outcome::kUnchanged);
    CHECK_FALSE(play.service("api").rollout);
    CHECK(play.service("worker").rollout);
  }

  TEST_CASE("a reload of several goes one service at a time; after a failure the rest is skipped") {
    Play play;
    play.BringUp({MakeCheckedSpec("api"), MakeCheckedSpec("worker")});
    const RequestId reload =
        play.Ask(Verb::kReload, {}, {MakeCheckedSpec("api"), MakeCheckedSpec("worker")});
    play.ConfirmSpawns();
    CHECK_FALSE(play.service("worker").rollout);
    play.End(play.replacement("api")->token(), ExitStatus::Code(1));
    REQUIRE(play.IsAnswered(reload));
    CHECK(play.Item(reload, "api").outcome == Outcome::kRolledBack);
    CHECK(play.Item(reload, "worker").outcome == Outcome::kSkipped);
  }
}

}  // namespace
}  // namespace oxherd
