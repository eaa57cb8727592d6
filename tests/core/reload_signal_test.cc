// Programs that reload themselves by a signal.
#include <doctest/doctest.h>

#include <csignal>

#include "tests/core/play.h"

namespace oxherd {
namespace {

std::shared_ptr<Spec> MakeNginx() {
  auto spec = MakeSpec("nginx");
  spec->policy.instances = 2;
  spec->policy.reload_signal = SIGHUP;
  return spec;
}

// Two instances that were asked to reload themselves, and nothing else was changed.
struct Reloading : Play {
  RequestId reload;
  Reloading() {
    BringUp({MakeNginx()});
    Forget();
    reload = Ask(Verb::kReload, {"nginx"}, {MakeNginx()});
  }
  std::vector<action::Signal> TakeBoth() {
    auto signals = Take<action::Signal>();
    REQUIRE(signals.size() == 2);
    return signals;
  }
};

TEST_SUITE("core: reload_signal") {
  TEST_CASE("a reload that changes nothing signals every instance and replaces none") {
    Reloading play;
    const auto signals = play.TakeBoth();
    CHECK(signals[0].token == play.token("nginx", 0));
    CHECK(signals[1].token == play.token("nginx", 1));
    CHECK(signals[0].signal == SIGHUP);
    CHECK(play.Take<action::Spawn>().empty());
    play.Happens(event::Signalled{signals[0].token});
    CHECK_FALSE(play.IsAnswered(play.reload));
    play.Happens(event::Signalled{signals[1].token});
    CHECK(play.Item(play.reload).outcome == Outcome::kReloaded);
    CHECK(play.Item(play.reload).generation == Generation(1));
    CHECK(play.service("nginx").generation == Generation(1));
  }

  TEST_CASE("a changed definition is replaced as ever, and so is what is down") {
    Play play;
    play.BringUp({MakeNginx()});
    auto changed = MakeNginx();
    changed->env = {{"WORKERS", "4"}};
    play.Forget();
    play.Ask(Verb::kReload, {"nginx"}, {changed});
    CHECK(play.Take<action::Signal>().empty());
    CHECK(play.Take<action::Spawn>().size() == 1);

    Play other;
    other.BringUp({MakeNginx()});
    other.End(other.token("nginx", 1), ExitStatus::Code(1));
    other.Forget();
    other.Ask(Verb::kReload, {"nginx"}, {MakeNginx()});
    CHECK(other.Take<action::Signal>().empty());
    CHECK(other.service("nginx").rollout->target == Generation(2));
  }

  TEST_CASE("pre_reload_cmd comes first, and if it fails nothing is sent") {
    Play play;
    auto spec = MakeNginx();
    spec->policy.has_pre_reload = true;
    play.BringUp({spec});
    for (const int code : {1, 0}) {
      play.Forget();
      const RequestId reload = play.Ask(Verb::kReload, {"nginx"}, {spec});
      const auto hooks = play.Take<action::Spawn>();
      REQUIRE(hooks.size() == 1);
      CHECK(hooks[0].kind == ProcessKind::kPreReload);
      CHECK(play.Take<action::Signal>().empty());
      play.Happens(event::Started{hooks[0].token, Pid(70)});
      play.End(hooks[0].token, ExitStatus::Code(code));
      const auto signals = play.Take<action::Signal>();
      CHECK(signals.size() == (code == 0 ? 2 : 0));
      for (const auto& signal : signals) play.Happens(event::Signalled{signal.token});
      CHECK(play.Item(reload).outcome == (code == 0 ? Outcome::kReloaded : Outcome::kFailed));
    }
  }

  TEST_CASE("a daemon that dies before the signals went out: its successor sends them") {
    Reloading play;
    const auto signals = play.TakeBoth();
    play.Happens(event::Signalled{signals[0].token});
    World world;
    for (const auto& signal : signals) {
      WorldRecord record;
      record.token = signal.token;
      record.instance = {"nginx", static_cast<SlotIndex>(world.size())};
      record.generation = Generation(1);
      record.pid = Pid(1000 + static_cast<int>(world.size()));
      record.spawned_at = play.now();
      world.push_back(record);
    }
    Actions actions;
    Restore(play.state(), world, play.now(), actions);
    std::vector<Token> told;
    for (const Action& action : actions) {
      if (const auto* signal = std::get_if<action::Signal>(&action)) told.push_back(signal->token);
    }
    CHECK(told == std::vector{signals[1].token});
    CHECK_FALSE(play.IsAnswered(play.reload));
    play.Happens(event::Signalled{signals[1].token});
    CHECK(play.Item(play.reload).outcome == Outcome::kReloaded);
  }

  TEST_CASE("one that ends before it was told is not waited for") {
    Reloading play;
    const auto signals = play.TakeBoth();
    play.Happens(event::Signalled{signals[0].token});
    play.End(signals[1].token, ExitStatus::Code(1));
    play.ConfirmSpawns();
    play.Pass(Millis(1500));
    CHECK(play.Item(play.reload).outcome == Outcome::kReloaded);
    CHECK(play.StateOf("nginx", 1) == "ready");
  }

  TEST_CASE("cron replaces it all the same") {
    Play play;
    play.BringUp({MakeNginx()});
    play.Forget();
    play.Happens(event::Replace{.service = "nginx", .slot = {}});
    CHECK(play.Take<action::Signal>().empty());
    CHECK(play.Take<action::Spawn>().size() == 1);
  }
}

}  // namespace
}  // namespace oxherd
