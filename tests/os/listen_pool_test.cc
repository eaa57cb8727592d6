#include "os/listen_pool.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/listeners.h"
#include "os/local_socket.h"
#include "tests/os/loopback.h"
#include "tests/os/scratch.h"

namespace oxherd::os {
namespace {

std::string At(std::uint16_t port) { return "tcp:127.0.0.1:" + std::to_string(port); }

void CheckOrder(const std::string& text) {
  CAPTURE(text);
  const PoolAddress address = AddressOf(text);
  const ListenPool pool = OpenOrFail(text, 4);
  for (std::uint16_t place = 0; place < 4; ++place) {
    const Fd probe = ProbeOf(address, place);
    REQUIRE(static_cast<bool>(probe));
    std::vector<std::uint32_t> expected(4, 0);
    expected[place] = 1;
    CHECK(Waiting(pool) == expected);
    SweepAll(pool);
  }
}

TEST_CASE("the order of the group is the order in which its sockets listen") {
  const std::string port = std::to_string(FreePort());
  CheckOrder("tcp:127.0.0.1:" + port);
  CheckOrder("tcp:0.0.0.0:" + port);
  if (!HasIpv6()) {
    MESSAGE("skipped in part: no IPv6 here");
    return;
  }
  CheckOrder("tcp:[::]:" + port);
  CheckOrder("tcp:[::1]:" + port);
}

TEST_CASE("a socket that is shut down is replaced by the last one, and a new one is last") {
  const std::uint16_t port = FreePort();
  const PoolAddress address = AddressOf(At(port));
  ListenPool pool = OpenOrFail(At(port), 3);
  ShutListening(pool.sockets[0].get());
  CHECK_FALSE(IsListening(pool.sockets[0].get()).value());
  const Fd to_the_first = ProbeOf(address, 0);
  CHECK(Waiting(pool) == std::vector<std::uint32_t>{0, 0, 1});
  auto joined = JoinListenPool(address);
  REQUIRE(joined.has_value());
  pool.sockets[0] = std::move(*joined);
  const Fd to_the_last = ProbeOf(address, 2);
  CHECK(Waiting(pool) == std::vector<std::uint32_t>{1, 0, 1});
  const Fd to_the_second = ProbeOf(address, 1);
  CHECK(Waiting(pool) == std::vector<std::uint32_t>{1, 1, 1});
}

TEST_CASE("a port that anybody has is refused") {
  const std::uint16_t port = FreePort();
  const Fd other = BoundSocket("127.0.0.1", port);
  const int on = 1;
  REQUIRE(::setsockopt(other.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
  REQUIRE(::listen(other.get(), 1) == 0);
  const auto pool = OpenListenPool(AddressOf("tcp:0.0.0.0:" + std::to_string(port)), 2);
  REQUIRE_FALSE(pool.has_value());
  CHECK(pool.error().number == EADDRINUSE);
  CHECK(pool.error().message == "somebody has it already");
}

TEST_CASE("an open pool refuses a second one at its port") {
  const std::uint16_t port = FreePort();
  const ListenPool pool = OpenOrFail(At(port), 2);
  const auto second = OpenListenPool(AddressOf(At(port)), 2);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().number == EADDRINUSE);
  CHECK(ListeningInodes(port).value().size() == 2);
}

TEST_CASE("a port that an outgoing connection uses is refused") {
  const std::uint16_t target = FreePort();
  const ListenPool pool = OpenOrFail(At(target), 1);
  const std::uint16_t port = FreePort();
  const Loopback from = LoopbackAt("127.0.0.1", port);
  const Loopback to = LoopbackAt("127.0.0.1", target);
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(client.get(), from.get(), from.size) == 0);
  REQUIRE(::connect(client.get(), to.get(), to.size) == 0);
  const auto refused = OpenListenPool(AddressOf(At(port)), 1);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().number == EADDRINUSE);
}

TEST_CASE("an address that no interface has is refused with that reason") {
  const auto refused = OpenListenPool(AddressOf("tcp:203.0.113.7:3000"), 1);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message == "no network interface here has this address");
}

TEST_CASE("a swept queue is empty, its clients are reset, and the socket blocks as before") {
  const std::uint16_t port = FreePort();
  const ListenPool pool = OpenOrFail(At(port), 1);
  std::vector<Fd> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Client("127.0.0.1", port));
  CHECK(SweepQueue(pool.sockets[0].get()).value() == 20);
  CHECK(Waiting(pool) == std::vector<std::uint32_t>{0});
  char byte = 0;
  CHECK(::recv(clients[7].get(), &byte, 1, 0) == -1);
  CHECK(errno == ECONNRESET);
  CHECK((::fcntl(pool.sockets[0].get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a Unix address opens one socket, in place of one that nobody answers on") {
  const Scratch scratch;
  const std::string path = scratch / "api.sock";
  {
    const auto before = OpenListenPool(AddressOf("unix:" + path), 3);
    REQUIRE(before.has_value());
    CHECK(before->sockets.size() == 1);
    const auto second = OpenListenPool(AddressOf("unix:" + path), 3);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().message.find("pid " + std::to_string(::getpid())) != std::string::npos);
  }
  const auto pool = OpenListenPool(AddressOf("unix:" + path), 3);
  REQUIRE(pool.has_value());
  CHECK(WaitingClients(pool->sockets[0].get()).value() == 0);
  const auto client = ConnectLocally(scratch.path(), "api.sock");
  REQUIRE(client.has_value());
  CHECK(WaitingClients(pool->sockets[0].get()).value() == 1);
  sockaddr_un bound{};
  socklen_t size = sizeof bound;
  REQUIRE(::getsockname(pool->sockets[0].get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  CHECK(std::string(bound.sun_path) == path);
}

TEST_CASE("a file of another kind at the path of a Unix socket is left alone") {
  const Scratch scratch;
  const std::string path = scratch / "precious";
  const Fd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  CHECK_FALSE(OpenListenPool(AddressOf("unix:" + path), 1).has_value());
  CHECK(::access(path.c_str(), F_OK) == 0);
}

TEST_CASE("addresses are read from their canonical text, and nothing else is one") {
  CHECK(AddressOf("tcp:127.0.0.1:80").host_text() == "127.0.0.1");
  CHECK(AddressOf("tcp:[::1]:80").host_text() == "::1");
  CHECK(AddressOf("tcp:[::]:80").is_any());
  CHECK_FALSE(AddressOf("tcp:[::1]:80").is_any());
  CHECK(AddressOf("unix:/run/a b").path == "/run/a b");
  for (const char* text : {"", "tcp:", "tcp:80", "tcp:localhost:80", "tcp:[::1]", "tcp:::1:80",
                           "tcp:1.2.3.4:0", "tcp:1.2.3.4:65536", "tcp:1.2.3.4:80x",
                           "unix:", "unix:relative", "unix:/dir/", "udp:1.2.3.4:5"}) {
    CAPTURE(text);
    CHECK_FALSE(ParsePoolAddress(text).has_value());
  }
}

}  // namespace
}  // namespace oxherd::os
