// Processes that somebody else of ours has started, and that we are not the parent of: whether they
// are still the same, what they were given, and how they end.
//
// For a keeper that goes on where another one was killed. Source: proc(5), pidfd_open(2),
// pidfd_getfd(2), the kernel's PIDFD_GET_INFO.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/exit_status.h"
#include "base/ids.h"
#include "os/fd.h"
#include "os/process_tree.h"

namespace oxherd::os {

// /proc/sys/kernel/random/boot_id: another one after each boot. Nothing where it cannot be read.
using BootId = std::array<char, 36>;
[[nodiscard]] std::optional<BootId> ReadBootId();

// /proc/PID/stat as it is now; nothing when there is no such process.
[[nodiscard]] std::optional<ProcessStat> ReadStat(Pid pid);
// The real user, also of a zombie. Nothing when there is no such process.
[[nodiscard]] std::optional<std::uint32_t> RealUserOf(Pid pid);
// Whether its cgroup of version 2 is FOLDER/NAME somewhere in the hierarchy, or below that.
[[nodiscard]] bool IsInCgroup(Pid pid, std::string_view folder, std::string_view name);
// Pure: the same for the text of /proc/PID/cgroup.
[[nodiscard]] bool NamesCgroup(std::string_view proc_cgroup, std::string_view folder,
                               std::string_view name);

// The text of /proc/PID/NAME, at most so much of it; empty if it cannot be read.
[[nodiscard]] std::string ReadProc(Pid pid, std::string_view name, std::size_t most);
// The inode of the pipe that the process has open as `number`; nothing if that is no pipe.
[[nodiscard]] std::optional<std::uint64_t> PipeAt(Pid pid, int number);
// The inode of what a descriptor is open on; 0 if that cannot be said.
[[nodiscard]] std::uint64_t InodeOf(int fd);
// The read end of a pipe that the process has open, opened anew; does not block. Nothing: it has
// not, or we may not.
[[nodiscard]] std::optional<Fd> ReopenPipe(Pid pid, std::uint64_t inode);
// Whether the process has the socket with this inode open.
[[nodiscard]] bool HasSocket(Pid pid, std::uint64_t inode);
// A duplicate of each socket that the process has open and whose inode is wanted, at the place of
// that inode; places that are filled already are left alone. Needs the right to trace it
// (ptrace(2)). Returns how many it got.
std::size_t FetchSockets(int pidfd, Pid pid, std::span<const std::uint64_t> inodes,
                         std::span<Fd> sockets);

// How the process ended, whose pidfd has become readable: by PIDFD_GET_INFO (Linux 6.15) once it is
// reaped, by /proc/PID/stat before. Unknown where neither tells.
[[nodiscard]] ExitStatus ExitOf(int pidfd, Pid pid, std::uint64_t start_ticks);

}  // namespace oxherd::os
