#include "os/traffic_facts.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

namespace oxherd::os {
namespace {

SystemResult<int> IntegerOption(int socket, int level, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  if (Try([&] { return ::getsockopt(socket, level, option, &value, &size); }) < 0) {
    return LastErrno();
  }
  return value;
}

SystemResult<std::uint32_t> WaitingOnUnixSocket(int socket) {
  pollfd look{.fd = socket, .events = POLLIN, .revents = 0};
  if (Try([&] { return ::poll(&look, 1, 0); }) < 0) return LastErrno();
  return (look.revents & POLLIN) != 0 ? 1U : 0U;
}

}  // namespace

SystemResult<bool> IsListening(int socket) {
  const SystemResult<int> value = IntegerOption(socket, SOL_SOCKET, SO_ACCEPTCONN);
  if (!value) return std::unexpected(value.error());
  return *value != 0;
}

bool IsSameSocket(int one, int other) {
  struct stat first{};
  struct stat second{};
  if (::fstat(one, &first) != 0 || ::fstat(other, &second) != 0) return false;
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

SystemResult<std::uint32_t> WaitingClients(int socket) {
  const SystemResult<int> domain = IntegerOption(socket, SOL_SOCKET, SO_DOMAIN);
  if (!domain) return std::unexpected(domain.error());
  if (*domain == AF_UNIX) return WaitingOnUnixSocket(socket);
  tcp_info info{};
  socklen_t size = sizeof info;
  if (Try([&] { return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size); }) < 0) {
    return LastErrno();
  }
  return info.tcpi_state == TCP_LISTEN ? info.tcpi_unacked : 0U;
}

bool IsBusy(const TcpSocket& connection) {
  if (connection.receive_queue > 0 || connection.send_queue > 0) return true;
  if (connection.bytes_received == 0) {
    // The kernel counts from the end of the handshake where nothing has come yet.
    constexpr std::uint32_t kTimeToAskMs = 250;
    return connection.last_received_ms < kTimeToAskMs;
  }
  if (connection.bytes_sent == 0) return true;
  if (connection.last_received_ms != connection.last_sent_ms) {
    return connection.last_received_ms < connection.last_sent_ms;
  }
  constexpr std::uint32_t kAnsweredAtOnceMs = 10;
  constexpr std::uint32_t kIdleMs = 1'000;
  const std::uint32_t age = connection.last_received_ms;
  const bool has_the_answer = connection.last_acked_ms < age;
  return !has_the_answer && age >= kAnsweredAtOnceMs && age < kIdleMs;
}

Result<bool> IsAccepted(std::uint16_t port, const TcpEndpoint& ours) {
  OXHERD_TRY_ASSIGN(const std::vector<TcpSocket> sockets, DumpTcp(1U << TCP_ESTABLISHED, port));
  TcpEndpoint mapped{.host = {}, .port = ours.port};  // as a dual-stack socket has it
  mapped.host[10] = mapped.host[11] = 0xff;
  std::copy_n(ours.host.begin(), 4, mapped.host.begin() + 12);
  return std::ranges::any_of(sockets, [&](const TcpSocket& one) {
    return one.inode != 0 && (one.peer == ours || one.peer == mapped);
  });
}

Result<PortTraffic> LookAtPort(std::uint16_t port) {
  // CLOSE_WAIT: the client has said all it wants and reads on.
  constexpr std::uint32_t kStates =
      1U << TCP_SYN_RECV | 1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT;
  OXHERD_TRY_ASSIGN(const std::vector<TcpSocket> sockets, DumpTcp(kStates, port));
  PortTraffic traffic;
  for (const TcpSocket& socket : sockets) {
    if (socket.state == TCP_SYN_RECV) {
      traffic.half_open.push_back(
          {.family = socket.family, .local = socket.local, .peer = socket.peer});
    } else if (socket.inode != 0 && IsBusy(socket)) {
      traffic.busy.push_back(socket.inode);
    }
  }
  std::ranges::sort(traffic.half_open);
  return traffic;
}

bool AnyIsStill(std::span<const HalfOpen> before, std::span<const HalfOpen> now) {
  return std::ranges::any_of(
      before, [&](const HalfOpen& one) { return std::ranges::binary_search(now, one); });
}

}  // namespace oxherd::os
