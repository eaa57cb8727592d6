// The exhaustive search: every order of what can happen in small cases.
//
// One service of two instances, one reload, and one each of: a process that dies by itself, a stop,
// a daemon that dies (its last actions performed or lost). At every point each thing that can
// happen next is tried; states that were seen before are not gone into again. What the seeds of the
// simulator find by chance is here found or excluded for certain, for so small a world.
#pragma once

#include <cstdint>
#include <string>

#include "core/spec.h"

namespace oxherd::sim {

// What may happen besides the reload, once each, and how the service is reloaded.
struct SmallCase {
  bool crash = true;
  bool stop = true;
  bool daemon_death = false;
  ReloadStrategy strategy = ReloadStrategy::kStartFirst;
  std::uint16_t parallel = 1;
};

struct SearchResult {
  std::uint64_t states = 0;
  std::uint64_t steps = 0;
  std::uint64_t ends = 0;  // different states in which nothing can happen any more
  std::string violation;   // empty if there is none
  std::string story;       // how to get there
};

// Searches one case whole. Takes seconds, and memory for its states' hashes.
[[nodiscard]] SearchResult Search(const SmallCase& small);

// Searches every case and prints what it saw; 0 if nothing was violated, else 1.
int RunExhaustive();

}  // namespace oxherd::sim
