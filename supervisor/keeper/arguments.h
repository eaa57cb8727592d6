// The keeper's command line; it is written by `oxherd`, not by people.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace oxherd::keeper {

enum class Ground { kBackground, kForeground };

// oxherd-keeper --state DIR --runtime DIR --daemon PATH [--foreground] [--estate N]
//   [-- ARGUMENT...]
struct Arguments {
  std::string state;    // directory, absolute; holds the lock
  std::string runtime;  // directory, absolute; holds the control socket
  std::string daemon;   // the daemon's program
  // In the foreground a terminal that goes away means SIGTERM, not SIGHUP.
  Ground ground = Ground::kBackground;
  // Descriptor of the memfd with what an earlier keeper has left (keeper/succession.h); -1: none.
  int estate = -1;
  std::vector<std::string> daemon_arguments;
};

// An error says what is wrong with the line.
[[nodiscard]] Result<Arguments> ParseArguments(std::span<char* const> words);

}  // namespace oxherd::keeper
