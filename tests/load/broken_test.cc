// New versions that are no good: the old one goes on, and not one request notices.
#include <doctest/doctest.h>

#include "tests/load/proof.h"

namespace oxherd::load {
namespace {

using e2e::Home;
using e2e::Outcome;

constexpr const char* kHealth =
    "ready_timeout_ms = 1000\n"
    "[processes.api.health_check]\nendpoint = \"http://127.0.0.1:@port/\"\ntimeout_secs = 1\n";

// Good instances under load, then a reload that brings in another program.
struct Attempt {
  Home home;
  Outcome outcome;
  Counts counts;

  explicit Attempt(const std::string& command, const std::string& more = kHealth,
                   int instances = 2) {
    WriteService(home, Serving("node plain.js", instances, more));
    home.MustRun({"start"});
    const auto before = home.List();
    const Plan plan = Fresh(home);
    Load load(plan);
    WaitForAnswers(load, plan);
    WriteService(home, Serving(command, instances, more));
    outcome = home.Run({"reload", "api"}, seconds(60));
    WaitForAnswers(load, plan);
    counts = load.Finish();
    MESSAGE(command << ": exit " << outcome.exit_code << "; " << counts.Told());
    CHECK(outcome.exit_code == 1);
    for (const e2e::Instance& old : before) {
      CHECK(home.Pid(old.name) == old.pid);
      CHECK(home.Get(old.name).generation == 1);
      CHECK(home.Get(old.name).state == "ready");
    }
  }
};

TEST_SUITE_BEGIN("proof_broken");

TEST_CASE("a new version that crashes at boot") {
  if (!Has("node")) {
    return;
  }
  const Attempt attempt("node crashes_at_boot.js");
  CheckNothingFailed(attempt.home, attempt.counts);
  CHECK_SAYS(attempt.outcome.all(), "DATABASE_URL is not set");
}

TEST_CASE("a new version that never listens") {
  if (!Has("node")) {
    return;
  }
  const Attempt attempt("node never_listens.js");
  CheckNothingFailed(attempt.home, attempt.counts);
  CHECK_SAYS(attempt.outcome.all(), "connecting to the database");
}

TEST_CASE("a new version that takes connections and answers nobody") {
  if (!Has("node")) {
    return;
  }
  const Attempt attempt("node hangs.js");
  CheckNothingFailed(attempt.home, attempt.counts);
  CHECK(attempt.counts.bodies.size() == 2);
}

TEST_CASE("a new version that answers 500") {
  if (!Has("node")) {
    return;
  }
  const Attempt attempt("node answers_500.js");
  CheckNothingFailed(attempt.home, attempt.counts);
  CHECK_SAYS(attempt.outcome.all(), "was not ready in 1");
}

// Dies so long after it listens; so long a good behaviour is asked for.
std::string DiesAfter(int ms, int min_uptime_ms) {
  return "min_uptime_ms = " + std::to_string(min_uptime_ms) + "\nenv = { DIES_AFTER_MS = \"" +
         std::to_string(ms) + "\" }\n";
}

TEST_CASE("a new version that is well for a moment and dies costs not one request") {
  if (!Has("node")) {
    return;
  }
  for (const int instances : {2, 1}) {
    for (const int ms : {50, 500}) {
      CAPTURE(instances);
      CAPTURE(ms);
      const Attempt attempt("node dies_soon.js", DiesAfter(ms, 1000), instances);
      CheckNothingFailed(attempt.home, attempt.counts);
      CHECK(attempt.counts.bodies.size() == static_cast<std::size_t>(instances));
      CHECK_SAYS(attempt.outcome.all(), "out of luck");
    }
  }
}

TEST_CASE("a new version that dies when it has clients takes down only what it had") {
  if (!Has("node")) {
    return;
  }
  // It proves itself for 150 ms; the old one is still there, as it drains for a second.
  const Attempt attempt("node dies_soon.js", DiesAfter(500, 150) + "drain_ms = 1000\n");
  const Counts& counts = attempt.counts;
  CHECK(counts.of(Cause::kRefused) == 0);
  CHECK(counts.of(Cause::kTimedOut) == 0);
  // Of each client at most the request in its hands, and the next one, in its queue, which is
  // swept.
  CHECK(counts.failed <= 2 * Fresh(attempt.home).connections);
  CHECK(counts.longest_gap < seconds(2));
  CHECK(counts.bodies.size() == 3);
  CHECK_SAYS(attempt.outcome.all(), "out of luck");
}

TEST_CASE("a new version that takes seconds to boot is waited for") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  const int boot_ms = ShortOrLong(2000, 5000);
  const std::string more =
      "reload_parallel = 2\nenv = { BOOT_MS = \"" + std::to_string(boot_ms) + "\" }\n";
  WriteService(home, Serving("node plain.js", 2, more));
  home.MustRun({"start"});
  WriteService(home, Serving("node slow_boot.js", 2, more));
  const Counts counts = ReloadUnder(home, Fresh(home), 1);
  CHECK(counts.took_ms >= boot_ms);
  CHECK(counts.bodies.size() == 4);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
