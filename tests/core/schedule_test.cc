// Scheduled oneshots, and replacements by cron.
#include <doctest/doctest.h>

#include "tests/core/play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<Spec> MakeScheduled(std::string name) {
  auto spec = MakeSpec(std::move(name));
  spec->policy.type = ServiceType::kOneshot;
  spec->policy.ready_by = ReadyBy::kExit;
  spec->policy.ready_timeout.reset();
  spec->policy.restart = RestartPolicy::kNo;
  spec->policy.scheduled = true;
  spec->schedule = "0 3 * * *";
  return spec;
}

void RunOnce(Play& play, std::string_view name, ExitStatus status) {
  const Token token = play.token(name);
  play.Happens(event::Started{token, Pid(7)});
  play.End(token, status);
}

TEST_SUITE("core: schedule") {
  TEST_CASE("a scheduled oneshot is run when its time has come, and not at its start") {
    Play play;
    const RequestId start = play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    CHECK(play.Take<action::Spawn>().empty());
    CHECK(play.current("report").awaits_schedule());
    CHECK(play.Item(start).outcome == Outcome::kDone);
    for (int day = 0; day < 2; ++day) {
      play.Happens(event::Schedule{"report"});
      CHECK(play.Take<action::Spawn>().size() == 1);
      RunOnce(play, "report", ExitStatus::Code(0));
      CHECK(play.current("report").awaits_schedule());
      CHECK(play.current("report").last_exit->success());
      play.Pass(1h);
      CHECK(play.Take<action::Spawn>().empty());
    }
    CHECK(play.current("report").crashes == 0);
  }

  TEST_CASE("an apply that names no service leaves a scheduled oneshot to its schedule") {
    Play play;
    play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    const RequestId apply = play.Ask(Verb::kApply, {}, {MakeScheduled("report")});
    CHECK(play.Item(apply).outcome == Outcome::kUnchanged);
    auto changed = MakeScheduled("report");
    changed->schedule = "0 4 * * *";
    const RequestId again = play.Ask(Verb::kApply, {}, {changed});
    CHECK(play.Item(again).outcome == Outcome::kReloaded);
    CHECK(play.Take<action::Spawn>().empty());
    CHECK(play.current("report").awaits_schedule());
  }

  TEST_CASE("a run whose predecessor still lasts is skipped, and that is said") {
    Play play;
    play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    play.Happens(event::Schedule{"report"});
    play.ConfirmSpawns();
    play.Forget();
    play.Happens(event::Schedule{"report"});
    CHECK(play.Take<action::Spawn>().empty());
    CHECK(play.Told(action::Tell::Kind::kRunSkipped));
  }

  TEST_CASE("a run that failed is tried again at the next time, and not before") {
    Play play;
    play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    play.Happens(event::Schedule{"report"});
    RunOnce(play, "report", ExitStatus::Code(3));
    CHECK(play.StateOf("report") == "failed");
    play.Forget();
    play.Pass(2h);
    CHECK(play.Take<action::Spawn>().empty());
    play.Happens(event::Schedule{"report"});
    CHECK(play.Take<action::Spawn>().size() == 1);
    RunOnce(play, "report", ExitStatus::Code(0));
    CHECK(play.current("report").awaits_schedule());
  }

  TEST_CASE("what a person stopped is not run by its schedule") {
    Play play;
    play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    play.Ask(Verb::kStop, {"report"});
    play.Happens(event::Schedule{"report"});
    CHECK(play.Take<action::Spawn>().empty());
    CHECK(play.StateOf("report") == "stopped");
  }

  TEST_CASE("restart runs it now, and answers when the run is over") {
    Play play;
    play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    const RequestId restart = play.Ask(Verb::kRestart, {"report"});
    CHECK(play.Take<action::Spawn>().size() == 1);
    CHECK_FALSE(play.IsAnswered(restart));
    RunOnce(play, "report", ExitStatus::Code(0));
    CHECK(play.Item(restart).outcome == Outcome::kDone);
    play.Ask(Verb::kStart, {"report"});
    CHECK(play.Take<action::Spawn>().empty());
  }

  TEST_CASE("a restart of one that a person stopped runs it now") {
    Play play;
    play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    play.Ask(Verb::kStop, {"report"});
    play.Ask(Verb::kRestart, {"report"});
    CHECK(play.Take<action::Spawn>().size() == 1);
  }

  TEST_CASE("a reload takes the new definition and runs nothing") {
    Play play;
    play.Ask(Verb::kStart, {"report"}, {MakeScheduled("report")});
    auto changed = MakeScheduled("report");
    changed->schedule = "0 4 * * *";
    const RequestId reload = play.Ask(Verb::kReload, {"report"}, {changed});
    play.Pass(1s);
    CHECK(play.Item(reload).outcome == Outcome::kReloaded);
    CHECK(play.Take<action::Spawn>().empty());
    CHECK(play.service("report").spec().schedule == "0 4 * * *");
    CHECK(play.current("report").awaits_schedule());
  }

  TEST_CASE("a replacement by cron counts no crash, and a person's reload satisfies it") {
    Play play;
    auto spec = MakeSpec("api");
    play.BringUp({spec});
    const Token old = play.token("api");
    play.Happens(event::Replace{.service = "api", .slot = {}});
    play.Happens(event::Replace{.service = "api", .slot = {}});  // never overlapping
    CHECK(play.service("api").rollout->cause == Cause::kRoutine);
    play.ConfirmSpawns();
    play.Pass(3s);
    for (const auto& stop : play.Take<action::Stop>()) play.Obey(stop.token);
    play.Pass(1s);
    CHECK_FALSE(play.service("api").rollout);
    CHECK(play.token("api") != old);
    CHECK(play.current("api").crashes == 0);
    CHECK(play.service("api").generation == Generation(1));

    play.Ask(Verb::kReload, {"api"}, {MakeSpec("api")});
    play.Happens(event::Replace{.service = "api", .slot = {}});
    CHECK(play.service("api").rollout->cause == Cause::kPerson);
  }
}

}  // namespace
}  // namespace oxherd
