// Hard limits of a cgroup: which controllers they need, handing these on, and setting them.
//
// Paths are passed in, so that a test can have a tree of its own. Source: the kernel's cgroup-v2
// documentation (Controllers, "Top-down Constraint", "No Internal Process Constraint").
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace oxherd::os {

struct CgroupLimits {
  std::optional<std::uint64_t> memory_bytes = {};  // memory.max
  std::optional<std::uint32_t> cpu_permille = {};  // cpu.max, of one core
  std::optional<std::uint64_t> processes = {};     // pids.max
  [[nodiscard]] bool are_set() const { return memory_bytes || cpu_permille || processes; }
};

// Sets the limits of the cgroup `folder`, one of those directly below the folder that was made for
// them. Controllers that are missing are handed on from the two folders above it, where these have
// them. The error says in one sentence why it cannot be; then nothing is limited that was not.
[[nodiscard]] Status EnforceLimits(const std::string& folder, const CgroupLimits& limits);

}  // namespace oxherd::os
