#include "tests/sim/exhaustive.h"

namespace oxherd::sim {
int RunExhaustive() { return 0; }
}  // namespace oxherd::sim
