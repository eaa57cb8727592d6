#include "os/listeners.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "os/process_tree.h"
#include "os/tcp_dump.h"

namespace oxherd::os {
namespace {

// "socket:[INODE]" -> INODE; 0 for any other file.
std::uint64_t SocketInode(std::string_view link) {
  constexpr std::string_view kPrefix = "socket:[";
  if (!link.starts_with(kPrefix)) return 0;
  link.remove_prefix(kPrefix.size());
  std::uint64_t inode = 0;
  std::from_chars(link.data(), link.data() + link.size(), inode);
  return inode;
}

Ownership ProcessOwns(Pid pid, std::span<const std::uint64_t> inodes) {
  const std::string path = "/proc/" + std::to_string(pid.number()) + "/fd";
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) {
    const bool ended = errno == ENOENT || errno == ESRCH;
    return ended ? Ownership::kDoesNotOwn : Ownership::kCannotTell;
  }
  Ownership found = Ownership::kDoesNotOwn;
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): our own DIR
    std::array<char, 64> link{};
    const ssize_t size = ::readlinkat(::dirfd(folder), entry->d_name, link.data(), link.size());
    if (size <= 0) continue;
    const std::uint64_t inode =
        SocketInode(std::string_view(link.data(), static_cast<std::size_t>(size)));
    if (inode == 0 || std::ranges::find(inodes, inode) == inodes.end()) continue;
    found = Ownership::kOwns;
    break;
  }
  ::closedir(folder);
  return found;
}

// The kernel's name for the program: at most 15 bytes.
std::string NameOf(Pid pid) {
  const Fd file(Try([&] {
    const std::string path = "/proc/" + std::to_string(pid.number()) + "/comm";
    return ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  }));
  std::array<char, 64> text{};
  const ssize_t size = Try([&] { return ::read(file.get(), text.data(), text.size()); });
  if (size <= 1) return "a process";
  return {text.data(), static_cast<std::size_t>(size) - 1};
}

}  // namespace

Result<std::vector<std::uint64_t>> ListeningInodes(std::uint16_t port) {
  OXHERD_TRY_ASSIGN(const std::vector<TcpSocket> sockets, DumpTcp(1U << TCP_LISTEN, port));
  std::vector<std::uint64_t> inodes;
  inodes.reserve(sockets.size());
  for (const TcpSocket& socket : sockets) inodes.push_back(socket.inode);
  return inodes;
}

Result<Ownership> TreeOwnsSocket(Pid main, std::span<const std::uint64_t> inodes) {
  // Mostly it is the main process itself.
  Ownership answer = ProcessOwns(main, inodes);
  if (answer == Ownership::kOwns || inodes.empty()) return answer;
  OXHERD_TRY_ASSIGN(ProcessTrees trees, ProcessTrees::Open());
  const std::array root = {TreeRoot{.main = main, .token = Token()}};
  if (const SystemStatus scanned = trees.Scan(Pid(::getpid()), root); !scanned) {
    return ToError("read /proc", scanned.error());
  }
  for (const Member& member : trees.members()) {
    if (member.tree != 0 || member.stat.pid == main) continue;
    const Ownership one = ProcessOwns(member.stat.pid, inodes);
    if (one == Ownership::kOwns) return one;
    if (one == Ownership::kCannotTell) answer = one;
  }
  return answer;
}

bool ProcessHas(Pid process, std::span<const std::uint64_t> inodes) {
  return ProcessOwns(process, inodes) == Ownership::kOwns;
}

std::optional<SocketOwner> OwnerOf(std::span<const std::uint64_t> inodes) {
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return std::nullopt;
  std::optional<SocketOwner> owner;
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): our own DIR
    const std::string_view name = entry->d_name;
    std::int32_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    if (number <= 0 || ProcessOwns(Pid(number), inodes) != Ownership::kOwns) continue;
    owner = SocketOwner{.pid = Pid(number), .name = NameOf(Pid(number))};
    break;
  }
  ::closedir(folder);
  return owner;
}

}  // namespace oxherd::os
