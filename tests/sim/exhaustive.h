// The exhaustive search: every order of what can happen in small cases.
//
// Two instances, one reload, one crash, one stop, or one death of the daemon, in every order, one
// deadline that passes although something else could still have come first, with the checks of the
// simulator after every step. States that were seen before are not gone into again.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/checker.h"

namespace oxherd::sim {

struct SmallCase {
  ReloadStrategy strategy = ReloadStrategy::kStartFirst;
  bool target_is_broken = false;  // the new definition never becomes ready
  std::uint8_t reloads = 1;
  std::uint8_t crashes = 1;
  std::uint8_t stops = 1;
  std::uint8_t deaths = 1;  // of the daemon
  std::uint8_t lates = 1;   // deadlines that pass while something else could happen
};

struct Found {
  Violation violation;
  std::string path;  // the steps that lead to it
  std::uint64_t states = 0;
  std::uint64_t ends = 0;  // states in which nothing more can happen
};

// Goes at most `depth` steps deep.
[[nodiscard]] Found Search(const SmallCase& small, std::size_t depth);

// Searches all cases and prints what it saw; 0 if nothing was violated, else 1.
int RunExhaustive();

}  // namespace oxherd::sim
