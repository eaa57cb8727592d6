// The real keeper under a service manager: what it says on NOTIFY_SOCKET, and to whom that stays
// unknown.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "os/clock.h"
#include "os/file.h"
#include "os/message_socket.h"
#include "tests/keeper/keeper_run.h"

namespace oxherd::keeper {
namespace {

enum class Kind { kPath, kAbstract };

// A stand-in for systemd: sets the variables for the keeper that is started next, and listens.
class Manager {
 public:
  explicit Manager(Kind kind, const char* watchdog_usec = nullptr,
                   const std::string& watchdog_pid = "") {
    static int number = 0;
    name_ = "/tmp/notify-test-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, name_.c_str(), sizeof address.sun_path - 1);
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size() + 1);
    if (kind == Kind::kAbstract) {
      address.sun_path[0] = '\0';
      --size;
    }
    socket_ = os::Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    ::setenv("NOTIFY_SOCKET", (kind == Kind::kAbstract ? "@" + name_.substr(1) : name_).c_str(), 1);
    if (watchdog_usec != nullptr) ::setenv("WATCHDOG_USEC", watchdog_usec, 1);
    if (!watchdog_pid.empty()) ::setenv("WATCHDOG_PID", watchdog_pid.c_str(), 1);
  }
  ~Manager() {
    ForgetVariables();
    ::unlink(name_.c_str());
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  static void ForgetVariables() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }

  // The next message; nothing within the time.
  std::optional<std::string> Next(Duration patience = kPatience) {
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(ToMillis(patience))) <= 0) return std::nullopt;
    std::array<char, 1024> text{};
    const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), 0);
    return std::string(text.data(), static_cast<std::size_t>(size));
  }
  // The next message that begins so; others before it are kept in `others`.
  std::string Await(std::string_view beginning) {
    const Instant until = os::Now() + kPatience;
    while (os::Now() < until) {
      const auto text = Next();
      if (text && text->starts_with(beginning)) return *text;
      if (text) others.push_back(*text);
    }
    FAIL("systemd was not told " << beginning);
    return {};
  }

  std::vector<std::string> others;

 private:
  std::string name_;
  os::Fd socket_;
};

bool WasSaid(const Manager& manager, std::string_view beginning) {
  return std::ranges::any_of(manager.others,
                             [&](const std::string& text) { return text.starts_with(beginning); });
}

TEST_CASE("systemd is told that the service is ready when the daemon knows what there is, once") {
  Manager manager(Kind::kPath);
  KeeperRun run;
  CHECK(manager.Await("STATUS=") == "STATUS=0 processes; the daemon starts");
  CHECK_FALSE(WasSaid(manager, "READY=1"));
  run.AskForWorld();
  CHECK(manager.Await("READY=1") == "READY=1");
  manager.Await("STATUS=0 processes; daemon pid ");
  const os::Fd output = run.Spawn(Token(1), {"sleep"});
  manager.Await("STATUS=1 process; daemon pid ");
  run.KillDaemon();
  run.AwaitDaemon();
  CHECK(manager.Await("STATUS=1 process; ") ==
        "STATUS=1 process; the daemon has died, another one is started");
  run.AskForWorld();
  manager.Await("STATUS=1 process; daemon pid " + run.daemon_line().substr(0, 1));
  CHECK_FALSE(WasSaid(manager, "READY=1"));
}

TEST_CASE("the watchdog is fed three times in its period, with or without a daemon") {
  Manager manager(Kind::kAbstract, "600000");
  KeeperRun run;
  const Instant began = os::Now();
  for (int i = 0; i < 6; ++i) manager.Await("WATCHDOG=1");
  // The first one comes at once, five periods of 200 ms later the sixth.
  CHECK(os::Now() - began >= Millis(900));
  CHECK(os::Now() - began < Seconds(2));
}

TEST_CASE("a watchdog that is for another process is not fed") {
  Manager manager(Kind::kPath, "60000", "1");
  KeeperRun run;
  run.AskForWorld();
  manager.Await("READY=1");
  while (const auto text = manager.Next(Millis(300))) CHECK_FALSE(text->starts_with("WATCHDOG"));
}

TEST_CASE("a stopped keeper feeds no watchdog, and does again when it goes on") {
  Manager manager(Kind::kPath, "300000");
  KeeperRun run;
  manager.Await("WATCHDOG=1");
  run.SignalKeeper(SIGSTOP);
  while (manager.Next(Millis(400))) {
  }
  CHECK_FALSE(manager.Next(Millis(400)));
  run.SignalKeeper(SIGCONT);
  manager.Await("WATCHDOG=1");
}

TEST_CASE("a stop asks systemd for time") {
  Manager manager(Kind::kPath);
  KeeperRun run;
  run.AskForWorld();
  manager.Await("READY=1");
  run.SignalKeeper(SIGTERM);
  CHECK(manager.Await("STOPPING=1") == "STOPPING=1\nEXTEND_TIMEOUT_USEC=60000000");
  manager.Await("STATUS=stopping; 0 processes; daemon pid ");
}

TEST_CASE("a keeper that leaves its instances running says so to systemd by its exit code") {
  Manager manager(Kind::kPath);
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"sleep"});
  const Pid instance = run.Await<Started>().pid;
  run.Send(Bye{.exit_code = 0, .remains = Remains::kLeave});
  run.KillDaemon();
  CHECK(run.AwaitExit() == 75);
  CHECK(IsAlive(instance));
  ::kill(instance.number(), SIGKILL);
}

TEST_CASE("what systemd says to the keeper reaches neither the daemon nor an instance") {
  Manager manager(Kind::kPath, "60000000");
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"sleep"});
  const Pid instance = run.Await<Started>().pid;
  for (const std::string& pid : {run.daemon_line().substr(0, run.daemon_line().find(' ')),
                                 std::to_string(instance.number())}) {
    const Result<std::string> environment = os::ReadFile("/proc/" + pid + "/environ", 1 << 20);
    REQUIRE(environment.has_value());
    CHECK(environment->find("NOTIFY_SOCKET") == std::string::npos);
    CHECK(environment->find("WATCHDOG_") == std::string::npos);
  }
}

TEST_CASE("a NOTIFY_SOCKET that is none, or where nobody listens, does no harm") {
  for (const char* address : {"relative/path", "@", "/tmp/there-is-no-such-socket"}) {
    ::setenv("NOTIFY_SOCKET", address, 1);
    KeeperRun run;
    Manager::ForgetVariables();
    run.AskForWorld();
    run.Send(Bye{.exit_code = 0, .remains = Remains::kKill});
    run.KillDaemon();
    CHECK(run.AwaitExit() == 0);
  }
}

}  // namespace
}  // namespace oxherd::keeper
