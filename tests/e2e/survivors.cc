#include "tests/e2e/survivors.h"

#include <algorithm>

namespace oxherd::e2e {

bool SamePids(const std::vector<Instance>& before, const std::vector<Instance>& after) {
  return std::ranges::equal(before, after, [](const Instance& a, const Instance& b) {
    return a.name == b.name && a.pid == b.pid && IsAlive(b.pid);
  });
}

}  // namespace oxherd::e2e
