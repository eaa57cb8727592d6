// cgroups, version 2: a directory for each instance, so that its whole tree can be killed and seen
// to be empty.
//
// Works in every place where our own cgroup lets us make directories; where not, the tree is found
// by os/process_tree.h. Source: the kernel's cgroup-v2 documentation, cgroups(7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ids.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

// Where the cgroup2 file system is mounted, from the text of /proc/self/mountinfo: the directory
// that shows `root` of the hierarchy, and that root ("/" unless in a container). Pure.
struct CgroupMount {
  std::string directory;
  std::string root;
  friend bool operator==(const CgroupMount&, const CgroupMount&) = default;
};
[[nodiscard]] std::optional<CgroupMount> FindCgroupMount(std::string_view mountinfo);
// The path after "0::" in the text of /proc/PID/cgroup. Pure.
[[nodiscard]] std::optional<std::string> FindCgroupPath(std::string_view proc_cgroup);

// The directory of a process's cgroup, where the hierarchy is mounted.
[[nodiscard]] Result<std::string> CgroupDirectoryOf(Pid pid);

// A unit of systemd's may hand on controllers only while no process is in its own cgroup: the
// supervisor goes into this one below it. (`DelegateSubgroup=` does the same, from systemd 254.)
inline constexpr std::string_view kSupervisorCgroup = "supervisor";
// The cgroup in which those of the instances are made, if we are in `own`: the unit's, if we went
// aside there. Pure.
[[nodiscard]] std::string CgroupForInstances(const std::string& own);
// Moves `self` from the cgroup `own` to the one for the supervisor below it, where `own` is a
// service of systemd's, ours to write in, and nobody else is in it. Else nothing happens: false.
bool StepAside(const std::string& own, Pid self);
// This process, out of its own cgroup; not with OXHERD_NO_CGROUP=1.
void StepAside();

// Makes the directory `name` inside our own cgroup (CgroupForInstances) and opens it. An error
// where that cannot be done: no version 2, not ours to write, or OXHERD_NO_CGROUP=1 in the
// environment.
[[nodiscard]] Result<Fd> MakeOwnCgroup(const std::string& name);
// A directory of cgroups that is there already, by its absolute path.
[[nodiscard]] SystemResult<Fd> OpenCgroup(const std::string& path);
// Removes it, with what is empty in it. What still has processes stays.
void RemoveOwnCgroup(int root, const std::string& name);

// One directory below; it may be there already. `name` is a plain file name.
[[nodiscard]] SystemResult<Fd> MakeCgroup(int root, const char* name);
// rmdir(2): EBUSY while there are processes in it.
[[nodiscard]] SystemStatus RemoveCgroup(int root, const char* name);

// cgroup.events, kept open: EPOLLPRI says that it changed (possibly up to 10 ms late), IsPopulated
// what is true now.
[[nodiscard]] SystemResult<Fd> OpenCgroupEvents(int cgroup);
[[nodiscard]] SystemResult<bool> IsPopulated(int events);

// SIGKILL to every process in it and below: cgroup.kill (5.14), before that freeze, kill each,
// thaw; repeat that while it stays populated.
[[nodiscard]] SystemStatus KillCgroup(int cgroup);

// How many processes in it the OOM killer has ended (memory.events); 0 where memory is not
// accounted for.
[[nodiscard]] std::uint64_t OomKills(int cgroup);

// Whether it has controllers (cgroup.controllers), and so may have limits that somebody has set.
[[nodiscard]] bool HasControllers(int cgroup);

}  // namespace oxherd::os
