// Runs a program of the system to its end, for programs of ours that may wait: the CLI.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace oxherd::os {

struct CommandOutcome {
  int exit_code = 0;   // 128 + N: killed by signal N
  std::string output;  // both of its streams, the first 64 KiB; without the last newline
  [[nodiscard]] bool ok() const { return exit_code == 0; }
};

// Searches PATH, gives it our environment and /dev/null to read, and waits for its end. The error
// is that it could not be started. Source: posix_spawnp(3).
[[nodiscard]] Result<CommandOutcome> RunCommand(const std::vector<std::string>& words);

}  // namespace oxherd::os
