// Runs a program to its end and keeps what it says: bounded in time and in output.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/exit_status.h"
#include "base/time.h"

namespace oxherd::os {

struct CapturedProgram {
  std::string name;                                 // looked for on PATH if it has no slash
  std::vector<std::string> arguments;               // without the program's name
  std::string folder;                               // where it runs
  Millis time{10'000};                              // then its group gets SIGKILL
  std::size_t most = std::size_t{4} * 1024 * 1024;  // bytes of each stream; more is an error
};

struct Captured {
  ExitStatus status;
  std::string out;
  std::string err;
};

// Starts it with our environment, stdin from /dev/null and a process group of its own, and blocks
// until it and both streams have ended. An error: it cannot be started (number is the errno), the
// time is over, or it says too much. Source: posix_spawnp(3), poll(2).
[[nodiscard]] Result<Captured> RunCaptured(const CapturedProgram& program);

struct CommandOutcome {
  int exit_code = 0;   // 128 + N: killed by signal N
  std::string output;  // of stdout, then of stderr, without the last newline
  [[nodiscard]] bool ok() const { return exit_code == 0; }
};

// The same for a command of the system, in our folder; it has two minutes (systemctl(1) waits for
// what it starts). `words` are its name and arguments.
[[nodiscard]] Result<CommandOutcome> RunCommand(const std::vector<std::string>& words);

}  // namespace oxherd::os
