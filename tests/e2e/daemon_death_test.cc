// The daemon's and the keeper's own deaths: nothing that runs may notice.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/e2e/home.h"
#include "tests/e2e/survivors.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

TEST_SUITE_BEGIN("daemon");

TEST_CASE("kill -9 of the daemon: every instance keeps its pid, the next command works") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  const pid_t keeper = home.Keeper();

  home.KillDaemon();
  const Outcome next = home.MustRun({"list"});

  CHECK(next.took < milliseconds(300) * kPatience);
  CHECK(SamePids(before, home.List()));
  for (const Instance& instance : home.List()) {
    CHECK(instance.state == "ready");
    CHECK(instance.restarts == 0);
  }
  CHECK(home.Keeper() == keeper);
  home.MustRun({"restart", "worker"});
  CHECK(home.Get("worker/0").state == "ready");
}

TEST_CASE("an exit while no daemon lives is known with its code") {
  const Home home;
  home.Oxfile(R"(
[processes.job]
command = "@misbehave wait-for-file @folder/go then exit 42"
restart = "never"
min_uptime_ms = 50
[processes.api]
command = "@misbehave wait-for-file @folder/go then exit-if-file @folder/again 9 then append @folder/again x then exit 43"
min_uptime_ms = 50
restart_delay_ms = 60000
)");
  home.MustRun({"start"});
  const Watched job(home.Pid("job/0"));
  const Watched api(home.Pid("api/0"));
  const Watched daemon(home.Daemon());

  // Stopped, the daemon cannot see the exits; killed in that state, it never did.
  daemon.Signal(SIGSTOP);
  home.Write("go", "");
  static_cast<void>(job.WaitForEnd());
  static_cast<void>(api.WaitForEnd());
  daemon.Signal(SIGKILL);

  const Instance ended = home.WaitForState("job/0", "exited");
  CHECK(ended.last_exit.value("code", -1) == 42);
  const Instance crashed = home.WaitForState("api/0", "backoff");
  CHECK(crashed.last_exit.value("code", -1) == 43);
}

TEST_CASE("what is printed while the daemon is killed again and again is all there, in order") {
  const Home home;
  home.Oxfile(R"(
[processes.chatty]
command = "@misbehave drip 1000 1 then say done then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  std::string expected;
  for (int line = 1; line <= 1000; ++line) {
    expected += "drip " + std::to_string(line) + "\n";
  }
  for (int kill = 0; kill < 3; ++kill) {
    home.KillDaemon();
    home.MustRun({"ping"});
  }
  home.WaitForLog("chatty/0", "done\n");
  CHECK(home.Log("chatty/0") == expected + "done\n");
}

TEST_CASE("a stop whose deadline passes while no daemon lives is still carried out") {
  const Home home;
  home.Oxfile(R"(
[processes.stubborn]
command = "@misbehave ignore-term then say up then sleep"
stop_timeout_ms = 600
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("stubborn/0", "up");
  const Watched process(home.Pid("stubborn/0"));
  Command stopping = home.Begin({"stop"});
  home.WaitForLog("stubborn/0", "ignored SIGTERM");

  const Watched daemon(home.Daemon());
  daemon.Signal(SIGSTOP);
  static_cast<void>(process.WaitForEnd(seconds(3)));
  daemon.Signal(SIGKILL);

  CHECK(stopping.Wait().exit_code == 0);
  CHECK(home.Get("stubborn/0").state == "stopped");
  CHECK(home.Get("stubborn/0").last_exit.value("signal", "") == "SIGKILL");
  CHECK(CountOf(home.Log("stubborn/0"), "ignored SIGTERM") == 1);
}

TEST_CASE("a reload goes on over the daemon's death, and its caller gets the answer") {
  CheckThatAReloadOutlives([](const Home& home) { home.KillDaemon(); });
}

TEST_CASE("six crashes in a row: a daemon comes back, and the instances never noticed") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  for (int crash = 0; crash < 6; ++crash) {
    WaitUntil("a daemon", [&] { return home.Daemons().size() == 1; }, seconds(20));
    home.KillDaemon();
  }
  WaitUntil("an answer", [&] { return home.Run({"ping"}).exit_code == 0; }, seconds(40));
  CHECK(SamePids(before, home.List()));
  CHECK(home.MustRun({"stop"}).exit_code == 0);
}

TEST_CASE("a daemon that hangs is replaced, and the instances keep their pids") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  const Watched hung(home.Daemon());

  hung.Signal(SIGSTOP);

  static_cast<void>(hung.WaitForEnd(seconds(25)));
  home.MustRun({"ping"});
  CHECK(SamePids(before, home.List()));
}

TEST_CASE("SIGTERM to the keeper stops the instances within their timeouts, a second one at once") {
  const Home home;
  home.Oxfile(R"(
[processes.stubborn]
command = "@misbehave ignore-term then say up then sleep"
stop_timeout_ms = 60000
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("stubborn/0", "up");
  const Watched process(home.Pid("stubborn/0"));
  const Watched keeper(home.Keeper());

  keeper.Signal(SIGTERM);
  home.WaitForLog("stubborn/0", "ignored SIGTERM");
  CHECK_FALSE(process.ended());
  keeper.Signal(SIGTERM);

  static_cast<void>(process.WaitForEnd(seconds(5)));
  static_cast<void>(keeper.WaitForEnd(seconds(5)));
}

TEST_CASE("ten commands at once start one daemon") {
  const Home home;
  home.Oxfile(kTwoServices);
  std::vector<Command> commands;
  commands.reserve(10);
  for (int i = 0; i < 10; ++i) {
    commands.push_back(home.Begin({"start"}));
  }
  for (Command& command : commands) {
    const Outcome outcome = command.Wait();
    CHECK_MESSAGE(outcome.exit_code == 0, outcome.all());
  }
  CHECK(home.Keepers().size() == 1);
  CHECK(home.Daemons().size() == 1);
  CHECK(home.List().size() == 3);
  CHECK(CountOf(home.MustRun({"list"}).out, "ready") == 3);
}

TEST_CASE(
    "a command from cron, without HOME and with another XDG_RUNTIME_DIR, finds the same daemon") {
  Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();

  home.SetEnvironment("HOME", "/nonexistent");
  home.SetEnvironment("XDG_RUNTIME_DIR", home.folder() / "run");
  home.SetEnvironment("PATH", "/bin");
  home.MustRun({"start"});

  CHECK(SamePids(before, home.List()));
  CHECK(home.Keepers().size() == 1);
}

TEST_CASE("a control socket that somebody deleted is made again") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  fs::remove(home.ControlSocket());

  WaitUntil("an answer", [&] { return home.Run({"ping"}).exit_code == 0; }, seconds(15));
  CHECK(SamePids(before, home.List()));
}

TEST_CASE("state.json that is damaged is not believed, and what runs is not forgotten") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  fs::path saved;
  for (const auto& entry : fs::recursive_directory_iterator(home.state_folder())) {
    if (entry.path().filename() == "state.json") {
      saved = entry.path();
    }
  }
  REQUIRE(!saved.empty());
  for (const std::string_view damage : {"", "{\"v\":1", "\xff\xfe nonsense"}) {
    std::ofstream(saved, std::ios::trunc) << damage;
    home.KillDaemon();
    home.MustRun({"ping"});
    CHECK(SamePids(before, home.List()));
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
