#include "os/pool_order.h"

#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>

#include "tests/os/loopback.h"

namespace oxherd::os {
namespace {

using Order = std::vector<std::size_t>;

std::vector<int> NumbersOf(const std::vector<Fd>& sockets) {
  std::vector<int> numbers;
  for (const Fd& socket : sockets) numbers.push_back(socket ? socket.get() : -1);
  return numbers;
}

int SegmentOf(const Fd& socket) {
  int size = 0;
  socklen_t length = sizeof size;
  REQUIRE(::getsockopt(socket.get(), IPPROTO_TCP, TCP_MAXSEG, &size, &length) == 0);
  return size;
}

void CheckThatTheOrderIsTold(const std::string& text) {
  CAPTURE(text);
  const PoolAddress address = AddressOf(text);
  ListenPool pool = OpenOrFail(text, 6);
  std::vector<Fd>& sockets = pool.sockets;
  const int before = SegmentOf(sockets[2]);
  CHECK(AskOrder(address, NumbersOf(sockets)) == Order{0, 1, 2, 3, 4, 5});

  // As a program, and then the daemon, would: the last one takes the place of one that leaves.
  ShutListening(sockets[1].get());
  CHECK(AskOrder(address, NumbersOf(sockets)) == Order{0, 5, 2, 3, 4});
  sockets[3].Reset();
  CHECK(AskOrder(address, NumbersOf(sockets)) == Order{0, 5, 2, 4});
  sockets[1] = JoinListenPool(address).value();
  CHECK(AskOrder(address, NumbersOf(sockets)) == Order{0, 5, 2, 4, 1});
  CHECK(SegmentOf(sockets[2]) == before);
  CHECK(SegmentOf(Client("127.0.0.1", address.port)) > 20'000);  // nothing of it stays
}

TEST_CASE("the kernel tells in which order the sockets of a pool are, whatever was shut before") {
  const std::string port = std::to_string(FreePort());
  CheckThatTheOrderIsTold("tcp:127.0.0.1:" + port);
  if (!HasIpv6()) {
    MESSAGE("skipped in part: no IPv6 here");
    return;
  }
  CheckThatTheOrderIsTold("tcp:[::]:" + port);
}

TEST_CASE("an IPv6-only pool tells its order too") {
  if (!HasIpv6()) {
    MESSAGE("skipped: no IPv6 here");
    return;
  }
  const std::string text = "tcp:[::1]:" + std::to_string(FreePort());
  const ListenPool pool = OpenOrFail(text, 3);
  ShutListening(pool.sockets[0].get());
  CHECK(AskOrder(AddressOf(text), NumbersOf(pool.sockets)) == Order{2, 1});
}

TEST_CASE("the widest pool tells its order, also where a segment size was set by a program") {
  const std::string text = "tcp:127.0.0.1:" + std::to_string(FreePort());
  const ListenPool pool = OpenOrFail(text, kMaxPoolWidth);
  const int own = 1'400;
  REQUIRE(::setsockopt(pool.sockets[7].get(), IPPROTO_TCP, TCP_MAXSEG, &own, sizeof own) == 0);
  const auto order = AskOrder(AddressOf(text), NumbersOf(pool.sockets));
  REQUIRE(order.has_value());
  CHECK(order->size() == kMaxPoolWidth);
  CHECK(std::ranges::is_sorted(*order));
  CHECK(SegmentOf(pool.sockets[7]) == own);
}

TEST_CASE("where a queue is full nothing is said of the order, and nobody is kept waiting for it") {
  const std::string text = "tcp:127.0.0.1:" + std::to_string(FreePort());
  const PoolAddress address = AddressOf(text);
  const ListenPool pool = OpenOrFail(text, 2);
  REQUIRE(::listen(pool.sockets[1].get(), 0) == 0);
  const std::array<std::uint16_t, 1> second = {1};
  REQUIRE(Steer(pool.sockets[0].get(), second).has_value());
  const Fd waiting = Client("127.0.0.1", address.port);
  const Instant began = Now();
  CHECK_FALSE(AskOrder(address, NumbersOf(pool.sockets)).has_value());
  CHECK(Now() - began < Seconds(5));
}

TEST_CASE("a Unix socket has no order") {
  const ListenPool pool;
  CHECK_FALSE(AskOrder(AddressOf("unix:/x"), std::vector<int>{0}).has_value());
}

}  // namespace
}  // namespace oxherd::os
