// TCP over the loopback, for the tests of pools: a free port, clients, and probes.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "os/clock.h"
#include "os/fd.h"
#include "os/listen_pool.h"
#include "os/steering.h"
#include "os/traffic_facts.h"

namespace oxherd::os {

struct Loopback {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

inline Loopback LoopbackAt(const std::string& host, std::uint16_t port) {
  Loopback result;
  sockaddr_in ipv4{};
  sockaddr_in6 ipv6{};
  if (::inet_pton(AF_INET, host.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    std::memcpy(&result.bytes, &ipv4, sizeof ipv4);
    result.size = sizeof ipv4;
  } else {
    REQUIRE(::inet_pton(AF_INET6, host.c_str(), &ipv6.sin6_addr) == 1);
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    std::memcpy(&result.bytes, &ipv6, sizeof ipv6);
    result.size = sizeof ipv6;
  }
  return result;
}

// A socket of ours bound to the host and, if not 0, the port; it does not listen.
inline Fd BoundSocket(const std::string& host, std::uint16_t port) {
  const Loopback from = LoopbackAt(host, port);
  Fd socket(::socket(from.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  REQUIRE(::bind(socket.get(), from.get(), from.size) == 0);
  return socket;
}

// A port below the range of outgoing connections that nobody has now. Each call gives another.
inline std::uint16_t FreePort() {
  static std::uint16_t next = static_cast<std::uint16_t>(20'000 + ::getpid() % 10'000);
  for (;;) {
    ++next;
    const Fd both(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Loopback where = LoopbackAt(both ? "::" : "0.0.0.0", next);
    const Fd only(both ? -1 : ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // no IPv6 here
    if (::bind(both ? both.get() : only.get(), where.get(), where.size) == 0) return next;
  }
}

// Connected, or empty with errno.
inline Fd Client(const std::string& host, std::uint16_t port) {
  const Loopback to = LoopbackAt(host, port);
  Fd socket(::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), to.get(), to.size) < 0) socket.Reset();
  return socket;
}

inline Fd ProbeOf(const PoolAddress& address, std::uint16_t place) {
  const auto path = ProbePathTo(address, place);
  REQUIRE(path.has_value());
  Fd socket = BoundSocket(path->source, path->source_port);
  const Loopback to = LoopbackAt(path->target, path->target_port);
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (::connect(socket.get(), to.get(), to.size) < 0) socket.Reset();
  return socket;
}

inline PoolAddress AddressOf(const std::string& text) {
  const auto address = ParsePoolAddress(text);
  REQUIRE(address.has_value());
  return *address;
}

inline ListenPool OpenOrFail(const std::string& text, std::uint16_t width) {
  auto pool = OpenListenPool(AddressOf(text), width);
  REQUIRE_MESSAGE(pool.has_value(), pool.error().message);
  REQUIRE(pool->steering_refused == 0);
  return std::move(*pool);
}

// How many wait at each place.
inline std::vector<std::uint32_t> Waiting(const ListenPool& pool) {
  std::vector<std::uint32_t> counts;
  for (const Fd& socket : pool.sockets) counts.push_back(WaitingClients(socket.get()).value());
  return counts;
}

inline void SweepAll(const ListenPool& pool) {
  for (const Fd& socket : pool.sockets) REQUIRE(SweepQueue(socket.get()).has_value());
}

// Asks until it is so; false after ten seconds.
inline bool Eventually(const std::function<bool()>& is_so) {
  const Instant deadline = Now() + Seconds(10);
  while (Now() < deadline) {
    if (is_so()) return true;
    ::poll(nullptr, 0, 2);
  }
  return false;
}

}  // namespace oxherd::os
