#include "os/listen_pool.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/number.h"
#include "os/file.h"
#include "os/local_socket.h"
#include "os/steering.h"

namespace oxherd::os {
namespace {

struct Bindable {
  sockaddr_storage bytes{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Bindable ToBindable(const PoolAddress& address) {
  Bindable result;
  if (address.family == PoolAddress::Family::kIpv4) {
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    plain.sin_port = htons(address.port);
    std::memcpy(&plain.sin_addr, address.host.data(), sizeof plain.sin_addr);
    std::memcpy(&result.bytes, &plain, sizeof plain);
    result.size = sizeof plain;
  } else {
    sockaddr_in6 plain{};
    plain.sin6_family = AF_INET6;
    plain.sin6_port = htons(address.port);
    std::memcpy(&plain.sin6_addr, address.host.data(), sizeof plain.sin6_addr);
    std::memcpy(&result.bytes, &plain, sizeof plain);
    result.size = sizeof plain;
  }
  return result;
}

SystemStatus Set(int socket, int level, int option, int value) {
  if (Try([&] { return ::setsockopt(socket, level, option, &value, sizeof value); }) < 0) {
    return LastErrno();
  }
  return {};
}

// The address itself is named by whoever tells the error.
std::unexpected<Error> CannotListen(const PoolAddress& address, int number) {
  const auto because = [&](std::string text) {
    return std::unexpected(Error{.message = std::move(text), .number = number});
  };
  if (number == EADDRINUSE) return because("somebody has it already");
  if (number == EADDRNOTAVAIL) return because("no network interface here has this address");
  if (number == EACCES) {
    return because("ports below 1024 are for root here; choose one above, or: sysctl -w " +
                   ("net.ipv4.ip_unprivileged_port_start=" + std::to_string(address.port)));
  }
  return because(ErrnoText(number));
}

// ---- TCP. ----

enum class Sharing : std::uint8_t { kExclusive, kReusePort };

SystemResult<Fd> BindTcp(const PoolAddress& address, Sharing sharing) {
  const bool is_ipv6 = address.family == PoolAddress::Family::kIpv6;
  Fd socket(Try([&] {
    return ::socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  }));
  if (!socket) return LastErrno();
  // Connections of a former server that are in TIME_WAIT do not matter.
  if (const auto set = Set(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1); !set) {
    return std::unexpected(set.error());
  }
  if (is_ipv6) {
    const auto set = Set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, address.is_any() ? 0 : 1);
    if (!set) return std::unexpected(set.error());
  }
  if (sharing == Sharing::kReusePort) {
    const auto set = Set(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1);
    if (!set) return std::unexpected(set.error());
  }
  const Bindable where = ToBindable(address);
  if (Try([&] { return ::bind(socket.get(), where.get(), where.size); }) < 0) return LastErrno();
  return socket;
}

SystemStatus Listen(int socket) {
  if (Try([&] { return ::listen(socket, kListenBacklog); }) < 0) return LastErrno();
  return {};
}

// All are bound before any listens: a stranger who wants in is seen as long as nobody is served.
Result<ListenPool> OpenTcp(const PoolAddress& address, std::uint16_t width) {
  ListenPool pool;
  SystemResult<Fd> first = BindTcp(address, Sharing::kExclusive);
  if (!first) return CannotListen(address, first.error().number);
  pool.sockets.push_back(std::move(*first));
  const int head = pool.sockets.front().get();
  SystemStatus steered = Set(head, SOL_SOCKET, SO_REUSEPORT, 1);
  const std::array<std::uint16_t, 1> only_the_first = {0};
  if (steered) steered = Steer(head, only_the_first);
  if (!steered) pool.steering_refused = steered.error().number;
  const std::size_t wanted = steered ? width : 1;
  while (pool.sockets.size() < wanted) {
    SystemResult<Fd> next = BindTcp(address, Sharing::kReusePort);
    if (!next) return CannotListen(address, next.error().number);
    pool.sockets.push_back(std::move(*next));
  }
  for (const Fd& socket : pool.sockets) {
    const SystemStatus listens = Listen(socket.get());
    if (!listens) return CannotListen(address, listens.error().number);
  }
  return pool;
}

// ---- Unix sockets. ----

Result<Fd> OpenUnix(const PoolAddress& address) {
  const std::size_t slash = address.path.rfind('/');
  const std::string folder = slash == 0 ? "/" : address.path.substr(0, slash);
  const std::string name = address.path.substr(slash + 1);
  if (const Result<Fd> somebody = ConnectLocally(folder, name)) {
    const Result<Peer> peer = PeerOf(somebody->get());
    const std::string who = peer ? "pid " + std::to_string(peer->pid) : "somebody";
    return MakeError(who + " listens on it already; stop that first");
  }
  struct stat about{};
  if (::lstat(address.path.c_str(), &about) == 0) {
    if (!S_ISSOCK(about.st_mode))
      return MakeError("a file of another kind is there; choose another path");
    ::unlink(address.path.c_str());
  }
  OXHERD_TRY_ASSIGN(Fd listener, BindLocally(folder, name));
  if (const SystemStatus listens = Listen(listener.get()); !listens) {
    return ToError("listen", listens.error());
  }
  return listener;
}

// ---- Texts. ----

std::unexpected<Error> NotAnAddress(std::string_view text) {
  return MakeError("\"" + std::string(text) +
                   "\" is no address to listen on; write tcp:0.0.0.0:3000, tcp:[::]:3000 or "
                   "unix:/path");
}

Result<PoolAddress> ParseTcp(std::string_view text, std::string_view whole) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return NotAnAddress(whole);
  PoolAddress address;
  address.port = ParseNumber<std::uint16_t>(text.substr(colon + 1)).value_or(0);
  if (address.port == 0) return NotAnAddress(whole);
  std::string host(text.substr(0, colon));
  const bool is_ipv6 = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (is_ipv6) host = host.substr(1, host.size() - 2);
  address.family = is_ipv6 ? PoolAddress::Family::kIpv6 : PoolAddress::Family::kIpv4;
  if (::inet_pton(is_ipv6 ? AF_INET6 : AF_INET, host.c_str(), address.host.data()) != 1) {
    return NotAnAddress(whole);
  }
  return address;
}

}  // namespace

std::string PoolAddress::host_text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family == Family::kIpv4 ? AF_INET : AF_INET6, host.data(), text.data(), text.size());
  return text.data();
}

