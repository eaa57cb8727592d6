// Processes by pidfd: signal, reap, and the few things a parent of many sets up for itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

// pidfd_open(2). Only for a process that cannot be gone and replaced meanwhile: an unreaped child.
[[nodiscard]] SystemResult<Fd> OpenPidfd(Pid pid);

// pidfd_send_signal(2). ESRCH: gone already, which callers take for success.
[[nodiscard]] SystemStatus SendSignal(int pidfd, int signal);
// To the process group of which the pidfd's process is or was the leader. Linux before 6.9 cannot
// do that by pidfd: then kill(2), and only if `leader` is not reaped yet, so that its number is
// still its own; else EINVAL.
enum class Leader { kUnreaped, kReaped };
[[nodiscard]] SystemStatus SendSignalToGroup(int pidfd, Pid leader, int signal, Leader state);

// A child that ended, and what it used.
struct Reaped {
  Pid pid;
  ExitStatus status;
  Duration user_time{};
  Duration system_time{};
};
// Reaps one ended child, whichever it is; nothing when there is none. Source: wait4(2).
[[nodiscard]] SystemResult<std::optional<Reaped>> ReapOne();

// Reaps the child of this pidfd, if it has ended. Source: waitid(2), P_PIDFD.
[[nodiscard]] std::optional<ExitStatus> ReapByPidfd(int pidfd);

// PR_SET_CHILD_SUBREAPER (prctl(2)): orphans below us become our children.
[[nodiscard]] SystemStatus BecomeSubreaper();

// A pair of soft and hard limit of open files (getrlimit(2)).
struct OpenFiles {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};
// Raises our own soft limit of open files to the hard one; says what it was.
[[nodiscard]] SystemResult<OpenFiles> RaiseOpenFiles();

// Our own oom_score_adj (proc(5)); 0 if it cannot be read.
[[nodiscard]] int OomScoreAdj();

// Lets go of the pages of our own program; what is needed again comes back from the page cache, 64
// KiB at a time (madvise(2), MADV_DONTNEED on what is never written). For a program that sleeps
// most of its life.
void ReleaseProgramPages();

// A file of ours: beside the program that runs, or where a package puts it, ../lib/oxherd and
// ../libexec/oxherd. The error names where it was looked for.
[[nodiscard]] Result<std::string> FindInstalled(std::string_view name);

// All signals are blocked and all dispositions are the default ones, whatever we were started with.
// What we want to hear of comes by signalfd(2).
[[nodiscard]] SystemStatus BlockAllSignals();
struct SignalSeen {
  int number = 0;
  bool from_kernel = false;  // e.g. SIGHUP because the terminal is gone
};
// A descriptor that becomes readable on SIGCHLD, SIGTERM, SIGINT or SIGHUP.
[[nodiscard]] SystemResult<Fd> OpenSignals();
// The next signal; nothing when there is none.
[[nodiscard]] SystemResult<std::optional<SignalSeen>> NextSignal(int signals);

}  // namespace oxherd::os
