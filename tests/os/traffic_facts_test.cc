#include "os/traffic_facts.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "os/listeners.h"
#include "tests/os/loopback.h"

namespace oxherd::os {
namespace {

// A server socket with one accepted client.
struct Conversation {
  std::uint16_t port = FreePort();
  ListenPool pool = OpenOrFail("tcp:127.0.0.1:" + std::to_string(port), 1);
  Fd client = Client("127.0.0.1", port);
  Fd server = Fd(::accept4(pool.sockets[0].get(), nullptr, nullptr, SOCK_CLOEXEC));

  [[nodiscard]] std::size_t Busy() const { return LookAtPort(port).value().busy.size(); }
  // Until the clock of the kernel, which counts in milliseconds, has gone on.
  void LetTimePass() const {
    REQUIRE(Eventually([&] {
      const auto sockets = DumpTcp(1U << TCP_ESTABLISHED, port);
      return sockets->at(0).last_sent_ms >= 20;
    }));
  }
};

// Our end of an IPv4 connection.
TcpEndpoint EndOf(const Fd& client) {
  sockaddr_in local{};
  socklen_t size = sizeof local;
  REQUIRE(::getsockname(client.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
  TcpEndpoint end{.host = {}, .port = ntohs(local.sin_port)};
  std::memcpy(end.host.data(), &local.sin_addr, sizeof local.sin_addr);
  return end;
}

TEST_CASE("clients that wait are counted until they are accepted") {
  const std::uint16_t port = FreePort();
  const ListenPool pool = OpenOrFail("tcp:127.0.0.1:" + std::to_string(port), 1);
  const int listener = pool.sockets[0].get();
  CHECK(WaitingClients(listener).value() == 0);
  const Fd one = Client("127.0.0.1", port);
  const Fd two = Client("127.0.0.1", port);
  CHECK(WaitingClients(listener).value() == 2);
  CHECK(LookAtPort(port).value().busy.empty());
  const Fd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(WaitingClients(listener).value() == 1);
  CHECK(IsListening(listener).value());
  CHECK_FALSE(IsListening(accepted.get()).value());
}

TEST_CASE("a connection is known to be accepted while others wait behind it, over both families") {
  for (const std::string host : {"127.0.0.1", "[::]"}) {
    const std::uint16_t port = FreePort();
    const ListenPool pool = OpenOrFail("tcp:" + host + ":" + std::to_string(port), 1);
    const Fd first = Client("127.0.0.1", port);
    const Fd second = Client("127.0.0.1", port);
    CHECK_FALSE(IsAccepted(port, EndOf(first)).value());
    const Fd accepted(::accept4(pool.sockets[0].get(), nullptr, nullptr, SOCK_CLOEXEC));
    CHECK(IsAccepted(port, EndOf(first)).value());
    CHECK_FALSE(IsAccepted(port, EndOf(second)).value());
    CHECK(WaitingClients(pool.sockets[0].get()).value() == 1);
  }
}

TEST_CASE("a connection is busy from its request to the answer, and its owner is known") {
  const Conversation talk;
  CHECK(Eventually([&] { return talk.Busy() == 0; }));
  REQUIRE(::write(talk.client.get(), "GET", 3) == 3);
  CHECK(talk.Busy() == 1);
  std::array<char, 8> buffer{};
  REQUIRE(::read(talk.server.get(), buffer.data(), buffer.size()) == 3);
  CHECK(talk.Busy() == 1);
  const auto busy = LookAtPort(talk.port).value().busy;
  CHECK(TreeOwnsSocket(Pid(::getpid()), busy).value() == Ownership::kOwns);
  talk.LetTimePass();
  REQUIRE(::write(talk.server.get(), "200", 3) == 3);
  CHECK(Eventually([&] { return talk.Busy() == 0; }));
  talk.LetTimePass();
  REQUIRE(::write(talk.client.get(), "GET", 3) == 3);
  REQUIRE(::read(talk.server.get(), buffer.data(), buffer.size()) == 3);
  CHECK(talk.Busy() == 1);
}

TEST_CASE("a client that has just connected is given time to ask; a silent one is not waited for") {
  const Conversation talk;
  CHECK(talk.Busy() == 1);
  CHECK(Eventually([&] { return talk.Busy() == 0; }));
  const auto silent = DumpTcp(1U << TCP_ESTABLISHED, talk.port);
  CHECK(silent->at(0).last_received_ms >= 250);
}

// The server takes 60 ms for each answer. Looks in the first 15 ms after a request do not count,
// nor do those during which it has begun or ended one: on a machine with much to do the client may
// take its time to ask again.
TEST_CASE("a client that asks again at once is busy between its request and the answer") {
  const Conversation talk;
  std::atomic<bool> goes_on = true;
  std::atomic<int> turns = 0;  // odd while the server owes an answer
  std::array<char, 8> buffer{};
  std::thread server([&] {
    std::array<char, 8> request{};
    while (::read(talk.server.get(), request.data(), request.size()) > 0) {
      ++turns;
      ::poll(nullptr, 0, 60);
      ++turns;
      if (::write(talk.server.get(), "200", 3) != 3) return;
    }
  });
  std::thread client([&] {
    while (goes_on) {
      if (::write(talk.client.get(), "GET", 3) != 3) return;
      if (::read(talk.client.get(), buffer.data(), buffer.size()) <= 0) return;
    }
    ::shutdown(talk.client.get(), SHUT_WR);
  });
  int looks = 0;
  int busy = 0;
  int same_tick = 0;
  constexpr int kEnough = 20;
  const Instant until = Now() + Seconds(20);
  while (looks < kEnough && Now() < until) {
    const int before = turns;
    const auto sockets = DumpTcp(1U << TCP_ESTABLISHED, talk.port);
    const bool owes = before % 2 == 1 && turns == before;
    const auto server_side =
        std::ranges::find_if(*sockets, [&](const TcpSocket& socket) { return socket.inode != 0; });
    REQUIRE(server_side != sockets->end());
    if (owes && server_side->last_received_ms >= 15) {
      ++looks;
      if (IsBusy(*server_side)) ++busy;
      if (server_side->last_received_ms == server_side->last_sent_ms) ++same_tick;
    }
    ::poll(nullptr, 0, 7);
  }
  goes_on = false;
  client.join();
  server.join();
  MESSAGE(busy, " of ", looks, " looks found it busy; in ", same_tick,
          " the request was in the tick of the last answer");
  CHECK(looks == kEnough);
  CHECK(busy == looks);
}

TEST_CASE("a client that was answered at once and keeps its connection is idle") {
  const Conversation talk;
  std::array<char, 8> buffer{};
  for (int i = 0; i < 30; ++i) {
    REQUIRE(::write(talk.client.get(), "GET", 3) == 3);
    REQUIRE(::read(talk.server.get(), buffer.data(), buffer.size()) == 3);
    REQUIRE(::write(talk.server.get(), "200", 3) == 3);
    REQUIRE(::read(talk.client.get(), buffer.data(), buffer.size()) == 3);
  }
  const Instant start = Now();
  CHECK(Eventually([&] {
    const auto sockets = DumpTcp(1U << TCP_ESTABLISHED, talk.port);
    return sockets->at(0).last_received_ms >= 20 && talk.Busy() == 0;
  }));
  MESSAGE("idle after ", ToMillis(Now() - start), " ms");
}

TEST_CASE("a client that has closed its half and waits for the answer is busy") {
  const Conversation talk;
  REQUIRE(::write(talk.client.get(), "GET", 3) == 3);
  REQUIRE(::shutdown(talk.client.get(), SHUT_WR) == 0);
  std::array<char, 8> buffer{};
  REQUIRE(::read(talk.server.get(), buffer.data(), buffer.size()) == 3);
  CHECK(talk.Busy() == 1);
}

TEST_CASE("an answer that the client has not taken yet keeps its connection busy") {
  const Conversation talk;
  REQUIRE(::write(talk.client.get(), "GET", 3) == 3);
  std::array<char, 8> buffer{};
  REQUIRE(::read(talk.server.get(), buffer.data(), buffer.size()) == 3);
  const std::vector<char> answer(1'000'000);
  ssize_t sent = 0;
  while ((sent = ::send(talk.server.get(), answer.data(), answer.size(), MSG_DONTWAIT)) > 0) {
  }
  talk.LetTimePass();
  CHECK(talk.Busy() == 1);
}

TEST_CASE("a half-open connection is seen, and known again until its handshake is over") {
  const std::uint16_t port = FreePort();
  const ListenPool pool = OpenOrFail("tcp:127.0.0.1:" + std::to_string(port), 1);
  // With this the kernel keeps the handshake open until data comes.
  const int seconds = 5;
  REQUIRE(::setsockopt(pool.sockets[0].get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
                       sizeof seconds) == 0);
  const Fd client = Client("127.0.0.1", port);
  const auto at_the_flip = LookAtPort(port).value().half_open;
  REQUIRE(at_the_flip.size() == 1);
  CHECK(WaitingClients(pool.sockets[0].get()).value() == 0);
  const Fd later = Client("127.0.0.1", port);
  CHECK(AnyIsStill(at_the_flip, LookAtPort(port).value().half_open));
  REQUIRE(::write(client.get(), "GET", 3) == 3);
  CHECK(Eventually([&] { return !AnyIsStill(at_the_flip, LookAtPort(port).value().half_open); }));
  CHECK(LookAtPort(port).value().half_open.size() == 1);
}

TEST_CASE("other ports are not looked at") {
  const Conversation talk;
  const Conversation other;
  REQUIRE(::write(other.client.get(), "GET", 3) == 3);
  CHECK(Eventually([&] { return talk.Busy() == 0; }));
  CHECK(other.Busy() == 1);
}

TEST_CASE("a dump of any bytes is read without harm") {
  std::mt19937 random(83);
  std::vector<TcpSocket> sockets;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> bytes(random() % 200);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 7 == 0 ? random() : 0);
    if (bytes.size() > 4) bytes[0] = static_cast<std::byte>(random() % 160);
    static_cast<void>(ParseTcpDump(bytes, 0, sockets));
  }
  CHECK(sockets.size() > 100);
}

}  // namespace
}  // namespace oxherd::os
