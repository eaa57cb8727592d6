#include "keeper/foundlings.h"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/number.h"
#include "os/cgroup.h"
#include "os/former_process.h"

namespace oxherd::keeper {
namespace {

// More than an environment that we make is likely to be: what is cut off is not found.
constexpr std::size_t kMostEnvironment = std::size_t{1} << 20;

// The value of a variable; nothing where it is not there.
std::optional<std::string_view> ValueOf(std::string_view environment, std::string_view name) {
  while (!environment.empty()) {
    const std::string_view entry = environment.substr(0, environment.find('\0'));
    if (entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=') {
      return entry.substr(name.size() + 1);
    }
    environment.remove_prefix(std::min(entry.size() + 1, environment.size()));
  }
  return std::nullopt;
}

// "…/oxherd-12/api.0": all of one keeper's are below the same root.
void AddCgroup(Pid pid, LeftProcess& left, Preamble& preamble) {
  const std::string directory = os::CgroupDirectoryOf(pid).value_or("");
  const std::size_t slash = directory.rfind('/');
  if (slash == std::string::npos) return;
  const std::string root = directory.substr(0, slash);
  if (!root.substr(root.rfind('/') + 1).starts_with("oxherd-")) return;
  if (preamble.cgroup_root.empty()) preamble.cgroup_root = root;
  if (root == preamble.cgroup_root) left.cgroup = CgroupName(directory.substr(slash + 1));
}

void AddPipes(Pid pid, LeftProcess& left) {
  for (const int number : {1, 2}) {
    const std::optional<std::uint64_t> inode = os::PipeAt(pid, number);
    if (!inode) continue;
    if (number == 2 && left.facts.held.count == 1 && left.inodes[0] == *inode) continue;
    left.inodes[left.facts.held.count] = *inode;
    left.facts.held.Add(number == 1 ? Role::kStdout : Role::kStderr);
  }
}

std::optional<LeftProcess> LookAt(Pid pid, const std::string& state) {
  const std::string environment = os::ReadProc(pid, "environ", kMostEnvironment);
  std::optional<LeftProcess> left = ReadMarks(environment, state);
  if (!left) return std::nullopt;
  const std::optional<os::ProcessStat> stat = os::ReadStat(pid);
  const std::optional<std::uint32_t> user = os::RealUserOf(pid);
  if (!stat || !user || stat->session != pid) return std::nullopt;
  left->facts.pid = pid;
  left->facts.phase = Phase::kSpawning;  // whatever it was: it is taken for started
  left->start_ticks = stat->start_ticks;
  left->uid = *user;
  AddPipes(pid, *left);
  return left;
}

// What a main process starts in a session of its own has the same marks, and is younger.
void Add(std::vector<LeftProcess>& processes, const LeftProcess& left) {
  const auto known = std::ranges::find_if(
      processes, [&](const LeftProcess& one) { return one.facts.token == left.facts.token; });
  if (known == processes.end()) {
    processes.push_back(left);
  } else if (left.start_ticks < known->start_ticks) {
    *known = left;
  }
}

}  // namespace

std::optional<LeftProcess> ReadMarks(std::string_view environment, std::string_view state) {
  if (ValueOf(environment, "OXHERD_STATE") != state) return std::nullopt;
  const auto token = ParseNumber<std::uint64_t>(ValueOf(environment, "OXHERD_TOKEN").value_or(""));
  const auto slot =
      ParseNumber<std::uint16_t>(ValueOf(environment, "OXHERD_INSTANCE_ID").value_or(""));
  const auto generation =
      ParseNumber<std::uint32_t>(ValueOf(environment, "OXHERD_GENERATION").value_or(""));
  const std::string_view service = ValueOf(environment, "OXHERD_SERVICE").value_or("");
  if (!token || *token == 0 || !slot || !generation || service.empty()) return std::nullopt;
  LeftProcess left;
  left.facts.token = Token(*token);
  left.facts.label.service = Name(service);
  left.facts.label.slot = *slot;
  left.facts.label.generation = Generation(*generation);
  // A command that looks at another process is told its pid.
  const bool is_check = ValueOf(environment, "OXHERD_PID").has_value();
  left.facts.label.kind = is_check ? ProcessKind::kCheck : ProcessKind::kInstance;
  return left;
}

Estate FindFoundlings(const std::string& state) {
  Estate estate;
  if (const auto boot = os::ReadBootId()) estate.preamble.boot = *boot;
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return estate;
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): our own DIR
    const auto number = ParseNumber<std::int32_t>(entry->d_name);
    if (!number) continue;
    std::optional<LeftProcess> left = LookAt(Pid(*number), state);
    if (!left) continue;
    AddCgroup(left->facts.pid, *left, estate.preamble);
    estate.highest = std::max(estate.highest, left->facts.token);
    Add(estate.processes, *left);
  }
  ::closedir(folder);
  return estate;
}

void AddUnwritten(Estate& estate, const std::string& state) {
  const Token written = estate.highest;
  for (const LeftProcess& left : FindFoundlings(state).processes) {
    if (left.facts.token <= written) continue;
    estate.processes.push_back(left);
    estate.highest = std::max(estate.highest, left.facts.token);
  }
}

}  // namespace oxherd::keeper
