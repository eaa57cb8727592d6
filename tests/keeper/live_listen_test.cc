// The real keeper: listening sockets that it holds, hands over and lets its children fetch.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <string>

#include "listen/fetch.h"
#include "os/held_socket.h"
#include "os/listen_pool.h"
#include "os/traffic_facts.h"
#include "tests/keeper/keeper_run.h"

namespace oxherd::keeper {
namespace {

constexpr ListenSecret kSecret = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

// A pool of one socket on a port of ours, and its text.
struct Pool {
  Pool() {
    for (std::uint16_t port = static_cast<std::uint16_t>(21'000 + ::getpid() % 9'000);; ++port) {
      address = "tcp:127.0.0.1:" + std::to_string(port);
      auto opened = os::OpenListenPool(*os::ParsePoolAddress(address), 1);
      if (!opened) continue;
      socket = std::move(opened->sockets[0]);
      bound = **os::BoundAddress(socket.get());
      return;
    }
  }
  [[nodiscard]] HeldName NameOf(int number) const {
    return HeldName("api\n" + address + "\n" + std::to_string(number));
  }

  std::string address;
  os::Fd socket;
  TcpAddress bound;
};

std::uint8_t Nibble(char digit) {
  return static_cast<std::uint8_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

// A client of the fetch socket, as the preload library is one.
class Fetcher {
 public:
  explicit Fetcher(std::string_view text) {
    const std::size_t colon = text.find(':');
    REQUIRE(text.size() == colon + 1 + 2 * std::size_t{OXHERD_FETCH_GATE_BYTES});
    raw.version = OXHERD_FETCH_VERSION;
    for (std::size_t i = 0; i < OXHERD_FETCH_GATE_BYTES; ++i) {
      raw.gate[i] = static_cast<std::uint8_t>(Nibble(text[colon + 1 + 2 * i]) << 4 |
                                              Nibble(text[colon + 2 + 2 * i]));
    }
    sockaddr_un own{};
    own.sun_family = AF_UNIX;
    keeper.sun_family = AF_UNIX;
    std::memcpy(keeper.sun_path + 1, text.data(), colon);
    keeper_size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + colon);
    socket.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&own), sizeof(sa_family_t)) == 0);
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&keeper), keeper_size) == 0);
  }

  void Ask(Token token, const ListenSecret& secret, const TcpAddress& asked) {
    raw.token = token.number();
    std::ranges::copy(secret, raw.secret);
    std::ranges::copy(asked.host, raw.host);
    raw.port = asked.port;
    raw.family = static_cast<std::uint8_t>(asked.family);
    REQUIRE(::send(socket.get(), &raw, sizeof raw, 0) == sizeof raw);
  }
  // The answer; with what was given in `given`. 255: none came.
  std::uint32_t Hear(os::Fd* given = nullptr, int patience_ms = 10'000) {
    const timeval patience{.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    OxherdFetchAnswer answer{};
    iovec part{.iov_base = &answer, .iov_len = sizeof answer};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC) != sizeof answer) return 255;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && given != nullptr) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header), sizeof number);
      given->Reset(number);
    }
    return answer.verdict;
  }

  OxherdFetchRequest raw{};
  sockaddr_un keeper{};
  socklen_t keeper_size = 0;
  os::Fd socket;
};

// A child that sleeps, with the grant.
os::Fd SpawnWithGrant(KeeperRun& run, Token token, std::uint16_t number) {
  Plan plan = run.PlanFor(token, {"sleep", "60000"});
  plan.listen = ListenGrant{.number = number, .secret = kSecret};
  return run.SpawnPlan(token, plan);
}

TEST_CASE(
    "a child with the secret fetches the socket of its number, and the daemon hears of it once") {
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  run.Send(Hold{pool.NameOf(3)}, std::array{pool.socket.get()});
  const os::Fd output = SpawnWithGrant(run, Token(1), 3);
  run.Await<Started>();
  for (int i = 0; i < 3; ++i) {
    Fetcher fetcher(run.hello().listen_socket.text());
    fetcher.Ask(Token(1), kSecret, pool.bound);
    os::Fd given;
    CHECK(fetcher.Hear(&given) == OXHERD_FETCH_GIVEN);
    REQUIRE(static_cast<bool>(given));
    CHECK(os::BoundAddress(given.get()).value() == pool.bound);
  }
  const auto taken = run.Await<ListenTaken>();
  CHECK(taken.token == Token(1));
  CHECK(taken.name == pool.NameOf(3));
  run.ExpectSilence(Millis(50));
}

