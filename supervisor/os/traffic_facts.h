// What the kernel knows of a service's traffic: clients that wait, half-open connections, and
// connections that have asked and were not answered.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "os/system_call.h"
#include "os/tcp_dump.h"

namespace oxherd::os {

// SO_ACCEPTCONN (socket(7)): false for one that was shut down, which never listens again.
[[nodiscard]] SystemResult<bool> IsListening(int socket);

// Whether two descriptors are one socket (by inode, fstat(2)).
[[nodiscard]] bool IsSameSocket(int one, int other);

// How many clients are connected and wait for accept(2) on the held socket (tcp(7) TCP_INFO,
// tcpi_unacked). Of a Unix socket only whether any does: 0 or 1.
[[nodiscard]] SystemResult<std::uint32_t> WaitingClients(int socket);

// Whether somebody has accepted the connection that this end of ours has to a port; not if there is
// none. Exact also while others wait in the same queue. Walks through the port's connections.
[[nodiscard]] Result<bool> IsAccepted(std::uint16_t port, const TcpEndpoint& ours);

// A connection whose handshake is not over. Which socket it will go to was decided by its SYN.
struct HalfOpen {
  std::uint8_t family = 0;
  TcpEndpoint local;
  TcpEndpoint peer;

  friend auto operator<=>(const HalfOpen&, const HalfOpen&) = default;
};

// One look at a port.
struct PortTraffic {
  std::vector<HalfOpen> half_open;  // sorted
  // Accepted connections on which a request is under way (IsBusy), by inode: whose they are, ask
  // TreeOwnsSocket (os/listeners.h).
  std::vector<std::uint64_t> busy;
};
// Costs one walk through the kernel's table of connections.
[[nodiscard]] Result<PortTraffic> LookAtPort(std::uint16_t port);

// Whether a program owes an answer on this connection: it received something, and sent nothing
// later than that; or there are bytes it has not read, or the peer has not got; or the client has
// connected less than 250 ms ago and its request is on its way. Pure.
// The kernel counts time in ticks of 1 to 10 ms. A client that asks again at once has its next
// request in the tick of the last answer; a program that answers at once has its answer in the tick
// of the request. What tells them apart is that the second client later says that it has the
// answer, and the first has done so with its request. In doubt it is busy, but not for the first
// 10 ms, so look twice before you believe that nobody is, nor after a second.
[[nodiscard]] bool IsBusy(const TcpSocket& connection);
// Whether one of `before` is still there in `now`; both are sorted. Pure.
[[nodiscard]] bool AnyIsStill(std::span<const HalfOpen> before, std::span<const HalfOpen> now);

}  // namespace oxherd::os
