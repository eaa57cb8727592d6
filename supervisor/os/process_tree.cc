#include "os/process_tree.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "os/process.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kEntriesBytes = 32'768;
// No family tree is deeper; a loop of pids that were given out anew ends here too.
constexpr int kMostAncestors = 4096;

template <typename Number>
bool TakeNumber(std::string_view& text, Number& number) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool TakePid(std::string_view& text, Pid& pid) {
  std::int32_t number = 0;
  if (!TakeNumber(text, number) || number < 0) return false;
  pid = Pid(number);
  return true;
}

// "PID/NAME" relative to /proc.
class ProcPath {
 public:
  ProcPath(Pid pid, std::string_view name, std::string_view folder = "") {
    char* at = std::ranges::copy(folder, text_.data()).out;
    at = std::to_chars(at, text_.data() + text_.size() - 16, pid.number()).ptr;
    *at++ = '/';
    std::ranges::copy(name, at);
  }
  [[nodiscard]] const char* get() const { return text_.data(); }

 private:
  std::array<char, 48> text_{};
};

std::optional<ProcessStat> ReadStat(int proc, Pid pid) {
  const ProcPath path(pid, "stat");
  const Fd file(Try([&] { return ::openat(proc, path.get(), O_RDONLY | O_CLOEXEC); }));
  if (!file) return std::nullopt;
  std::array<char, 1024> text{};
  const ssize_t size = Try([&] { return ::read(file.get(), text.data(), text.size()); });
  if (size <= 0) return std::nullopt;
  return ParseStat(std::string_view(text.data(), static_cast<std::size_t>(size)));
}

bool SkipNumbers(std::string_view& text, int count) {
  std::int64_t ignored = 0;
  std::uint64_t large = 0;
  for (int field = 0; field < count; ++field) {
    if (!TakeNumber(text, ignored) && !TakeNumber(text, large)) return false;
  }
  return true;
}

}  // namespace

