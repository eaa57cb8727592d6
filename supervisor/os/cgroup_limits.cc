#include "os/cgroup_limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "os/fd.h"
#include "os/file.h"
#include "os/system_call.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kMostText = 4096;
// The kernel's own default: how often a quota is given anew.
constexpr std::uint64_t kCpuPeriodMicros = 100'000;

struct Setting {
  std::string_view controller;
  std::string_view file;
  std::string text;
};

std::vector<Setting> SettingsFor(const CgroupLimits& limits) {
  std::vector<Setting> settings;
  if (limits.memory_bytes) {
    settings.push_back({"memory", "memory.max", std::to_string(*limits.memory_bytes)});
  }
  if (limits.cpu_permille) {
    const std::uint64_t quota = *limits.cpu_permille * kCpuPeriodMicros / 1000;
    settings.push_back(
        {"cpu", "cpu.max", std::to_string(quota) + " " + std::to_string(kCpuPeriodMicros)});
  }
  if (limits.processes) {
    settings.push_back({"pids", "pids.max", std::to_string(*limits.processes)});
  }
  return settings;
}

bool HasWord(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(" \n");
    if (text.substr(0, end) == word) return true;
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return false;
}

std::string Above(const std::string& folder) { return folder.substr(0, folder.rfind('/')); }

Result<bool> Lists(const std::string& file, std::string_view controller) {
  OXHERD_TRY_ASSIGN(const std::string text, ReadFile(file, kMostText));
  return HasWord(text, controller);
}

Status Write(const std::string& file, std::string_view text) {
  const Fd opened(Try([&] { return ::open(file.c_str(), O_WRONLY | O_CLOEXEC); }));
  if (!opened) return ErrnoError(file);
  const ssize_t written = Try([&] { return ::write(opened.get(), text.data(), text.size()); });
  if (written < 0) return ErrnoError(file);
  return {};
}

// So that the folders below `folder` have the controller.
Status HandOn(const std::string& folder, std::string_view controller) {
  const std::string file = folder + "/cgroup.subtree_control";
  OXHERD_TRY_ASSIGN(const bool is_on, Lists(file, controller));
  if (is_on) return {};
  OXHERD_TRY_ASSIGN(const bool is_here, Lists(folder + "/cgroup.controllers", controller));
  if (!is_here) {
    return MakeError("the controller " + std::string(controller) + " is not delegated to " +
                     folder);
  }
  const Status written = Write(file, "+" + std::string(controller));
  if (!written && written.error().number == EBUSY) {
    return MakeError(folder +
                     " hands on no controllers while processes are in it, the supervisor's "
                     "own or others");
  }
  return written;
}

}  // namespace

Status EnforceLimits(const std::string& folder, const CgroupLimits& limits) {
  const std::vector<Setting> settings = SettingsFor(limits);
  const std::string shelf = Above(folder);
  for (const Setting& setting : settings) {
    OXHERD_TRY_ASSIGN(const bool is_there,
                      Lists(folder + "/cgroup.controllers", setting.controller));
    if (is_there) continue;
    OXHERD_TRY_ASSIGN(const bool is_on_shelf,
                      Lists(shelf + "/cgroup.controllers", setting.controller));
    if (!is_on_shelf) OXHERD_TRY(HandOn(Above(shelf), setting.controller));
    OXHERD_TRY(HandOn(shelf, setting.controller));
  }
  for (const Setting& setting : settings) {
    OXHERD_TRY(Write(folder + "/" + std::string(setting.file), setting.text));
  }
  return {};
}

}  // namespace oxherd::os
