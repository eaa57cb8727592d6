#include "os/held_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

#include "os/fd.h"
#include "os/listen_pool.h"
#include "os/traffic_facts.h"

namespace oxherd::os {

SystemResult<std::optional<TcpAddress>> BoundAddress(int socket) {
  sockaddr_storage bytes{};
  socklen_t size = sizeof bytes;
  auto* plain = reinterpret_cast<sockaddr*>(&bytes);
  if (Try([&] { return ::getsockname(socket, plain, &size); }) < 0) return LastErrno();
  TcpAddress address;
  if (bytes.ss_family == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, &bytes, sizeof ipv4);
    address.port = ntohs(ipv4.sin_port);
    std::memcpy(address.host.data(), &ipv4.sin_addr, sizeof ipv4.sin_addr);
    return address;
  }
  if (bytes.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 ipv6{};
  std::memcpy(&ipv6, &bytes, sizeof ipv6);
  address.family = TcpAddress::Family::kIpv6;
  address.port = ntohs(ipv6.sin6_port);
  std::memcpy(address.host.data(), &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
  return address;
}

SystemStatus RenewListening(int socket) {
  const SystemResult<bool> listens = IsListening(socket);
  if (!listens) return std::unexpected(listens.error());
  if (!*listens) return {};
  if (const SystemStatus set = SetBlocking(socket, Blocking::kBlocks); !set) return set;
  // A Unix socket knows no such option, and has none to clear.
  const int off = 0;
  if (::setsockopt(socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, &off, sizeof off) < 0 &&
      errno != EOPNOTSUPP && errno != ENOPROTOOPT) {
    return LastErrno();
  }
  if (Try([&] { return ::listen(socket, kListenBacklog); }) < 0) return LastErrno();
  return {};
}

}  // namespace oxherd::os
