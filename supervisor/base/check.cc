#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace oxherd {

// In a file of its own, so that the simulator can put its own in its place.
void CheckFailed(const char* file, int line, std::string_view what_is_broken) {
  std::fprintf(stderr, "%s:%d: our own bug: %.*s\n", file, line,
               static_cast<int>(what_is_broken.size()), what_is_broken.data());
  std::abort();
}

}  // namespace oxherd
