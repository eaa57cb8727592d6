// `listen` line by line: every kind of address, changes of it by reload, proof by accept(2), and
// what cannot be had.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

// Answers on every socket of LISTEN_FDS with its pid; on SIGUSR1 it shuts the first one and goes.
constexpr std::string_view kByDescriptors = R"(
import os, signal, socket, threading
def serve(s):
    while True:
        c, _ = s.accept()
        try:
            c.recv(4096)
            pid = b'%d' % os.getpid()
            c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(pid), pid))
        except OSError: pass  # a probe that was only to be accepted
        c.close()
held = [socket.socket(fileno=3 + i) for i in range(int(os.environ['LISTEN_FDS']))]
def leave(*_):
    held[0].shutdown(socket.SHUT_RDWR)
    os._exit(0)
signal.signal(signal.SIGUSR1, leave)
for s in held[1:]: threading.Thread(target=serve, args=(s,), daemon=True).start()
threading.Thread(target=serve, args=(held[0],), daemon=True).start()
while True: signal.pause()
)";

struct Endpoint {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// "unix:/path" or "::1" with a port.
Endpoint EndpointOf(const std::string& where, std::uint16_t port) {
  Endpoint endpoint;
  if (where.starts_with("unix:")) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    where.copy(static_cast<char*>(local.sun_path), sizeof local.sun_path - 1, 5);
    std::memcpy(&endpoint.bytes, &local, sizeof local);
    endpoint.size = sizeof local;
  } else {
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    REQUIRE(inet_pton(AF_INET6, where.c_str(), &ipv6.sin6_addr) == 1);
    std::memcpy(&endpoint.bytes, &ipv6, sizeof ipv6);
    endpoint.size = sizeof ipv6;
  }
  return endpoint;
}

