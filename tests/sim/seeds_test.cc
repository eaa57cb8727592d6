#include <doctest/doctest.h>

#include "tests/sim/scenario.h"
#include "tests/sim/simulation.h"

namespace oxherd::sim {
namespace {

TEST_SUITE("sim: seeds") {
  TEST_CASE("thousands of seeded worlds hold every invariant") {
    Simulation simulation;
    Scenario scenario;
    std::uint64_t core_events = 0;
    for (std::uint64_t seed = 1; seed <= 6'000; ++seed) {
      Draw(seed, scenario);
      const Outcome outcome = simulation.Run(scenario);
      core_events += outcome.core_events;
      INFO("./dev sim --seed " << seed << " --trace");
      INFO("invariant " << static_cast<int>(outcome.violation.invariant) << ": "
                        << std::string(outcome.violation.what));
      REQUIRE_FALSE(outcome.violation);
    }
    CHECK(core_events > 100'000);  // they were not empty
  }

  TEST_CASE("the same seed is the same world") {
    Simulation simulation;
    Scenario scenario;
    Draw(42, scenario);
    const Outcome first = simulation.Run(scenario);
    const Outcome second = simulation.Run(scenario);
    CHECK(first.happenings == second.happenings);
    CHECK(first.core_events == second.core_events);
  }
}

}  // namespace
}  // namespace oxherd::sim
