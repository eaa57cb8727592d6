// What a process and all that descend from it use of CPU and memory, from /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace oxherd::os {

struct TreeUsage {
  Duration cpu{0};                   // of the living, and of the ended whom they have waited for
  std::uint64_t resident_bytes = 0;  // the sum of RSS: what processes share counts for each of them
  std::vector<Pid> processes;        // those that were looked at
};

// Processes of one tree that are looked at.
inline constexpr std::size_t kMostTreeProcesses = 256;

// The trees below these processes, taken together. About 20 µs for each process; what is gone adds
// nothing. Source: /proc/PID/stat, /proc/PID/task/TID/children (proc(5)).
[[nodiscard]] TreeUsage MeasureTree(std::vector<Pid> roots);

// Children that a process has made or inherited, of each thread as far as 4 KiB of their numbers
// go.
[[nodiscard]] std::vector<Pid> ChildrenOf(Pid parent);

// The sum of PSS: what processes share counts once. Blocks for about 6 ms per GiB (measured).
// Nothing if it could not be read of one that is there. Source: /proc/PID/smaps_rollup (proc(5)).
[[nodiscard]] std::optional<std::uint64_t> ProportionalBytes(std::span<const Pid> processes);

}  // namespace oxherd::os
