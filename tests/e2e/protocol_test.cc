// The control socket: clients that are rude, slow, dead, or somebody else's.
#include <doctest/doctest.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOneService =
    "[processes.api]\ncommand = \"@misbehave on-term 0 500 then sleep\"\nmin_uptime_ms = 50\n";

// A connection that says whatever a test likes.
class RawClient {
 public:
  explicit RawClient(const fs::path& path)
      : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.native().size() < sizeof address.sun_path);
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }

  [[nodiscard]] bool connected() const { return connected_; }

  // How much of it the daemon took before it closed, or before half a second passed without room.
  std::size_t Send(std::string_view bytes) const {  // NOLINT(modernize-use-nodiscard)
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      pollfd waiting{fd_, POLLOUT, 0};
      if (poll(&waiting, 1, 500) <= 0) {
        break;
      }
      const ssize_t now = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) {
        break;
      }
      sent += static_cast<std::size_t>(now);
    }
    return sent;
  }

  // True once the daemon has closed its end.
  [[nodiscard]] bool IsClosed() const {
    char buffer[4096];
    ssize_t got = 0;
    while ((got = read(fd_, buffer, sizeof buffer)) > 0) {
    }
    return got == 0 || errno != EAGAIN;
  }

 private:
  int fd_;
  bool connected_ = false;
};

TEST_SUITE_BEGIN("protocol");

TEST_CASE("nonsense on the control socket harms nobody") {
  const Home home;
  home.Oxfile(kOneService);
  home.MustRun({"start"});
  const pid_t daemon = home.Daemon();
  const pid_t api = home.Pid("api/0");

  for (const std::string_view text :
       {std::string_view("\n"), std::string_view("hello\n"), std::string_view("{}\n"),
        std::string_view("[]\n"), std::string_view("null\n"), std::string_view("{\"v\":99}\n"),
        std::string_view("{\"v\":1,\"command\":\"nope\"}\n"),
        std::string_view("{\"v\":\"x\",\"command\":[1,2]}\n"),
        std::string_view("\x00\xff\xfe\n", 4), std::string_view("GET / HTTP/1.1\r\n\r\n"),
        std::string_view("{\"v\":1,\"command\":\"stop\",\"names\":{\"a\":1}}\n")}) {
    const RawClient client(home.ControlSocket());
    CHECK(client.connected());
    client.Send(text);
  }
  const RawClient deep(home.ControlSocket());
  deep.Send(std::string(100'000, '[') + "\n");

  CHECK(home.MustRun({"ping"}).exit_code == 0);
  CHECK(home.Daemon() == daemon);
  CHECK(home.Pid("api/0") == api);
}

TEST_CASE("a line without an end is refused, not kept") {
  const Home home;
  home.Oxfile(kOneService);
  home.MustRun({"start"});
  const RawClient client(home.ControlSocket());
  const std::string flood(64UL << 20U, 'x');
  CHECK(client.Send(flood) < flood.size());
  WaitUntil("the end of the connection", [&] { return client.IsClosed(); });
  home.MustRun({"ping"});
}

TEST_CASE(
    "half a request and then silence: the connection is closed, others are served meanwhile") {
  const Home home;
  home.Oxfile(kOneService);
  home.MustRun({"start"});
  const RawClient silent(home.ControlSocket());
  const RawClient half(home.ControlSocket());
  half.Send("{\"v\":1,\"comm");
  CHECK(home.MustRun({"list"}).took < milliseconds(500) * kPatience);
  WaitUntil("the end of the half request", [&] { return half.IsClosed(); }, seconds(35));
  WaitUntil("the end of the silent one", [&] { return silent.IsClosed(); }, seconds(35));
}

TEST_CASE("hundreds of idle connections do not keep a crash from being mended") {
  const Home home;
  home.Oxfile(kOneService);
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");
  const fs::path path = home.ControlSocket();
  std::vector<RawClient> clients;
  clients.reserve(300);
  for (int i = 0; i < 300; ++i) {
    clients.emplace_back(path);
  }

  Watched(before).Signal(SIGKILL);

  WaitUntil("the restart", [&] {
    for (const Process& process : ProcessesOf(home.folder())) {
      if (process.program == "misbehave" && process.pid != before) {
        return true;
      }
    }
    return false;
  });
  clients.clear();
  WaitUntil("an answer", [&] { return home.Run({"ping"}).exit_code == 0; });
}

TEST_CASE("a client that is killed in the middle: the stop goes on without it") {
  const Home home;
  home.Oxfile(kOneService);
  home.MustRun({"start"});
  const Watched process(home.Pid("api/0"));
  Command stopping = home.Begin({"stop"});
  home.WaitForState("api/0", "stopping");

  stopping.Signal(SIGKILL);

  CHECK(stopping.Wait().exit_code == 128 + SIGKILL);
  static_cast<void>(process.WaitForEnd());
  home.WaitForState("api/0", "stopped");
}

TEST_CASE("Ctrl-C detaches with 130, and what was begun goes on") {
  const Home home;
  home.Oxfile(kOneService);
  home.MustRun({"start"});
  Command stopping = home.Begin({"stop"});
  home.WaitForState("api/0", "stopping");
  stopping.Signal(SIGINT);
  CHECK(stopping.Wait().exit_code == 130);
  home.WaitForState("api/0", "stopped");
}

TEST_CASE("everything below the home is for its owner alone") {
  const Home home;
  home.Oxfile("[processes.api]\ncommand = \"@misbehave say hello then sleep\"\n");
  Invocation typed = home.Typed({"start"});
  typed.before_exec = [] { umask(0); };
  CHECK(Command(typed).Wait().exit_code == 0);
  home.WaitForLog("api/0", "hello");
  for (const auto& entry : fs::recursive_directory_iterator(home.state_folder())) {
    struct stat status{};
    REQUIRE(lstat(entry.path().c_str(), &status) == 0);
    CHECK_MESSAGE((status.st_mode & 077U) == 0, entry.path().string());
  }
}

TEST_CASE("another user's commands are refused in one line, and change nothing") {
  if (getuid() != 0) {
    MESSAGE("skipped: only root can become another user");
    return;
  }
  const Home home;
  fs::permissions(home.folder().parent_path(), fs::perms::others_exec | fs::perms::owner_all);
  home.Oxfile(kOneService);
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");
  for (const char* verb : {"list", "stop", "ping"}) {
    Invocation typed = home.Typed({verb});
    typed.folder = "/";
    typed.before_exec = [] {
      if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
        _exit(99);
      }
    };
    const Outcome outcome = Command(typed).Wait();
    if (outcome.exit_code == 127) {
      MESSAGE("skipped: nobody may not execute the program where it is built");
      return;
    }
    CHECK_MESSAGE((outcome.exit_code == 1 || outcome.exit_code == 3), outcome.exit_code);
    CHECK(CountOf(outcome.err, "\n") == 1);
    CHECK_SAYS(outcome.err, home.state_folder().string());
  }
  CHECK(home.Pid("api/0") == before);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