std::optional<ProcessStat> ParseStat(std::string_view text) {
  // pid (command) state ppid pgrp session ...: the command ends at the last parenthesis.
  ProcessStat stat;
  if (!TakePid(text, stat.pid) || !text.starts_with(" (")) return std::nullopt;
  const std::size_t end = text.rfind(')');
  if (end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(end + 1);
  if (text.size() < 3 || text[0] != ' ' || text[2] != ' ') return std::nullopt;
  stat.state = text[1];
  text.remove_prefix(2);
  if (!TakePid(text, stat.parent) || !TakePid(text, stat.group) || !TakePid(text, stat.session)) {
    return std::nullopt;
  }
  constexpr std::uint64_t kExiting = 4;  // PF_EXITING in the kernel's sched.h
  std::uint64_t flags = 0;
  if (!SkipNumbers(text, 2) || !TakeNumber(text, flags)) return std::nullopt;  // tty_nr, tpgid
  stat.is_exiting = (flags & kExiting) != 0;
  // From minflt to itrealvalue; starttime is the 22nd of all.
  if (!SkipNumbers(text, 12) || !TakeNumber(text, stat.start_ticks)) return std::nullopt;
  return stat;
}

Result<ProcessTrees> ProcessTrees::Open() {
  Fd proc(Try([] { return ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!proc) return ErrnoError("/proc");
  return ProcessTrees(std::move(proc));
}

ProcessTrees::ProcessTrees(Fd proc) : proc_(std::move(proc)) {
  members_.reserve(kMostProcesses);
  entries_.reserve(kEntriesBytes);
}

SystemStatus ProcessTrees::Scan(Pid keeper, std::span<const TreeRoot> roots) {
  members_.clear();
  entries_.resize(kEntriesBytes);
  if (Try([&] { return ::lseek(proc_.get(), 0, SEEK_SET); }) < 0) return LastErrno();
  for (;;) {
    const long size = Try(
        [&] { return ::syscall(SYS_getdents64, proc_.get(), entries_.data(), entries_.size()); });
    if (size < 0) return LastErrno();
    if (size == 0) break;
    AddAll(std::span(entries_).first(static_cast<std::size_t>(size)));
  }
  // /proc lists in this order already; a later kernel need not.
  std::ranges::sort(members_, {}, [](const Member& member) { return member.stat.pid; });
  for (std::size_t i = 0; i < members_.size(); ++i) {
    members_[i].tree = Climb(i, keeper, roots);
  }
  return {};
}

void ProcessTrees::AddAll(std::span<const char> entries) {
  // struct linux_dirent64 (getdents(2)): u64 inode, s64 offset, u16 length, u8 type, the name.
  constexpr std::size_t kLengthAt = 16;
  constexpr std::size_t kNameAt = 19;
  while (entries.size() > kNameAt) {
    std::uint16_t length = 0;
    std::memcpy(&length, entries.data() + kLengthAt, sizeof length);
    if (length <= kNameAt || length > entries.size()) return;
    std::string_view name(entries.data() + kNameAt, length - kNameAt);
    name = name.substr(0, name.find('\0'));
    Pid pid;
    if (TakePid(name, pid) && name.empty()) Add(pid);
    entries = entries.subspan(length);
  }
}

void ProcessTrees::Add(Pid pid) {
  if (members_.size() == kMostProcesses) return;
  if (const std::optional<ProcessStat> stat = ReadStat(proc_.get(), pid)) {
    members_.push_back({.stat = *stat, .tree = kNoTree});
  }
}

std::optional<std::size_t> ProcessTrees::IndexOf(Pid pid) const {
  const auto found = std::ranges::lower_bound(members_, pid, {},
                                              [](const Member& member) { return member.stat.pid; });
  if (found == members_.end() || found->stat.pid != pid) return std::nullopt;
  return static_cast<std::size_t>(found - members_.begin());
}

bool ProcessTrees::IsAlive(Pid pid) const {
  const std::optional<std::size_t> at = IndexOf(pid);
  return at && members_[*at].stat.state != 'Z' && members_[*at].stat.state != 'X';
}

// Up from one process until something decides.
std::uint32_t ProcessTrees::Climb(std::size_t start, Pid keeper,
                                  std::span<const TreeRoot> roots) const {
  const auto root_of = [roots, this](Pid pid) -> std::uint32_t {
    const auto found = std::ranges::lower_bound(roots, pid, {}, &TreeRoot::main);
    if (found == roots.end() || found->main != pid) return kNoTree;
    if (found->main_is_reaped && IsAlive(pid)) return kNoTree;
    return static_cast<std::uint32_t>(found - roots.begin());
  };
  std::optional<std::size_t> at = start;
  for (int step = 0; at && step < kMostAncestors; ++step) {
    const ProcessStat& stat = members_[*at].stat;
    if (stat.pid == keeper) return kNoTree;
    std::uint32_t tree = root_of(stat.session);
    if (tree == kNoTree) tree = root_of(stat.pid);
    if (tree != kNoTree) return tree;
    if (stat.parent == keeper) {
      const Token token = TokenOf(stat.pid);
      if (!token.is_set()) return kNoTree;
      const auto found = std::ranges::find(roots, token, &TreeRoot::token);
      return found == roots.end() ? kNoTree : static_cast<std::uint32_t>(found - roots.begin());
    }
    at = IndexOf(stat.parent);
  }
  return kNoTree;
}

bool IsEnding(const ProcessStat& process) {
  const Fd proc(Try([] { return ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!proc) return false;
  const std::optional<ProcessStat> now = ReadStat(proc.get(), process.pid);
  if (!now || now->start_ticks != process.start_ticks) return true;
  return now->is_exiting || now->state == 'Z' || now->state == 'X';
}

SystemStatus SignalExactly(const ProcessStat& process, int signal) {
  const SystemResult<Fd> pidfd = OpenPidfd(process.pid);
  if (!pidfd) return std::unexpected(pidfd.error());
  // The pidfd holds on to whoever has the number now; its start time says whether that is the one.
  const Fd proc(Try([] { return ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!proc) return LastErrno();
  const std::optional<ProcessStat> now = ReadStat(proc.get(), process.pid);
  if (!now || now->start_ticks != process.start_ticks) return std::unexpected(Errno{ESRCH});
  return SendSignal(pidfd->get(), signal);
}

SystemStatus SignalGroupOneByOne(ProcessTrees& trees, int leader_pidfd, Pid leader, int signal) {
  if (auto scanned = trees.Scan(Pid(-1), {}); !scanned) return scanned;
  // It is still there, so the number was its own while /proc was read.
  if (auto alive = SendSignal(leader_pidfd, 0); !alive) return alive;
  for (const Member& member : trees.members()) {
    // Who has ended meanwhile needs no telling.
    if (member.stat.group == leader) (void)SignalExactly(member.stat, signal).has_value();
  }
  return {};
}

Token TokenOf(Pid pid) {
  // With the NUL that ends the variable before it; the first one is read as if it had one too.
  constexpr std::string_view kVariable{"\0OXHERD_TOKEN=", 14};
  constexpr std::size_t kLongest = kVariable.size() + 21;  // 20 digits and the NUL

  const ProcPath path(pid, "environ", "/proc/");
  const Fd file(Try([&] { return ::open(path.get(), O_RDONLY | O_CLOEXEC); }));
  if (!file) return Token();
  std::array<char, 4096> text{};
  std::size_t kept = 1;
  for (;;) {
    const ssize_t size =
        Try([&] { return ::read(file.get(), text.data() + kept, text.size() - kept); });
    if (size <= 0) return Token();
    const std::string_view read(text.data(), kept + static_cast<std::size_t>(size));
    if (const std::size_t at = read.find(kVariable); at != std::string_view::npos) {
      std::string_view value = read.substr(at + kVariable.size());
      std::uint64_t number = 0;
      if (TakeNumber(value, number) && value.starts_with('\0')) return Token(number);
    }
    // What was cut at the end of this piece is looked at again with the next one.
    kept = std::min(kLongest, read.size());
    std::memmove(text.data(), read.data() + read.size() - kept, kept);
  }
}

SystemResult<Fd> OpenChildren() {
  const int file = Try([] { return ::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC); });
  if (file < 0) return LastErrno();
  return Fd(file);
}

SystemResult<std::size_t> CountChildren(int children) {
  std::array<char, 8192> text{};
  std::size_t count = 0;
  off_t offset = 0;
  for (;;) {
    const ssize_t size = Try([&] { return ::pread(children, text.data(), text.size(), offset); });
    if (size < 0) return LastErrno();
    if (size == 0) return count;
    // Each number is followed by a blank.
    count += static_cast<std::size_t>(std::count(text.data(), text.data() + size, ' '));
    offset += size;
  }
}

}  // namespace oxherd::os
