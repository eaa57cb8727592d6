// Starts a program that outlives us: a session of its own, no terminal, nothing inherited.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "os/fd.h"

namespace oxherd::os {

struct BackgroundProgram {
  std::string path;                      // of the program; no search
  std::vector<std::string> arguments;    // without the program's name
  std::vector<std::string> environment;  // "NAME=value"; the whole of it
  int passed = -1;     // a descriptor that it gets too, under the same number; -1: none
  std::string output;  // file that its stdout and stderr are appended to; made 0600
};

// Starts it in "/", with default signals and stdin from /dev/null, and returns a pidfd of it. Other
// descriptors than 0 to 2 are expected to be close-on-exec. Source: posix_spawn(3), setsid(2).
[[nodiscard]] Result<Fd> StartInBackground(const BackgroundProgram& program);

// Replaces this process with the program (execve(2)), in the same folder, with the same
// descriptors. Returns only if that fails.
[[nodiscard]] Error Become(const std::string& path, const std::vector<std::string>& arguments);

}  // namespace oxherd::os
