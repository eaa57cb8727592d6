// Who listens on a TCP port: the proof that an answer came from the instance that was asked.
//
// The kernel names the listening sockets of a port by inode (sock_diag(7)); the inode is found, or
// not, among the open files of the instance's processes (/proc/PID/fd).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace oxherd::os {

// The inodes of all TCP sockets, IPv4 and IPv6, that listen on the port in our network namespace.
// Empty: nobody listens.
[[nodiscard]] Result<std::vector<std::uint64_t>> ListeningInodes(std::uint16_t port);

enum class Ownership {
  kOwns,
  kDoesNotOwn,
  kCannotTell,  // some process of the tree does not let us look (another user's, setuid)
};
// Whether one of the sockets is open in the process, in one of its session, or in a descendant of
// either. Reads /proc once: about 15 µs for each process on the machine.
[[nodiscard]] Result<Ownership> TreeOwnsSocket(Pid main, std::span<const std::uint64_t> inodes);

// Whether one of the sockets is open in this one process; no where we may not look.
[[nodiscard]] bool ProcessHas(Pid process, std::span<const std::uint64_t> inodes);

struct SocketOwner {
  Pid pid;
  std::string name;  // "nginx", as in /proc/PID/comm
};
// A process that has one of the sockets open; nothing if none may be looked at. For messages: reads
// the open files of every process on the machine.
[[nodiscard]] std::optional<SocketOwner> OwnerOf(std::span<const std::uint64_t> inodes);

}  // namespace oxherd::os
