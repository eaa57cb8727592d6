#include "os/listeners.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "os/process_tree.h"

namespace oxherd::os {
namespace {

struct DumpRequest {
  nlmsghdr header;
  inet_diag_req_v2 query;
};

Status Ask(int socket, std::uint8_t family) {
  DumpRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.query.sdiag_family = family;
  request.query.sdiag_protocol = IPPROTO_TCP;
  request.query.idiag_states = 1U << TCP_LISTEN;
  if (Try([&] { return ::send(socket, &request, sizeof request, 0); }) < 0) {
    return ErrnoError("ask who listens");
  }
  return {};
}

enum class Answer { kMore, kDone };

// Takes one datagram of the answer apart. NLMSG_OK and its kin are macros with old casts.
Result<Answer> Take(std::span<const char> bytes, std::uint16_t port,
                    std::vector<std::uint64_t>& inodes) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) break;
    const std::span<const char> body =
        bytes.subspan(sizeof header, header.nlmsg_len - sizeof header);
    if (header.nlmsg_type == NLMSG_DONE) return Answer::kDone;
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr failure{};
      std::memcpy(&failure, body.data(), std::min(body.size(), sizeof failure));
      return ErrnoError("ask who listens", -failure.error);
    }
    if (body.size() >= sizeof(inet_diag_msg)) {
      inet_diag_msg socket{};
      std::memcpy(&socket, body.data(), sizeof socket);
      if (ntohs(socket.id.idiag_sport) == port) inodes.push_back(socket.idiag_inode);
    }
    const std::size_t aligned = (std::size_t{header.nlmsg_len} + 3) & ~std::size_t{3};
    bytes = bytes.subspan(std::min(aligned, bytes.size()));
  }
  return Answer::kMore;
}

Status Collect(int socket, std::uint16_t port, std::vector<std::uint64_t>& inodes) {
  std::array<char, 16'384> buffer{};
  for (;;) {
    const ssize_t size = Try([&] { return ::recv(socket, buffer.data(), buffer.size(), 0); });
    if (size < 0) return ErrnoError("ask who listens");
    const auto answer = Take(std::span(buffer).first(static_cast<std::size_t>(size)), port, inodes);
    if (!answer) return std::unexpected(answer.error());
    if (*answer == Answer::kDone || size == 0) return {};
  }
}

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

}  // namespace

Result<std::vector<std::uint64_t>> ListeningInodes(std::uint16_t port) {
  const Fd socket(
      Try([] { return ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG); }));
  if (!socket) return ErrnoError("ask who listens");
  std::vector<std::uint64_t> inodes;
  for (const int family : {AF_INET, AF_INET6}) {
    OXHERD_TRY(Ask(socket.get(), static_cast<std::uint8_t>(family)));
    OXHERD_TRY(Collect(socket.get(), port, inodes));
  }
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

}  // namespace oxherd::os