// What answers there; empty if nobody does.
std::string AskAt(const std::string& where, std::uint16_t port = 0) {
  const Endpoint to = EndpointOf(where, port);
  const int client = socket(to.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (connect(client, reinterpret_cast<const sockaddr*>(&to.bytes), to.size) == 0 &&
      write(client, "GET / HTTP/1.0\r\n\r\n", 18) == 18) {
    char buffer[256];
    for (ssize_t n = 0; (n = read(client, buffer, sizeof buffer)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(n));
    }
  }
  close(client);
  const std::size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? answer : answer.substr(body + 4);
}

std::string Service(const std::string& listen, int instances = 2, const std::string& more = "") {
  return "[processes.api]\ncommand = \"python3 server.py\"\nmin_uptime_ms = 100\ninstances = " +
         std::to_string(instances) + "\nlisten = " + listen + "\n" + more;
}

std::set<std::string> PidsOf(const Home& home) {
  std::set<std::string> pids;
  for (const Instance& instance : home.List()) pids.insert(std::to_string(instance.pid));
  return pids;
}

// Who answers in so many requests.
std::set<std::string> Answering(const Home& home, int offset = 0) {
  std::set<std::string> pids;
  for (int i = 0; i < 40; ++i) {
    const HttpAnswer answer = HttpGet(home.port(offset), "/");
    CHECK_MESSAGE(answer.status == 200, answer.error);
    pids.insert(answer.body);
  }
  return pids;
}

TEST_SUITE_BEGIN("listen");

TEST_CASE(
    "IPv4, IPv6 and a Unix socket of one service: each is answered, before and after a reload") {
  const Home home;
  home.Write("server.py", kByDescriptors);
  home.Oxfile(
      Service("[\"127.0.0.1:@port\", \"[::1]:@port\", @port+1, \"unix:@folder/api.sock\"]"));
  home.MustRun({"start"});
  const std::string path = "unix:" + (home.folder() / "api.sock").string();
  for (int time = 0; time < 2; ++time) {
    const std::set<std::string> pids = PidsOf(home);
    CHECK(Answering(home) == pids);
    CHECK(Answering(home, 1) == pids);  // both families on one socket
    CHECK(pids.contains(AskAt("::1", home.port())));
    CHECK(pids.contains(AskAt("::1", home.port(1))));
    CHECK(pids.contains(AskAt(path)));
    home.MustRun({"reload"});
  }
  CHECK_SAYS(home.MustRun({"status", "api"}).out, "one socket for all instances");
  home.MustRun({"stop"});
  CHECK_FALSE(fs::exists(home.folder() / "api.sock"));
  CHECK(IsFree(home.port()));
}

TEST_CASE("addresses and instances are changed by a reload, and stay if that fails") {
  const Home home;
  home.Write("server.py", kByDescriptors);
  home.Oxfile(Service("@port", 1));
  home.MustRun({"start"});
  home.Oxfile(Service("[@port, @port+1]", 3));
  CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
  CHECK(Answering(home).size() == 3);
  CHECK(Answering(home, 1) == PidsOf(home));

  const std::set<std::string> before = PidsOf(home);
  home.Oxfile(
      "[processes.api]\ncommand = \"sh -c 'echo no database; exit 3'\"\n"
      "min_uptime_ms = 100\ninstances = 2\nlisten = [@port, @port+2]\n");
  const Outcome failed = home.Run({"reload"});
  CHECK(failed.exit_code == 1);
  CHECK_SAYS(failed.all(), "no database");
  CHECK(PidsOf(home) == before);
  CHECK(Answering(home, 1) == before);
  CHECK(IsFree(home.port(2)));

  home.Oxfile(Service("@port+2", 1));
  CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
  CHECK(Answering(home, 2) == PidsOf(home));
  CHECK(IsFree(home.port()));
  CHECK(IsFree(home.port(1)));
}

// A connection succeeds as soon as the socket listens, which it does before the program runs.
TEST_CASE(
    "with ready = listen an instance is ready when it accepts, not when it can be connected to") {
  const Home home;
  home.Write("server.py", "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n" +
                              std::string(kByDescriptors));
  home.Oxfile(Service("@port", 1, "ready = \"listen\"\nready_timeout_ms = 20000\n"));
  home.MustRun({"daemon", "start"});
  Command start = home.Begin({"start"});
  WaitUntil("the service", [&] { return home.Find("api/0").has_value(); });
  home.WaitForState("api/0", "starting");
  WaitUntil("a port that takes connections", [&] { return !IsFree(home.port()); });
  // The answer to a whole round of questions: the supervisor asks every 200 ms.
  const auto asked = [&] { return Contains(home.Run({"status", "api"}).out, "waiting"); };
  WaitUntil("a question in the queue", asked);
  CHECK(home.Get("api/0").state == "starting");
  home.Write("go", "");
  CHECK(start.Wait(seconds(20)).exit_code == 0);
  CHECK(home.Get("api/0").state == "ready");

  fs::remove(home.folder() / "go");
  home.Oxfile(Service("@port", 1, "ready = \"listen\"\nready_timeout_ms = 700\n"));
  const pid_t old = home.Pid("api/0");
  CHECK(home.Run({"reload"}).exit_code == 1);
  CHECK(home.Pid("api/0") == old);
  CHECK(Answering(home) == PidsOf(home));
}

TEST_CASE("a port that a user cannot have is an error with its mend, before anything is stopped") {
  Home home;
  if (!home.RunAs(kNobody)) return;
  home.Write("server.py", kByDescriptors);
  home.Oxfile(Service("80"));
  const std::string said = "cannot listen at :80: ports below";
  const Outcome refused = home.Run({"start"});
  if (refused.exit_code == 0) {
    MESSAGE("skipped: a user may have port 80 here");
    return;
  }
  CHECK_SAYS(refused.err, said);
  CHECK_SAYS(refused.err, "net.ipv4.ip_unprivileged_port_start");
  home.MustRun({"delete", "api"});

  home.Oxfile(Service("@port", 1));
  home.MustRun({"start"});
  const std::set<std::string> before = PidsOf(home);
  home.Oxfile(Service("[@port, 80]", 1));
  const Outcome reloaded = home.Run({"reload"});
  CHECK(reloaded.exit_code == 1);
  CHECK_SAYS(reloaded.err, said);
  CHECK(PidsOf(home) == before);
  CHECK(Answering(home) == before);
}

TEST_CASE("what is wrong with listen in the Oxfile is said before anything is touched") {
  const Home home;
  home.Write("server.py", kByDescriptors);
  home.Oxfile(Service("@port", 1));
  home.MustRun({"start"});
  const std::set<std::string> before = PidsOf(home);
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {Service("\"300.1.1.1:7000\""), "\"300.1.1.1\" is a name"},
      {Service("\"[::1:7000\""), "write an IPv6 address in brackets: \"[::1]:7000\""},
      {Service("70000"), "is no address to listen on"},
      {Service("@port", 300), "at most 256 instances can share an address; instances is 300"},
      {Service("@port") + "[processes.web]\ncommand = \"python3 server.py\"\nlisten = @port\n",
       "two services cannot have one address"},
  };
  for (const auto& [oxfile, said] : mistakes) {
    home.Oxfile(oxfile);
    const Outcome refused = home.Run({"reload"});
    CHECK(refused.exit_code == 2);
    CHECK_SAYS(refused.err, said);
    CHECK(PidsOf(home) == before);
  }
  CHECK(Answering(home) == before);
}

