#include "daemon/launch/run_as.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "os/user.h"

namespace oxherd {
namespace {

void SetUserVariables(Spec& spec, const os::UserFacts& user) {
  std::vector<EnvEntry> variables = {
      {"HOME", user.home}, {"USER", user.name}, {"LOGNAME", user.name}, {"SHELL", user.shell}};
  std::erase_if(variables, [](const EnvEntry& entry) { return entry.second.empty(); });
  const bool has_path = !spec.env.empty() && spec.env.front().first == "PATH";
  spec.env.insert(spec.env.begin() + (has_path ? 1 : 0), variables.begin(), variables.end());
}

}  // namespace

Status ResolveRunAs(Spec& spec) {
  RunAs& run_as = spec.run_as;
  if (!spec.logs.group.empty()) {
    auto group = os::FindGroup(spec.logs.group);
    if (!group) return std::unexpected(std::move(group).error().In("[logging] group"));
    spec.logs.gid = *group;
  }
  if (!run_as.is_set()) return {};
  run_as.uid = ::geteuid();
  run_as.gid = ::getegid();
  run_as.groups.clear();
  if (!run_as.user.empty()) {
    auto user = os::FindUser(run_as.user);
    if (!user) return std::unexpected(std::move(user).error().In("user"));
    run_as.uid = user->uid;
    run_as.gid = user->gid;
    run_as.groups = std::move(user->groups);
    SetUserVariables(spec, *user);
  }
  if (!run_as.group.empty()) {
    auto group = os::FindGroup(run_as.group);
    if (!group) return std::unexpected(std::move(group).error().In("group"));
    run_as.gid = *group;
    if (std::ranges::find(run_as.groups, *group) == run_as.groups.end()) {
      run_as.groups.push_back(*group);
    }
  }
  if (::geteuid() == 0) return {};
  if (run_as.uid != ::geteuid() || run_as.gid != ::getegid()) {
    return MakeError(
        "only root's daemon may run it as " +
        (run_as.user.empty() ? "group \"" + run_as.group + "\"" : "user \"" + run_as.user + "\"") +
        "; leave that out, or: sudo oxherd start");
  }
  run_as = RunAs{};  // ourselves: there is nothing to set
  return {};
}

}  // namespace oxherd
