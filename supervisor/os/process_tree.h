// Whose process is whose, from /proc: the trees of instances on machines without cgroups.
//
// A process belongs to the tree whose main process leads its session, or to the tree of its parent,
// or, being left to us, to the tree whose OXHERD_TOKEN is in its environment. What cleared its
// environment *and* made its own session before its parent died belongs to nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

// What one /proc/PID/stat says (proc(5)).
struct ProcessStat {
  Pid pid;
  Pid parent;
  Pid group;
  Pid session;
  char state = '?';         // 'Z': ended, not reaped
  bool is_exiting = false;  // inside exit(2): PF_EXITING of the kernel flags
  std::uint64_t start_ticks = 0;

  friend bool operator==(const ProcessStat&, const ProcessStat&) = default;
};
// Nothing for a text that is no such line; the command in it may hold any bytes. Pure.
[[nodiscard]] std::optional<ProcessStat> ParseStat(std::string_view text);

// A tree that is looked for.
struct TreeRoot {
  Pid main;  // also when it is gone: the number is not given out again while its session lives
  Token token;
  bool main_is_reaped = false;  // whoever has the number now, and its session, is a stranger
};
constexpr std::uint32_t kNoTree = ~std::uint32_t{0};

struct Member {
  ProcessStat stat;
  std::uint32_t tree = kNoTree;  // index into the roots
};

// One reader of /proc, with a table of fixed size that is touched only as far as it is used.
class ProcessTrees {
 public:
  // Processes beyond so many are not seen.
  static constexpr std::size_t kMostProcesses = 65'536;

  // Allocates; nothing after it does.
  [[nodiscard]] static Result<ProcessTrees> Open();

  // Reads all processes once and finds to which of the roots each belongs. `roots` are sorted by
  // `main`; `keeper` is who inherits orphans. Takes 10 to 20 µs for each process on the machine.
  [[nodiscard]] SystemStatus Scan(Pid keeper, std::span<const TreeRoot> roots);
  // What the last scan found, sorted by pid.
  [[nodiscard]] std::span<const Member> members() const { return members_; }

 private:
  explicit ProcessTrees(Fd proc);
  void AddAll(std::span<const char> entries);
  void Add(Pid pid);
  [[nodiscard]] std::uint32_t Climb(std::size_t start, Pid keeper,
                                    std::span<const TreeRoot> roots) const;
  [[nodiscard]] std::optional<std::size_t> IndexOf(Pid pid) const;
  [[nodiscard]] bool IsAlive(Pid pid) const;

  Fd proc_;
  std::vector<Member> members_;
  std::vector<char> entries_;
};

// Whether this process is at its end, or beyond it: reaped, a zombie, or inside exit(2), where its
// environment can no longer be read. Reads /proc again.
[[nodiscard]] bool IsEnding(const ProcessStat& process);

// A signal to exactly this process and no later owner of its number. ESRCH: gone.
[[nodiscard]] SystemStatus SignalExactly(const ProcessStat& process, int signal);

// A signal to all of the process group that `leader` leads, one after the other: for kernels that
// cannot do that by pidfd (before Linux 6.9), where the leader is no child of ours. ESRCH: it is
// gone, so that its number may be another's, and nobody was told.
[[nodiscard]] SystemStatus SignalGroupOneByOne(ProcessTrees& trees, int leader_pidfd, Pid leader,
                                               int signal);

// The number in OXHERD_TOKEN of the environment that the process was started with; not set if there
// is none or it may not be read.
[[nodiscard]] Token TokenOf(Pid pid);

// How many children we have, ended ones not reaped included, from /proc/thread-self/children kept
// open. Exact as long as nobody reaps meanwhile. Fails with ENOENT where the kernel has no such
// file.
[[nodiscard]] SystemResult<Fd> OpenChildren();
[[nodiscard]] SystemResult<std::size_t> CountChildren(int children);

}  // namespace oxherd::os
