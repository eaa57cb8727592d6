#include "os/own_process.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "os/cgroup.h"
#include "os/file.h"

namespace oxherd::os {
namespace {

int CpusByAffinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(CPU_COUNT(&set), 1);
}

// "QUOTA PERIOD" of cpu.max, or "max PERIOD"; rounded up to whole CPUs. 0: no limit.
int CpusOf(std::string_view quota_and_period) {
  long quota = 0;
  long period = 0;
  const char* const start = quota_and_period.data();
  const char* const end = start + quota_and_period.size();
  const auto first = std::from_chars(start, end, quota);
  if (first.ec != std::errc() || first.ptr == end) return 0;
  const auto second = std::from_chars(first.ptr + 1, end, period);
  if (second.ec != std::errc() || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::min(1000L, (quota + period - 1) / period));
}

// The tightest limit of our cgroup and those above it; a container sees its own as the root.
int CpusByQuota() {
  constexpr std::size_t kMost = 64UL * 1024;
  const Result<std::string> mounts = ReadFile("/proc/self/mountinfo", kMost * 16);
  const Result<std::string> own = ReadFile("/proc/self/cgroup", kMost);
  if (!mounts || !own) return 0;
  const auto mount = FindCgroupMount(*mounts);
  std::optional<std::string> path = FindCgroupPath(*own);
  if (!mount || !path) return 0;
  int tightest = 0;
  for (;;) {
    const Result<std::string> limit = ReadFile(mount->directory + *path + "/cpu.max", kMost);
    const int cpus = limit ? CpusOf(*limit) : 0;
    if (cpus > 0 && (tightest == 0 || cpus < tightest)) tightest = cpus;
    const std::size_t slash = path->rfind('/');
    if (slash == std::string::npos || path->size() <= 1) return tightest;
    path->resize(slash);
  }
}

}  // namespace

std::uint16_t UsableCpus() {
  const int quota = CpusByQuota();
  const int cpus = quota > 0 ? std::min(quota, CpusByAffinity()) : CpusByAffinity();
  return static_cast<std::uint16_t>(std::clamp(cpus, 1, 1000));
}

std::vector<std::pair<std::string, std::string>> OwnEnvironment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace oxherd::os
