// Temporary folders that say whose they are, so that what a test left behind when it was killed is
// cleared away by the next one.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace oxherd::test {

// "/tmp/oxherd-KIND.PID.START.XXXXXX", empty, ours alone; PID and START name this process. Before
// the first one clears what dead test programs have left. Ends the test if it cannot be made.
std::filesystem::path MakeTemporaryFolder(const std::string& kind);

// Of every folder in `where` whose name says that its owner is dead: the processes that name it are
// killed, what is mounted in it is taken off, and it is removed. Likewise the empty cgroups of dead
// keepers. Others' are left alone.
void ClearLeftovers(const std::filesystem::path& where);

// Processes whose working directory, arguments or environment name `folder`; zombies have none of
// these.
std::vector<pid_t> ProcessesThatName(const std::filesystem::path& folder);

// The cgroup v2 folder of a process; empty without cgroups, or where it is gone.
std::filesystem::path CgroupOf(pid_t pid);

}  // namespace oxherd::test
