// Single faults that belong to no other file: a busy program file, an environment without end, a
// swarm of children, a lock of the dead, a session that ends, a flood.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/e2e/home.h"
#include "tests/temporary.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

std::size_t ChildrenAlive(const Home& home) {
  std::size_t count = 0;
  for (const Process& process : ProcessesOf(home.folder())) {
    count += process.program == "misbehave" ? 1U : 0U;
  }
  return count;
}

TEST_SUITE_BEGIN("faults");

TEST_CASE("a program that a deploy is still writing (ETXTBSY) is tried again for a moment") {
  const Home home;
  fs::copy_file(Misbehave(), home.folder() / "server");
  home.Oxfile(R"(
[processes.api]
command = "./server append @folder/starts PID then on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"daemon", "start"});
  const int writer = open((home.folder() / "server").c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(writer >= 0);
  Command starting = home.Begin({"start"});
  // Time enough for a first try; how much of it there was does not matter to the test.
  WaitUntil("the start", [&] { return home.Find("api/0").has_value(); });
  close(writer);
  CHECK(starting.Wait().exit_code == 0);
  CHECK(home.Lines("starts").size() == 1);
}

TEST_CASE("an environment that is too long is told with its size, and nothing runs") {
  const Home home;
  home.Oxfile(
      "[processes.api]\ncommand = \"@misbehave append @folder/ran x then sleep\"\n"
      "env = { BIG = \"" +
      std::string(140'000, 'x') + "\" }\n");
  const Outcome started = home.Run({"start"});
  CHECK(started.exit_code != 0);
  CHECK(started.all().size() < 4096);
  CHECK(home.Read("ran").empty());
}

TEST_CASE("a swarm of children in sessions of their own is stopped with the rest") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    CAPTURE(cgroups == Cgroups::kNever);
    const Home home(cgroups);
    home.Oxfile(R"(
[processes.swarm]
command = "@misbehave children 200 session orphan ignore-term then say up then sleep"
min_uptime_ms = 50
stop_timeout_ms = 300
)");
    home.MustRun({"start"});
    home.WaitForLog("swarm/0", "up\n");
    WaitUntil("two hundred children", [&] { return ChildrenAlive(home) == 201; });
    home.MustRun({"stop"});
    CHECK(ChildrenAlive(home) == 0);
  }
}

TEST_CASE("a lock file that a dead daemon has left decides nothing") {
  const Home home;
  home.Oxfile(
      "[processes.api]\ncommand = \"@misbehave on-term 0 then sleep\"\nmin_uptime_ms = 50\n");
  home.MustRun({"start"});
  home.MustRun({"daemon", "stop"});
  for (const char* content : {"", "1\n", "999999 /nowhere/control.sock\n", "nonsense"}) {
    std::ofstream(home.state_folder() / "daemon.lock", std::ios::trunc) << content;
    CHECK(home.Run({"list"}).exit_code == 3);
    home.MustRun({"start"});
    CHECK(home.Get("api/0").state == "ready");
    home.MustRun({"daemon", "stop"});
  }
}

TEST_CASE("the end of the caller's session, or of its terminal, does not reach the daemon") {
  const Home home;
  home.Oxfile(
      "[processes.api]\ncommand = \"@misbehave on-term 0 then sleep\"\nmin_uptime_ms = 50\n");
  Invocation typed = home.Typed({"start"});
  typed.before_exec = [] { setsid(); };
  Command starting(typed);
  const pid_t session = starting.pid();
  CHECK(starting.Wait().exit_code == 0);
  for (const pid_t pid : {home.Keeper(), home.Daemon(), home.Pid("api/0")}) {
    CHECK(getsid(pid) != session);
    CHECK(getpgid(pid) != session);
  }
}

TEST_CASE("a flood of output costs the daemon no memory") {
  const Home home;
  home.Oxfile(R"(
[processes.flood]
command = "@misbehave lines 2000000 100 then append @folder/done x then on-term 0 then sleep"
instances = 2
min_uptime_ms = 50
[processes.flood.logs]
max_size_mb = 5
max_files = 2
)");
  home.MustRun({"start"});
  WaitUntil("both are done", [&] { return home.Lines("done").size() == 2; }, seconds(60));
  std::ifstream status("/proc/" + std::to_string(home.Daemon()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:") && !kSanitized) {
      CHECK_MESSAGE(std::stol(line.substr(6)) < 32L * 1024, line);
    }
  }
}

// Of the bits in a line of /proc/PID/status.
bool HasSignal(pid_t pid, std::string_view line_name, int number) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(line_name)) {
      const auto bits = std::stoull(line.substr(line.find('\t')), nullptr, 16);
      return (bits >> (number - 1) & 1) != 0;
    }
  }
  FAIL("no " << line_name);
  return false;
}

TEST_CASE("clients that hang up on their answers do not end the daemon, children get SIGPIPE") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
instances = 20
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const pid_t daemon = home.Daemon();
  for (const pid_t pid : {home.Keeper(), daemon}) {
    CHECK((HasSignal(pid, "SigBlk:", SIGPIPE) || HasSignal(pid, "SigIgn:", SIGPIPE)));
  }
  const pid_t child = home.Pid("api/0");
  CHECK_FALSE(HasSignal(child, "SigBlk:", SIGPIPE));
  CHECK_FALSE(HasSignal(child, "SigIgn:", SIGPIPE));
  for (int i = 0; i < 20; ++i) {
    const pid_t before = home.Get("api/19").pid;
    Command restarting = home.Begin({"restart"});  // many lines of progress, for nobody
    WaitUntil("the first of it", [&] { return i % 2 == 0 || home.Get("api/19").pid != before; });
    restarting.Signal(SIGKILL);
  }
  home.MustRun({"start"});
  CHECK(home.Daemon() == daemon);
}

TEST_CASE("the folder of the socket is made again when somebody cleans up, and nothing is lost") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const pid_t pid = home.Pid("api/0");
  const pid_t keeper = home.Keeper();
  const fs::path folder = home.ControlSocket().parent_path();

  fs::remove_all(folder);

  WaitUntil("an answer", [&] { return home.Run({"ping"}).exit_code == 0; }, seconds(15));
  CHECK(fs::status(folder).permissions() == fs::perms::owner_all);
  CHECK(home.Pid("api/0") == pid);
  CHECK(home.Keeper() == keeper);
  home.MustRun({"restart"});
}

TEST_CASE("what a test that was killed has left behind is cleared away by the next one") {
  const fs::path where = test::MakeTemporaryFolder("where");
  const fs::path ours = where / fs::path(test::MakeTemporaryFolder("ours")).filename();
  fs::create_directory(ours);
  // Its pid is ours, which is as good as anybody's that was given out anew: it began at another
  // time.
  const fs::path theirs = where / ("oxherd-e2e." + std::to_string(getpid()) + ".1.abcdef");
  fs::create_directories(theirs / "home/run");
  std::ofstream(theirs / "home/daemon.lock") << "1\n";
  Invocation invocation;
  invocation.words = {Misbehave(), "ignore-term", "then", "sleep"};
  invocation.folder = theirs;
  Command left(invocation);
  WaitUntil("somebody left", [&] { return !ProcessesOf(theirs).empty(); });

  test::ClearLeftovers(where);

  CHECK(left.Wait().exit_code == 128 + SIGKILL);
  CHECK_FALSE(fs::exists(theirs));
  CHECK(fs::exists(ours));
  fs::remove_all(fs::temp_directory_path() / ours.filename());
  fs::remove_all(where);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
