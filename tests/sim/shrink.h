// Shrink: makes a failing scenario small while it still fails for the same reason.
#pragma once

#include "tests/sim/scenario.h"
#include "tests/sim/simulation.h"

namespace oxherd::sim {

// Drops steps, then faults, then services; returns what is left. `tries` bounds the runs.
[[nodiscard]] Scenario Shrink(const Scenario& scenario, const Violation& violation,
                              int tries = 2000);

// Runs it with a trace and says what is to be seen, for a person.
[[nodiscard]] std::string Report(const Scenario& scenario);

}  // namespace oxherd::sim
