// Looks at processes from outside, through /proc: the tests believe the kernel, not the supervisor.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/command.h"

namespace oxherd::e2e {

struct Process {
  pid_t pid = 0;
  std::string program;  // last part of the executable's path
  char state = '?';     // as in proc(5)
};

// All processes that live in, run from, or were told of `folder`: working directory, arguments or
// environment name it. Zombies are found only where their parent is found.
std::vector<Process> ProcessesOf(const std::filesystem::path& folder);

// The processes of ours that are zombies: children of any process of `folder`.
std::vector<Process> ZombiesOf(const std::filesystem::path& folder);

// False for zombies.
bool IsAlive(pid_t pid);

pid_t ParentOf(pid_t pid);

// A process that exists now and stays the same, whatever becomes of its pid.
class Watched {
 public:
  explicit Watched(pid_t pid);  // fails the test when there is none
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched();

  void Signal(int number) const;
  // The moment when it was seen to be gone; fails the test after `deadline`.
  [[nodiscard]] SteadyClock::time_point WaitForEnd(milliseconds deadline = seconds(10)) const;
  [[nodiscard]] bool ended() const;

 private:
  int fd_ = -1;
  pid_t pid_;
};

}  // namespace oxherd::e2e