TEST_CASE("a mismatch is told to the child and to the daemon, with what was asked") {
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  run.Send(Hold{pool.NameOf(0)}, std::array{pool.socket.get()});
  const os::Fd output = SpawnWithGrant(run, Token(1), 0);
  run.Await<Started>();
  TcpAddress asked = pool.bound;
  asked.host[3] = 9;
  Fetcher fetcher(run.hello().listen_socket.text());
  fetcher.Ask(Token(1), kSecret, asked);
  CHECK(fetcher.Hear() == OXHERD_FETCH_WIDTH);
  const auto refused = run.Await<ListenRefused>();
  CHECK(refused.token == Token(1));
  CHECK(refused.why == ListenMismatch::kWidth);
  CHECK(refused.asked == asked);
  asked.port = 1;
  fetcher.Ask(Token(1), kSecret, asked);
  CHECK(fetcher.Hear() == OXHERD_FETCH_UNKNOWN);
}

TEST_CASE("without the right secret, token, number or gate nobody gets a socket") {
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  run.Send(Hold{pool.NameOf(0)}, std::array{pool.socket.get()});
  const os::Fd output = SpawnWithGrant(run, Token(1), 1);
  const os::Fd other = run.Spawn(Token(2), {"sleep", "60000"});  // has no grant at all
  run.Await<Started>();
  run.Await<Started>();
  Fetcher fetcher(run.hello().listen_socket.text());
  fetcher.Ask(Token(1), kSecret, pool.bound);
  CHECK(fetcher.Hear() == OXHERD_FETCH_UNKNOWN);  // another number's
  ListenSecret wrong = kSecret;
  wrong[15] ^= 1;
  fetcher.Ask(Token(1), wrong, pool.bound);
  CHECK(fetcher.Hear() == OXHERD_FETCH_DENIED);
  fetcher.Ask(Token(2), ListenSecret{}, pool.bound);
  CHECK(fetcher.Hear() == OXHERD_FETCH_DENIED);
  fetcher.Ask(Token(99), kSecret, pool.bound);
  CHECK(fetcher.Hear() == OXHERD_FETCH_DENIED);
  fetcher.raw.gate[0] ^= 1;
  fetcher.Ask(Token(1), kSecret, pool.bound);
  CHECK(fetcher.Hear(nullptr, 100) == 255);
  fetcher.raw.gate[0] ^= 1;
  fetcher.Ask(Token(1), kSecret, pool.bound);
  CHECK(fetcher.Hear() == OXHERD_FETCH_UNKNOWN);
}

TEST_CASE("a token is forgotten with its process: its secret opens nothing any more") {
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  run.Send(Hold{pool.NameOf(0)}, std::array{pool.socket.get()});
  const os::Fd output = SpawnWithGrant(run, Token(1), 0);
  run.Await<Started>();
  run.Send(Kill{Token(1)});
  run.Await<Gone>();
  run.Send(Ack{Token(1)});
  run.AskForWorld();
  Fetcher fetcher(run.hello().listen_socket.text());
  fetcher.Ask(Token(1), kSecret, pool.bound);
  CHECK(fetcher.Hear() == OXHERD_FETCH_DENIED);
}

TEST_CASE("fetching goes on while no daemon is alive") {
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  run.Send(Hold{pool.NameOf(0)}, std::array{pool.socket.get()});
  const os::Fd output = SpawnWithGrant(run, Token(1), 0);
  run.Await<Started>();
  const Name listen_socket = run.hello().listen_socket;
  run.KillDaemon();
  Fetcher fetcher(listen_socket.text());
  fetcher.Ask(Token(1), kSecret, pool.bound);
  CHECK(fetcher.Hear() == OXHERD_FETCH_GIVEN);
  run.AwaitDaemon();
  CHECK(run.hello().listen_socket == listen_socket);
}

TEST_CASE("another user's process is refused even with the secret") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root to become somebody else");
    return;
  }
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  run.Send(Hold{pool.NameOf(0)}, std::array{pool.socket.get()});
  Plan plan = run.PlanFor(Token(1), {"sleep", "60000"});
  plan.listen = ListenGrant{.number = 0, .secret = kSecret};
  plan.identity = Identity{.uid = 1234, .gid = 1234, .groups = {}};
  plan.directory = "/";
  const os::Fd output = run.SpawnPlan(Token(1), plan);
  run.Await<Started>();
  const auto verdict_for = [&](uid_t uid) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setresuid(uid, uid, uid) != 0) ::_exit(99);
      Fetcher fetcher(run.hello().listen_socket.text());
      fetcher.Ask(Token(1), kSecret, pool.bound);
      ::_exit(static_cast<int>(fetcher.Hear()));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  };
  CHECK(verdict_for(1234) == OXHERD_FETCH_GIVEN);
  CHECK(verdict_for(1235) == OXHERD_FETCH_DENIED);
  CHECK(verdict_for(0) == OXHERD_FETCH_GIVEN);
}

