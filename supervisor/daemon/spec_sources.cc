#include "daemon/spec_sources.h"

#include <pwd.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "config/config_error.h"
#include "os/cgroup.h"
#include "os/file.h"

namespace oxherd {
namespace {

constexpr std::string_view kPath = "PATH";

// Meant for us, not for our children; what an instance gets of these it gets anew.
bool IsOurOwn(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames = {
      "NOTIFY_SOCKET", "INVOCATION_ID",  "JOURNAL_STREAM", "LISTEN_FDS",
      "LISTEN_PID",    "LISTEN_FDNAMES", "WATCHDOG_PID",   "WATCHDOG_USEC"};
  return name.starts_with("OXHERD_") || std::ranges::find(kNames, name) != kNames.end();
}

std::string HomeFolder() {
  std::array<char, 16384> buffer{};
  struct passwd entry{};
  struct passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr && found->pw_dir != nullptr) {
    return found->pw_dir;
  }
  return "/";
}

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
  const Result<std::string> mounts = os::ReadFile("/proc/self/mountinfo", kMost * 16);
  const Result<std::string> own = os::ReadFile("/proc/self/cgroup", kMost);
  if (!mounts || !own) return 0;
  const auto mount = os::FindCgroupMount(*mounts);
  std::optional<std::string> path = os::FindCgroupPath(*own);
  if (!mount || !path) return 0;
  int tightest = 0;
  for (;;) {
    const Result<std::string> limit = os::ReadFile(mount->directory + *path + "/cpu.max", kMost);
    const int cpus = limit ? CpusOf(*limit) : 0;
    if (cpus > 0 && (tightest == 0 || cpus < tightest)) tightest = cpus;
    const std::size_t slash = path->rfind('/');
    if (slash == std::string::npos || path->size() <= 1) return tightest;
    path->resize(slash);
  }
}

std::uint16_t UsableCpus() {
  const int quota = CpusByQuota();
  const int cpus = quota > 0 ? std::min(quota, CpusByAffinity()) : CpusByAffinity();
  return static_cast<std::uint16_t>(std::clamp(cpus, 1, 1000));
}

const Spec* FindSpec(std::span<const Spec> specs, std::string_view name) {
  const auto found = std::ranges::find(specs, name, &Spec::name);
  return found == specs.end() ? nullptr : &*found;
}

}  // namespace

Surroundings SurroundingsOfThisProcess() {
  Surroundings surroundings;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0 || IsOurOwn(text.substr(0, equals))) {
      continue;
    }
    surroundings.base.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  std::ranges::sort(surroundings.base);
  surroundings.home_folder = HomeFolder();
  surroundings.usable_cpus = UsableCpus();
  return surroundings;
}

ProfileWish ProfilesOf(const State& state, std::string_view path) {
  ProfileWish profiles;
  for (const Service& service : state.services) {
    const Spec& spec = service.spec();
    if (spec.source_file == path && spec.profile) {
      profiles.remembered.emplace(service.name, *spec.profile);
    }
  }
  return profiles;
}

std::expected<Oxfile, RenderedErrors> LoadOxfile(const std::string& path,
                                                 const Surroundings& surroundings,
                                                 ProfileWish profiles) {
  ReadOutcome outcome = ReadOxfile(path, {.base_environment = surroundings.base,
                                          .home_dir = surroundings.home_folder,
                                          .usable_cpus = surroundings.usable_cpus,
                                          .profile = std::move(profiles.asked),
                                          .remembered_profiles = std::move(profiles.remembered)});
  if (outcome) return std::move(*outcome);
  RenderedErrors errors;
  for (const ConfigError& error : outcome.error()) errors.push_back(error.Render());
  return std::unexpected(std::move(errors));
}

void StorePath(Spec& spec, std::string_view path) {
  std::string literal;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '$' && i + 1 < path.size() && path[i + 1] == '{') literal += '$';
    literal += path[i];
  }
  spec.env.insert(spec.env.begin(), EnvEntry(kPath, std::move(literal)));
}

bool KeepStoredPath(Spec& spec, const Spec& earlier) {
  if (earlier.env.empty() || earlier.env.front().first != kPath) return false;
  spec.env.insert(spec.env.begin(), earlier.env.front());
  return true;
}

std::vector<const Spec*> WithDependencies(std::span<const Spec> specs,
                                          std::span<const std::string> names) {
  std::set<std::string_view> wanted;
  std::vector<std::string_view> to_visit(names.begin(), names.end());
  while (!to_visit.empty()) {
    const std::string_view name = to_visit.back();
    to_visit.pop_back();
    const Spec* const spec = FindSpec(specs, name);
    if (spec == nullptr || !wanted.insert(spec->name).second) continue;
    for (const Dependency& dependency : spec->policy.depends_on) {
      to_visit.push_back(dependency.service);
    }
  }
  std::vector<const Spec*> chosen;
  for (const Spec& spec : specs) {
    if (wanted.contains(spec.name)) chosen.push_back(&spec);
  }
  return chosen;
}

}  // namespace oxherd
