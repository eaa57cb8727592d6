// A pool: the listening sockets of one service at one address, one SO_REUSEPORT group.
//
// The kernel orders a group by listen(2): the *place* of a socket is its index in that order. When
// one leaves (closed everywhere, or shut down by anybody who has it), the last one takes its place;
// one that joins is last. Nothing here sends traffic anywhere: os/steering.h.
// Source: socket(7), ip(7), ipv6(7), unix(7).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/fd.h"

namespace oxherd::os {

// As much as listen(2) gives: net.core.somaxconn may make less of it.
constexpr int kListenBacklog = 4096;
// Sockets of one pool: 256 instances and as many newcomers.
constexpr std::uint16_t kMaxPoolWidth = 512;

struct PoolAddress {
  enum class Family : std::uint8_t { kIpv4, kIpv6, kUnix };

  Family family = Family::kIpv4;
  std::array<std::uint8_t, 16> host{};  // network order; IPv4 in the first four
  std::uint16_t port = 0;               // 0 for Unix sockets
  std::string path;                     // of a Unix socket, absolute

  // 0.0.0.0 or ::, which takes IPv4 clients too.
  [[nodiscard]] bool is_any() const { return host == std::array<std::uint8_t, 16>{}; }
  // "127.0.0.1", "::1"; without brackets.
  [[nodiscard]] std::string host_text() const;

  friend bool operator==(const PoolAddress&, const PoolAddress&) = default;
};
// From the canonical text: "tcp:0.0.0.0:3000", "tcp:[::]:3000", "unix:/run/api.sock".
[[nodiscard]] Result<PoolAddress> ParsePoolAddress(std::string_view text);

// Whether IPv6 sockets can be made and bound here: a bare port is "[::]" then, else "0.0.0.0".
[[nodiscard]] bool HasIpv6();

struct ListenPool {
  std::vector<Fd> sockets;  // by place
  // Why the group takes no program (an errno): then there is one socket, for all instances. Also
  // one, with 0, for a Unix address.
  int steering_refused = 0;
};
// Opens `width` (1 to kMaxPoolWidth) sockets that listen; they block and are close-on-exec. Until
// somebody steers, all clients go to place 0. Nobody else, not even with our uid, may have the
// port: EADDRINUSE (os/port_holder.h: who it is). A Unix socket that nobody answers on is replaced.
// Errors do not name the address. Does not block.
[[nodiscard]] Result<ListenPool> OpenListenPool(const PoolAddress& address, std::uint16_t width);

// One more socket for a pool that is open, at the last place. It counts for the program that is
// attached from now on. For growing, and in place of one that was shut down.
[[nodiscard]] Result<Fd> JoinListenPool(const PoolAddress& address);

// shutdown(2): ends listening for everyone who has this socket, and resets who waits on it. Then
// close it.
void ShutListening(int socket);

// Whether those who wait on a socket are led to another one of its group when it is shut down
// (net.ipv4.tcp_migrate_req, which counts for IPv6 too; Linux 5.14). Which one, a hash says.
[[nodiscard]] bool MovesClients(const PoolAddress& address);

// Accepts and resets (SO_LINGER 0) everybody who waits on a socket that nobody serves, up to
// kListenBacklog clients; returns how many. Does not block; O_NONBLOCK, which holders share, is set
// only meanwhile.
[[nodiscard]] SystemResult<std::uint32_t> SweepQueue(int socket);

}  // namespace oxherd::os
