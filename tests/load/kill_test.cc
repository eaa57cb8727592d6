// Instances, and the daemon, that are killed under load.
#include <doctest/doctest.h>

#include <csignal>

#include "tests/load/proof.h"

namespace oxherd::load {
namespace {

using e2e::Home;
using e2e::Watched;

// Kills one and waits until its replacement serves.
Counts KillUnder(const Home& home, const Plan& plan, const std::string& instance) {
  Load load(plan);
  WaitForAnswers(load, plan);
  const pid_t killed = home.Pid(instance);
  Watched(killed).Signal(SIGKILL);
  e2e::WaitUntil("the replacement", [&] {
    const e2e::Instance now = home.Get(instance);
    return now.state == "ready" && now.pid != killed;
  });
  WaitForAnswers(load, plan);
  Counts counts = load.Finish();
  MESSAGE(instance << " killed: " << counts.Told());
  return counts;
}

// Nobody was refused or left to hang; who failed had his request in the killed one's hands.
void CheckOnlyThoseInFlightFailed(const Counts& counts, std::size_t clients) {
  CHECK(counts.of(Cause::kRefused) == 0);
  CHECK(counts.of(Cause::kTimedOut) == 0);
  CHECK(counts.failed <= clients);
  for (const Failure& failure : counts.failures) {
    CHECK(failure.at - counts.failures.front().at < milliseconds(500));
  }
}

// Killed many times in a row, each time as if it were the first: no back-off that grows, after
// which the queue would not have been waited for.
constexpr const char* kNoBackOff = "restart_delay_max_ms = 100\nmax_restarts = 0\n";

TEST_SUITE_BEGIN("proof_kill");

TEST_CASE("kill -9 of one of two instances fails those in flight there, and refuses nobody") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2, kNoBackOff));
  home.MustRun({"start"});
  const Plan plan = Fresh(home);
  for (int i = 0; i < ShortOrLong(2, 20); ++i) {
    const Counts counts = KillUnder(home, plan, "api/1");
    CheckOnlyThoseInFlightFailed(counts, plan.connections);
    CHECK(counts.longest_gap < seconds(1));  // the other one went on
  }
}

TEST_CASE("kill -9 of the only instance refuses nobody: clients wait for the replacement") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 1, kNoBackOff));
  home.MustRun({"start"});
  const Plan plan = Fresh(home);
  for (int i = 0; i < ShortOrLong(2, 20); ++i) {
    CheckOnlyThoseInFlightFailed(KillUnder(home, plan, "api/0"), plan.connections);
  }
}

TEST_CASE("kill -9 of the daemon during a reload fails no request, and the reload completes") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2));
  home.MustRun({"start"});
  const Plan plan = Fresh(home);
  Load load(plan);
  WaitForAnswers(load, plan);
  // After the fifth crash within a minute the keeper gives the daemon no image any more.
  for (int i = 0; i < ShortOrLong(2, 4); ++i) {
    const int before = home.Get("api/1").generation;
    e2e::Command reloading = home.Begin({"reload", "api"});
    e2e::WaitUntil("the first new instance", [&] { return home.Get("api/0").generation > before; });
    home.KillDaemon();
    const e2e::Outcome outcome = reloading.Wait(seconds(60));
    CHECK_MESSAGE(outcome.exit_code == 0, outcome.all());
    CHECK(home.Get("api/0").generation == before + 1);
    CHECK(home.Get("api/1").generation == before + 1);
    WaitForAnswers(load, plan);
  }
  const Counts counts = load.Finish();
  MESSAGE("daemon killed: " << counts.Told());
  CheckNothingFailed(home, counts);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