// A copy of some program with the name and the mode of sudo: it is never run.
TEST_CASE("sudo cannot be given the sockets: that is said before the start, with what to do") {
  const Home home;
  home.Write("server.py", kByDescriptors);
  for (const auto& [name, mend] :
       {std::pair("sudo", "start the program without sudo"), std::pair("server", "chmod ug-s")}) {
    const fs::path program = home.folder() / name;
    fs::copy_file(Misbehave(), program);
    fs::permissions(program, fs::perms::owner_all | fs::perms::set_uid);
    home.Oxfile("[processes.api]\ncommand = \"" + program.string() +
                " python3 server.py\"\nlisten = @port\n");
    const Outcome refused = home.Run({"start"});
    CHECK(refused.exit_code == 1);
    CHECK_SAYS(refused.err, "takes no LD_PRELOAD and cannot be given its socket");
    CHECK_SAYS(refused.err, mend);
    home.MustRun({"delete", "api"});
  }
  home.Oxfile(Service("@port", 1));
  home.MustRun({"start"});
  CHECK(Answering(home) == PidsOf(home));
}

// Keeper and daemon at once, so that nobody has the image; sockets were shut before, so that the
// kernel's order is not that of the numbers. Number 3, which no instance has, ends with the keeper.
TEST_CASE(
    "where nobody remembers the order of the sockets, the kernel is asked, and all serve on") {
  const Home home;
  home.Write("server.py", kByDescriptors);
  home.Oxfile(Service("@port", 3));
  home.MustRun({"start"});
  for (const char* name : {"api/0", "api/1"}) {
    const pid_t left = home.Pid(name);
    kill(left, SIGUSR1);
    WaitUntil("the next one", [&] {
      const Instance now = home.Get(name);
      return now.pid != left && now.state == "ready";
    });
  }
  const std::set<std::string> before = PidsOf(home);
  const Watched keeper(home.Keeper());
  const Watched daemon(home.Daemon());
  daemon.Signal(SIGSTOP);  // it is not to become the keeper
  keeper.Signal(SIGKILL);
  static_cast<void>(keeper.WaitForEnd());
  daemon.Signal(SIGKILL);
  static_cast<void>(daemon.WaitForEnd());

  home.MustRun({"start"});
  for (const char* name : {"api/0", "api/1", "api/2"}) home.WaitForState(name, "ready");
  CHECK(PidsOf(home) == before);
  CHECK(Answering(home) == before);
  CHECK_SAYS(home.Run({"daemon", "logs"}).out, "the order of its sockets: 1 0 2");

  // One that is taken out is really the one: the order is right.
  const std::string out = std::to_string(home.Pid("api/0"));
  home.MustRun({"instance", "api", "0", "--drain"});
  std::set<std::string> others = before;
  others.erase(out);
  CHECK(Answering(home) == others);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
