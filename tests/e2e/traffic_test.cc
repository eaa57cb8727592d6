// `listen` as people use it: one port for all instances, taking one out, being told by the program
// that it is ready, and machines where the kernel does not steer.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

constexpr std::string_view kServer =
    "require('http').createServer((q, r) => r.end(String(process.pid)))"
    ".listen(@port, () => console.log('up'))\n";

// A Node program in server.js under `listen = @port`.
void Serve(const Home& home, std::string_view more = {}, std::string_view program = kServer) {
  home.Write("server.js", program);
  home.Oxfile(
      "[processes.api]\ncommand = \"node server.js\"\nlisten = @port\ninstances = 2\n"
      "min_uptime_ms = 100\n" +
      std::string(more));
}

// Who answers, in so many requests over new connections.
std::set<std::string> Answering(const Home& home, int requests = 24) {
  std::set<std::string> pids;
  for (int i = 0; i < requests; ++i) {
    const HttpAnswer answer = HttpGet(home.port(), "/");
    CHECK_MESSAGE(answer.status == 200, answer.error);
    pids.insert(answer.body);
  }
  return pids;
}

TEST_SUITE_BEGIN("traffic");

TEST_CASE("instances share one port, and one that is taken out gets no client until it is back") {
  const Home home;
  Serve(home);
  home.MustRun({"start"});
  const std::string first = std::to_string(home.Pid("api/0"));
  const std::string second = std::to_string(home.Pid("api/1"));
  CHECK(Answering(home) == std::set{first, second});

  CHECK_SAYS(home.MustRun({"instance", "api", "0", "--drain"}).out, "api/0 is out of traffic");
  CHECK(Answering(home) == std::set{second});
  CHECK_SAYS(home.Run({"status", "api"}).out, "api/0 out of traffic · api/1 in traffic · 1 spare");

  const Outcome last = home.Run({"instance", "api/1", "--drain"});
  CHECK(last.exit_code == 1);
  CHECK_SAYS(last.err, "--force takes it out all the same");
  CHECK(Answering(home) == std::set{second});

  home.MustRun({"instance", "api", "0", "--resume"});
  CHECK(Answering(home) == std::set{first, second});
  const Json status = home.RunJson({"status", "api"}).at("details").at(0);
  CHECK(status.at("sockets").at(0).at("sockets").size() == 3);
  CHECK(status.at("sockets").at(0).at("sockets").at(0).at("in_traffic") == true);
}

TEST_CASE("one instance is replaced from its own definition, whatever the Oxfile says by now") {
  const Home home;
  Serve(home);
  home.MustRun({"start"});
  const Instance first = home.Get("api/0");
  const pid_t second = home.Pid("api/1");
  home.Oxfile("this is no Oxfile");
  home.MustRun({"instance", "api", "0", "--restart"});
  CHECK(home.Pid("api/0") != first.pid);
  CHECK(home.Get("api/0").generation == first.generation);
  CHECK(home.Get("api/0").state == "ready");
  CHECK(home.Pid("api/1") == second);
  CHECK(Answering(home).size() == 2);
}

TEST_CASE("instance says what it wants to be told") {
  const Home home;
  Serve(home);
  home.MustRun({"start"});
  CHECK_SAYS(home.Run({"instance", "api", "0"}).err, "wants --drain, --resume or --restart");
  CHECK_SAYS(home.Run({"instance", "api", "--drain"}).err, "which instance of api?");
  CHECK_SAYS(home.Run({"instance", "api", "7", "--drain"}).err, "no instance \"api/7\"");
  CHECK_SAYS(home.Run({"instance", "ap", "0", "--drain"}).err, "did you mean \"api\"?");
  CHECK(home.Run({"instance", "api", "0", "--drain", "--resume"}).exit_code == 2);
}

TEST_CASE("PORT and the address in the list come from listen") {
  const Home home;
  Serve(home, {},
        "require('http').createServer((q, r) => r.end(process.env.PORT))"
        ".listen(process.env.PORT)\n");
  home.MustRun({"start"});
  CHECK(HttpGet(home.port(), "/").body == std::to_string(home.port()));
  CHECK(home.RunJson({"list"}).at("instances").at(0).at("listen").at(0) ==
        ":" + std::to_string(home.port()));
}

// LD_PRELOAD is split at blanks.
TEST_CASE("the programs of Oxherd may be in a folder with a blank in its name") {
  const Home home;
  Serve(home);
  const std::filesystem::path programs = home.folder() / "my programs";
  std::filesystem::create_directory(programs);
  for (const char* name : {"oxherd", "oxherd-daemon", "oxherd-keeper", "liboxherd-listen.so"}) {
    std::filesystem::copy_file(ProgramFolder() / name, programs / name);
  }
  Invocation start = home.Typed({"start"});
  start.words.at(0) = programs / "oxherd";
  const Outcome started = Command(start).Wait();
  CHECK_MESSAGE(started.exit_code == 0, started.all());
  CHECK(Answering(home).size() == 2);
}