TEST_CASE(
    "strangers who flood the fetch socket, also with descriptors, do not hold the keeper up") {
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  run.Send(Hold{pool.NameOf(0)}, std::array{pool.socket.get()});
  const os::Fd output = SpawnWithGrant(run, Token(1), 0);
  run.Await<Started>();
  const long before = run.TicksOfKeeper();
  Fetcher stranger(run.hello().listen_socket.text());
  stranger.raw.gate[15] ^= 1;
  for (int i = 0; i < 20'000; ++i) stranger.Ask(Token(1), kSecret, pool.bound);
  CHECK(run.TicksOfKeeper() - before <= 2);
  // A child may send descriptors along: they are not taken in, or the whole datagram is refused.
  Fetcher child(run.hello().listen_socket.text());
  iovec part{.iov_base = &child.raw, .iov_len = sizeof child.raw};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = pool.socket.get();
  std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  const std::string folder = "/proc/" + std::to_string(run.keeper().number()) + "/fd";
  for (int i = 0; i < 200; ++i) {
    static_cast<void>(::sendmsg(child.socket.get(), &message, MSG_DONTWAIT));
  }
  Fetcher last(run.hello().listen_socket.text());
  last.Ask(Token(1), kSecret, pool.bound);
  CHECK(last.Hear() == OXHERD_FETCH_GIVEN);
  CHECK(::access((folder + "/200").c_str(), F_OK) != 0);
}

TEST_CASE("a spawn clears what the last program set on its socket, and leaves a shut one alone") {
  KeeperRun run;
  run.AskForWorld();
  const Pool pool;
  const Pool shut;
  run.Send(Hold{pool.NameOf(0)}, std::array{pool.socket.get()});
  run.Send(Hold{shut.NameOf(0)}, std::array{shut.socket.get()});
  const int seconds = 5;
  for (const int socket : {pool.socket.get(), shut.socket.get()}) {
    REQUIRE(::fcntl(socket, F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(::setsockopt(socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds) == 0);
    REQUIRE(::listen(socket, 5) == 0);
  }
  os::ShutListening(shut.socket.get());
  Plan plan = run.PlanFor(Token(1), {"exit", "0"});
  for (const Pool* one : {&pool, &shut}) {
    plan.descriptors.push_back({.target = one == &pool ? 3 : 4,
                                .source = MappedDescriptor::Source::kHeld,
                                .open = MappedDescriptor::Open::kListening,
                                .attached = 0,
                                .name = std::string(one->NameOf(0).text())});
  }
  const os::Fd output = run.SpawnPlan(Token(1), plan);
  run.Await<Gone>();
  CHECK((::fcntl(pool.socket.get(), F_GETFL) & O_NONBLOCK) == 0);
  int deferred = -1;
  socklen_t size = sizeof deferred;
  REQUIRE(::getsockopt(pool.socket.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &deferred, &size) == 0);
  CHECK(deferred == 0);
  tcp_info info{};
  size = sizeof info;
  REQUIRE(::getsockopt(pool.socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  CHECK(info.tcpi_sacked > 5);  // of a listening socket: its backlog
  CHECK_FALSE(os::IsListening(shut.socket.get()).value());
  CHECK((::fcntl(shut.socket.get(), F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("LISTEN_PID is the child's own pid, and only where the plan has room for it") {
  KeeperRun run;
  run.AskForWorld();
  Plan plan = run.PlanFor(Token(1), {});
  plan.program = "/bin/sh";
  plan.arguments = {"sh", "-c", "echo $$ $LISTEN_PID $LISTEN_FDS $OTHER"};
  plan.environment = {"PATH=/usr/bin:/bin", "LISTEN_PID=", "LISTEN_FDS=1", "OTHER=LISTEN_PID="};
  const os::Fd output = run.SpawnPlan(Token(1), plan);
  const auto started = run.Await<Started>();
  const std::string pid = std::to_string(started.pid.number());
  CHECK(ReadLine(output.get()) == pid + " " + pid + " 1 LISTEN_PID=");
}

}  // namespace
}  // namespace oxherd::keeper
