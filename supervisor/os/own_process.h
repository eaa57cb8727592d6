// What this process was given: its environment, and how many CPUs it may use.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace oxherd::os {

// Name and value of each variable, in the order of `environ`; what has no name is left out. Not
// while another thread changes it. Source: environ(7).
[[nodiscard]] std::vector<std::pair<std::string, std::string>> OwnEnvironment();

// By affinity and by the cgroup's quota, rounded up: 1 to 1000. Reads a few files. Source:
// sched_getaffinity(2), cpu.max of the kernel's cgroup-v2 document.
[[nodiscard]] std::uint16_t UsableCpus();

}  // namespace oxherd::os