TEST_CASE("after a stop the port is free; after kill -9 of the daemon it is served on") {
  const Home home;
  Serve(home);
  home.MustRun({"start"});
  home.KillDaemon();
  CHECK(Answering(home, 4).size() <= 2);
  home.MustRun({"reload"});
  CHECK(Answering(home).size() == 2);
  home.MustRun({"stop", "api"});
  CHECK(IsFree(home.port()));
  home.MustRun({"start", "api"});
  CHECK(Answering(home).size() == 2);
}

TEST_CASE("with ready = notify a Node program says by process.send when it is ready") {
  const Home home;
  const auto program = [](std::string_view ready) {
    return std::string(kServer) + "setTimeout(() => " + std::string(ready) + ", 300)\n";
  };
  Serve(home, "ready = \"notify\"\n", program("process.send('ready')"));
  const Outcome started = home.MustRun({"start"});
  CHECK(started.took >= milliseconds(300));
  CHECK(home.Get("api/1").state == "ready");

  Serve(home, "ready = \"notify\"\nready_timeout_ms = 600\n", program("0"));
  const Outcome silent = home.Run({"reload"});
  CHECK(silent.exit_code == 1);
  CHECK_SAYS(silent.all(), "rolled back");
  CHECK(Answering(home).size() == 2);
}

TEST_CASE("with ready = notify any program says by sd_notify when it is ready, and how it is") {
  const Home home;
  home.Write("worker.py",
             "import os, socket, time\n"
             "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
             "s.connect(os.environ['NOTIFY_SOCKET'])\n"
             "s.send(b'STATUS=warming up\\n')\ntime.sleep(0.3)\n"
             "s.send(b'STATUS=42 jobs\\nREADY=1\\n')\ntime.sleep(1000)\n");
  home.Oxfile("[processes.worker]\ncommand = \"python3 worker.py\"\nready = \"notify\"\n");
  CHECK(home.MustRun({"start"}).took >= milliseconds(300));
  CHECK(home.Get("worker/0").state == "ready");
  CHECK_SAYS(home.MustRun({"status", "worker"}).out, "42 jobs");
}

TEST_CASE("an address that cannot be had is said before anything is started or stopped") {
  const Home home;
  const auto api = [](std::string_view listen) {
    return "[processes.api]\ncommand = \"@misbehave sleep\"\nready = \"uptime\"\n"
           "min_uptime_ms = 100\nlisten = " +
           std::string(listen) + "\n";
  };
  home.Oxfile(api("\"203.0.113.7:@port\""));
  const Outcome started = home.Run({"start"});
  CHECK(started.exit_code == 1);
  CHECK_SAYS(started.all(), "203.0.113.7:" + std::to_string(home.port()));
  CHECK(home.Get("api/0").pid == 0);

  home.Oxfile(api("@port"));
  home.MustRun({"reload"});
  home.MustRun({"start"});
  const pid_t old = home.Pid("api/0");
  home.Oxfile(api("[@port, \"203.0.113.7:@port+1\"]"));
  CHECK(home.Run({"reload"}).exit_code == 1);
  CHECK(home.Pid("api/0") == old);
}

// In a network namespace whose sockets may have no filter.
TEST_CASE("where the kernel does not steer, instances share one socket, and status says so") {
  const Home home;
  Serve(home, "ready = \"uptime\"\n");
  Invocation invocation = home.Typed({"start"});
  std::string script = "echo 64 > /proc/sys/net/core/optmem_max && ip link set lo up || exit 77; ";
  const std::string oxherd = invocation.words.at(0);
  const std::string url = "http://127.0.0.1:" + std::to_string(home.port()) + "/";
  script += oxherd + " start && " + oxherd + " status api && " + oxherd + " reload && curl -sS " +
            url + "; code=$?; " + oxherd + " daemon stop; exit $code";
  invocation.words = {"/usr/bin/unshare", "-n", "/bin/sh", "-c", script};
  const Outcome outcome = Command(invocation).Wait(seconds(40));
  if (outcome.exit_code == 77 || Contains(outcome.err, "unshare failed")) {
    MESSAGE("skipped: no network namespace can be made here");
    return;
  }
  CHECK_MESSAGE(outcome.exit_code == 0, outcome.all());
  CHECK_SAYS(outcome.out, "steering: none (Cannot allocate memory): one socket for all");
  CHECK_SAYS(outcome.out, "reloaded api: 2 instances");
}

TEST_CASE("a start during a slow stop waits for the port, which its own instances still have") {
  const Home home;
  // Neither closes its socket at SIGTERM, and each takes a second to go.
  Serve(home, "",
        std::string(kServer) + "process.on('SIGTERM', () => setTimeout(process.exit, 1000))");
  home.MustRun({"start"});
  const std::string old = std::to_string(home.Pid("api/0"));
  Command stop = home.Begin({"stop", "api"});
  home.WaitForState("api/0", "stopping");
  const Outcome started = home.MustRun({"start"});
  CHECK_SAYS(started.out, "api/1");
  CHECK(!Answering(home).contains(old));
  (void)stop.Wait(seconds(10));
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
