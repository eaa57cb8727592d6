#include "os/former_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "os/process.h"

namespace oxherd::os {
namespace {

// /proc/PID/NAME.
std::string PathOf(Pid pid, std::string_view name) {
  return "/proc/" + std::to_string(pid.number()) + "/" + std::string(name);
}

// The start of a file; empty if it cannot be read.
std::string ReadStart(const std::string& path, std::size_t most) {
  const Fd file(Try([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  std::string text;
  std::array<char, 4096> part{};
  while (file && text.size() < most) {
    const ssize_t size = Try([&] { return ::read(file.get(), part.data(), part.size()); });
    if (size <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(size));
  }
  return text;
}

std::string ReadSmall(const std::string& path) { return ReadStart(path, 4096); }

// Calls `see(number, link)` for each descriptor of the process until it says false.
template <typename See>
void ForEachDescriptor(Pid pid, const See& see) {
  const std::string path = PathOf(pid, "fd");
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return;
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): our own DIR
    if (entry->d_name[0] == '.') continue;
    std::array<char, 64> link{};
    const ssize_t size = ::readlinkat(::dirfd(folder), entry->d_name, link.data(), link.size());
    if (size <= 0) continue;
    const std::string_view name(entry->d_name);
    int number = -1;
    std::from_chars(name.data(), name.data() + name.size(), number);
    if (!see(number, std::string_view(link.data(), static_cast<std::size_t>(size)))) break;
  }
  ::closedir(folder);
}

// The number in "KIND:[NUMBER]".
std::optional<std::uint64_t> InodeIn(std::string_view link, std::string_view kind) {
  if (!link.starts_with(kind)) return std::nullopt;
  link.remove_prefix(kind.size());
  std::uint64_t inode = 0;
  if (std::from_chars(link.data(), link.data() + link.size(), inode).ec != std::errc()) {
    return std::nullopt;
  }
  return inode;
}

// struct pidfd_info of linux/pidfd.h as of 6.15; Debian 12's headers have none.
struct PidfdFacts {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t pid, thread_group, parent;
  std::array<std::uint32_t, 8> users;
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdFacts) == 64);
constexpr std::uint64_t kExitIsTold = 8;  // PIDFD_INFO_EXIT

std::optional<int> WaitStatusByPidfd(int pidfd) {
  constexpr auto kGetInfo = _IOWR(0xFF, 11, PidfdFacts);  // PIDFD_GET_INFO
  PidfdFacts facts{};
  facts.mask = kExitIsTold;
  if (Try([&] { return ::ioctl(pidfd, kGetInfo, &facts); }) < 0) return std::nullopt;
  if ((facts.mask & kExitIsTold) == 0) return std::nullopt;
  return facts.exit_code;
}

// The last number of a zombie's stat is its status for wait(2).
std::optional<int> WaitStatusOfZombie(Pid pid, std::uint64_t start_ticks) {
  const std::string text = ReadSmall(PathOf(pid, "stat"));
  const std::optional<ProcessStat> stat = ParseStat(text);
  if (!stat || stat->start_ticks != start_ticks || stat->state != 'Z') return std::nullopt;
  const std::size_t at = text.rfind(' ');
  int status = 0;
  if (at == std::string::npos ||
      std::from_chars(text.data() + at + 1, text.data() + text.size(), status).ec != std::errc()) {
    return std::nullopt;
  }
  return status;
}

}  // namespace

std::optional<BootId> ReadBootId() {
  const std::string text = ReadSmall("/proc/sys/kernel/random/boot_id");
  BootId id{};
  if (text.size() < id.size()) return std::nullopt;
  std::copy_n(text.begin(), id.size(), id.begin());
  return id;
}

std::optional<ProcessStat> ReadStat(Pid pid) { return ParseStat(ReadSmall(PathOf(pid, "stat"))); }

std::optional<std::uint32_t> RealUserOf(Pid pid) {
  constexpr std::string_view kLine = "\nUid:\t";
  const std::string text = ReadSmall(PathOf(pid, "status"));
  const std::size_t at = text.find(kLine);
  if (at == std::string::npos) return std::nullopt;
  std::uint32_t uid = 0;
  const char* from = text.data() + at + kLine.size();
  if (std::from_chars(from, text.data() + text.size(), uid).ec != std::errc()) return std::nullopt;
  return uid;
}

bool NamesCgroup(std::string_view proc_cgroup, std::string_view folder, std::string_view name) {
  const std::size_t line = proc_cgroup.starts_with("0::") ? 0 : proc_cgroup.find("\n0::");
  if (line == std::string_view::npos) return false;
  std::string_view path = proc_cgroup.substr(line == 0 ? 3 : line + 4);
  path = path.substr(0, path.find('\n'));
  const std::string wanted = "/" + std::string(folder) + "/" + std::string(name);
  const std::size_t at = path.find(wanted);
  if (at == std::string_view::npos) return false;
  const std::string_view rest = path.substr(at + wanted.size());
  return rest.empty() || rest.starts_with('/');
}

bool IsInCgroup(Pid pid, std::string_view folder, std::string_view name) {
  return NamesCgroup(ReadSmall(PathOf(pid, "cgroup")), folder, name);
}

std::string ReadProc(Pid pid, std::string_view name, std::size_t most) {
  return ReadStart(PathOf(pid, name), most);
}

std::optional<std::uint64_t> PipeAt(Pid pid, int number) {
  std::array<char, 64> link{};
  const std::string path = PathOf(pid, "fd/" + std::to_string(number));
  const ssize_t size = ::readlink(path.c_str(), link.data(), link.size());
  if (size <= 0) return std::nullopt;
  return InodeIn({link.data(), static_cast<std::size_t>(size)}, "pipe:[");
}

std::uint64_t InodeOf(int fd) {
  struct stat facts{};
  return ::fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

std::optional<Fd> ReopenPipe(Pid pid, std::uint64_t inode) {
  std::optional<Fd> pipe;
  ForEachDescriptor(pid, [&](int number, std::string_view link) {
    if (InodeIn(link, "pipe:[") != inode) return true;
    const std::string path = PathOf(pid, "fd/" + std::to_string(number));
    Fd opened(Try([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }));
    // Between the look and the open it may have put something else there.
    if (opened && InodeOf(opened.get()) == inode) pipe = std::move(opened);
    return !pipe;
  });
  return pipe;
}

bool HasSocket(Pid pid, std::uint64_t inode) {
  bool has = false;
  ForEachDescriptor(pid, [&](int /*number*/, std::string_view link) {
    has = InodeIn(link, "socket:[") == inode;
    return !has;
  });
  return has;
}

std::size_t FetchSockets(int pidfd, Pid pid, std::span<const std::uint64_t> inodes,
                         std::span<Fd> sockets) {
  std::size_t fetched = 0;
  ForEachDescriptor(pid, [&](int number, std::string_view link) {
    const std::optional<std::uint64_t> inode = InodeIn(link, "socket:[");
    const auto wanted = inode ? std::ranges::find(inodes, *inode) : inodes.end();
    if (wanted == inodes.end()) return true;
    Fd& place = sockets[static_cast<std::size_t>(wanted - inodes.begin())];
    if (place) return true;
    Fd socket(static_cast<int>(Try([&] { return ::syscall(SYS_pidfd_getfd, pidfd, number, 0U); })));
    if (!socket || InodeOf(socket.get()) != *inode) return true;
    place = std::move(socket);
    ++fetched;
    return true;
  });
  return fetched;
}

ExitStatus ExitOf(int pidfd, Pid pid, std::uint64_t start_ticks) {
  std::optional<int> status = WaitStatusByPidfd(pidfd);
  if (!status) status = WaitStatusOfZombie(pid, start_ticks);
  if (!status) status = WaitStatusByPidfd(pidfd);  // it was reaped between the two looks
  return status ? ExitStatus::FromWait(*status) : ExitStatus{};
}

}  // namespace oxherd::os
