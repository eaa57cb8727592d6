// The kernel's list of TCP sockets (sock_diag(7)): who listens, who is connected, and how far.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"

namespace oxherd::os {

// One end of a connection: IPv4 addresses are in the first four bytes, network order.
struct TcpEndpoint {
  std::array<std::uint8_t, 16> host{};
  std::uint16_t port = 0;

  friend auto operator<=>(const TcpEndpoint&, const TcpEndpoint&) = default;
};

struct TcpSocket {
  std::uint8_t family = 0;  // AF_INET or AF_INET6
  std::uint8_t state = 0;   // TCP_ESTABLISHED, TCP_LISTEN, … (netinet/tcp.h)
  TcpEndpoint local;
  TcpEndpoint peer;
  std::uint64_t inode = 0;          // 0: no program has accepted it, or nobody has it any more
  std::uint32_t uid = 0;            // of who made it
  std::uint32_t receive_queue = 0;  // bytes that the program has not read; LISTEN: waiting clients
  std::uint32_t send_queue = 0;     // bytes that the peer has not acknowledged; LISTEN: the backlog
  // From TCP_INFO; 0 where the kernel says nothing (TIME_WAIT, SYN_RECV).
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint32_t last_received_ms = 0;  // that long ago
  std::uint32_t last_sent_ms = 0;
  std::uint32_t last_acked_ms = 0;  // the peer told what it has, with or without data

  friend bool operator==(const TcpSocket&, const TcpSocket&) = default;
};

constexpr std::uint16_t kAnyPort = 0;

// All TCP sockets, IPv4 and IPv6, in our network namespace with this local port and in one of the
// states: bits `1 << TCP_LISTEN`. Never waits for anything but the kernel. EPERM, EACCES, ENOENT:
// sock_diag is closed to us.
[[nodiscard]] Result<std::vector<TcpSocket>> DumpTcp(std::uint32_t states, std::uint16_t port);

// One datagram of such a dump, for any bytes; sockets of other ports are left out. Pure.
enum class DumpAnswer : std::uint8_t { kMore, kDone };
[[nodiscard]] Result<DumpAnswer> ParseTcpDump(std::span<const std::byte> bytes, std::uint16_t port,
                                              std::vector<TcpSocket>& sockets);

}  // namespace oxherd::os
