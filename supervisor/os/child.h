// A child between clone and exec: what it is given, how it is made so, and how it tells what
// failed.
//
// The parent clones (a copy of its address space, so that the child can hang in chdir or exec
// without holding up the parent) and reads the report pipe: a byte and then end of file when the
// program runs, a ChildFailure when a stage failed, end of file alone when the child died on its
// way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ids.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

enum class ChildStage : std::uint8_t {
  kPlan,         // there was no room for it in memory
  kDescriptors,  // a descriptor of the map
  kSession,      // setsid(2), /dev/null
  kLimits,       // setrlimit(2), nice(2), oom_score_adj
  kUser,         // setgroups(2), setresgid(2), setresuid(2), PR_SET_NO_NEW_PRIVS
  kDirectory,    // chdir(2)
  kExec,         // execve(2)
};

struct ChildFailure {
  ChildStage stage = ChildStage::kExec;
  int error_number = 0;
};

// One descriptor for the child.
struct ChildDescriptor {
  int source = -1;
  int target = 0;
  bool open_anew = false;  // through OpenAnew, read-write
};

struct ChildLimit {
  int resource = 0;
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

struct ChildUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::span<const std::uint32_t> groups;
};

// Everything for RunChild; nothing is owned. Unset means: as the parent has it.
struct ChildOrder {
  const char* program = nullptr;
  const char* const* arguments = nullptr;    // ends with null
  const char* const* environment = nullptr;  // ends with null
  const char* directory = nullptr;
  std::span<ChildDescriptor>
      descriptors;  // its own: sources are changed. 0, 1, 2 not in it become /dev/null
  std::span<const ChildLimit> limits;
  std::optional<ChildUser> user;
  std::optional<std::uint32_t> umask;
  std::optional<int> nice;
  std::optional<int> oom_score_adj;
  bool no_new_privs = false;
  bool new_session = true;
  int report = -1;  // write end of the report pipe
  // Set: a child that has lost this parent by then does not exec, as nobody knows of it.
  Pid parent;
};

// In the child: carries the order out in this order: signals, session, limits, descriptors, user,
// directory, exec. Afterwards only the descriptors of the map are open, no signal is blocked and
// all dispositions are the default (the parent's are: BlockAllSignals). Allocates nothing.
[[noreturn]] void RunChild(const ChildOrder& order);
// In the child: reports the failure and ends.
[[noreturn]] void FailChild(int report, ChildStage stage, int error_number);

// What clone says: in the child `is_child`, in the parent pid and pidfd.
struct Cloned {
  bool is_child = false;
  Pid pid;
  Fd pidfd;
};
// clone3(2) with a pidfd, as fork(2) does otherwise; into the cgroup whose directory is `cgroup`,
// or -1. Falls back to clone(2) where clone3 is not allowed, and then without a cgroup. EAGAIN,
// ENOMEM: no process to be had. EACCES, EBUSY, EOPNOTSUPP and the like with a cgroup: try without.
[[nodiscard]] SystemResult<Cloned> Clone(int cgroup);

// What the report pipe says.
struct ChildReport {
  enum class State : std::uint8_t { kPending, kRuns, kFailed, kDied };
  State state = State::kPending;
  ChildFailure failure;  // of kFailed
};
// Reads what is there and never blocks; `reached_exec` remembers the byte between two calls.
[[nodiscard]] ChildReport ReadChildReport(int report, bool& reached_exec);

}  // namespace oxherd::os