Result<PoolAddress> ParsePoolAddress(std::string_view text) {
  constexpr std::string_view kTcp = "tcp:";
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kTcp)) return ParseTcp(text.substr(kTcp.size()), text);
  if (!text.starts_with(kUnix)) return NotAnAddress(text);
  PoolAddress address;
  address.family = PoolAddress::Family::kUnix;
  address.path = text.substr(kUnix.size());
  const bool is_file = address.path.starts_with('/') && !address.path.ends_with('/') &&
                       address.path.find('\0') == std::string::npos;
  if (!is_file) return NotAnAddress(text);
  return address;
}

bool HasIpv6() {
  const Fd socket(Try([] { return ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP); }));
  sockaddr_in6 anywhere{};
  anywhere.sin6_family = AF_INET6;
  return socket && Try([&] {
                     return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&anywhere),
                                   sizeof anywhere);
                   }) == 0;
}

Result<ListenPool> OpenListenPool(const PoolAddress& address, std::uint16_t width) {
  OXHERD_CHECK(width >= 1 && width <= kMaxPoolWidth, "a pool is as wide as its service");
  if (address.family != PoolAddress::Family::kUnix) return OpenTcp(address, width);
  ListenPool pool;
  OXHERD_TRY_ASSIGN(Fd only, OpenUnix(address));
  pool.sockets.push_back(std::move(only));
  return pool;
}

Result<Fd> JoinListenPool(const PoolAddress& address) {
  if (address.family == PoolAddress::Family::kUnix) return OpenUnix(address);
  SystemResult<Fd> socket = BindTcp(address, Sharing::kReusePort);
  if (!socket) return CannotListen(address, socket.error().number);
  if (const SystemStatus listens = Listen(socket->get()); !listens) {
    return CannotListen(address, listens.error().number);
  }
  return std::move(*socket);
}

void ShutListening(int socket) {
  // ENOTCONN: somebody has done it already.
  if (::shutdown(socket, SHUT_RDWR) < 0) return;
}

bool MovesClients(const PoolAddress& address) {
  if (address.family == PoolAddress::Family::kUnix) return false;
  const Result<std::string> set = ReadFile("/proc/sys/net/ipv4/tcp_migrate_req", 16);
  return set && set->starts_with('1');
}

SystemResult<std::uint32_t> SweepQueue(int socket) {
  if (const auto set = SetBlocking(socket, Blocking::kDoesNotBlock); !set) {
    return std::unexpected(set.error());
  }
  std::uint32_t swept = 0;
  int failure = 0;
  while (swept < kListenBacklog) {
    const Fd client(Try([&] { return ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC); }));
    if (!client && errno == ECONNABORTED) continue;
    if (!client) {
      failure = errno;
      break;
    }
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ++swept;
  }
  if (const auto set = SetBlocking(socket, Blocking::kBlocks); !set) {
    return std::unexpected(set.error());
  }
  if (failure != 0 && failure != EAGAIN) return std::unexpected(Errno{failure});
  return swept;
}

}  // namespace oxherd::os
