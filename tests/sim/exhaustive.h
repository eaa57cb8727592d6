// The exhaustive search: every order of what can happen in small cases.
#pragma once

#include <cstdint>

#include "tests/sim/checker.h"

namespace oxherd::sim {

// Prints what it saw; 0 if nothing was violated, else 1.
int RunExhaustive();

}  // namespace oxherd::sim
