// Crashes: what is started again, how fast, how often, and what a failed start says.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// Differences, in milliseconds, between the nanoseconds that `misbehave clock FILE` wrote.
std::vector<long> Gaps(const Home& home, const std::string& name) {
  std::vector<long> gaps;
  const auto lines = home.Lines(name);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    gaps.push_back((std::stol(lines[i]) - std::stol(lines[i - 1])) / 1'000'000);
  }
  return gaps;
}

TEST_SUITE_BEGIN("crash");

TEST_CASE("what crashes is started again at once, and the exit is told") {
  const Home home;
  home.Oxfile("[processes.api]\ncommand = \"@misbehave sleep\"\nmin_uptime_ms = 50\n");
  home.MustRun({"start"});
  const Watched old(home.Pid("api/0"));

  old.Signal(SIGSEGV);

  WaitUntil("the replacement", [&] { return home.Get("api/0").restarts == 1; });
  const Instance api = home.WaitForState("api/0", "ready");
  CHECK(IsAlive(api.pid));
  REQUIRE(api.last_exit.is_object());
  CHECK(api.last_exit.value("signal", "") == "SIGSEGV");
}

TEST_CASE("exit code and signal are kept apart") {
  const Home home;
  home.Oxfile(R"(
[processes.coded]
command = "@misbehave sleep 500 then exit 137"
min_uptime_ms = 50
restart = "never"
[processes.signalled]
command = "@misbehave sleep 500 then crash 9"
min_uptime_ms = 50
restart = "never"
)");
  home.MustRun({"start"});
  const Instance coded = home.WaitForState("coded/0", "exited");
  const Instance signalled = home.WaitForState("signalled/0", "exited");
  CHECK(coded.last_exit.value("code", -1) == 137);
  CHECK((!coded.last_exit.contains("signal") || coded.last_exit["signal"].is_null()));
  CHECK(signalled.last_exit.value("signal", "") == "SIGKILL");
  CHECK((!signalled.last_exit.contains("code") || signalled.last_exit["code"].is_null()));
}

TEST_CASE(
    "restart on-failure leaves an exit 0 alone; always does not; restart_on_exit means both") {
  const Home home;
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 30
[processes.on_failure]
command = "@misbehave sleep 60 then exit 0"
restart = "on-failure"
[processes.failing]
command = "@misbehave append @folder/failing run then sleep 60 then exit 3"
restart = "on-failure"
[processes.always]
command = "@misbehave append @folder/always run then sleep 60 then exit 0"
[processes.guide]
command = "@misbehave append @folder/guide run then sleep 60 then exit 0"
restart_on_exit = true
[processes.guide_never]
command = "@misbehave append @folder/never run then sleep 60 then exit 1"
restart_on_exit = false
)");
  static_cast<void>(home.Run({"start"}));
  for (const char* file : {"failing", "always", "guide"}) {
    WaitUntil(std::string(file) + " starts again", [&] { return home.Lines(file).size() >= 3; });
  }
  home.WaitForState("on_failure/0", "exited");
  home.WaitForState("guide_never/0", "exited");
  CHECK(home.Lines("never").size() == 1);
}

TEST_CASE("the delay between restarts doubles, and after max_restarts the service has failed") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave clock @folder/starts then say-err no database then exit 1"
max_restarts = 4
restart_delay_max_ms = 300
min_uptime_ms = 1000
)");

  const Outcome started = home.Run({"start"});
  CHECK(started.exit_code == 1);
  CHECK_SAYS(started.all(), "exited 1");
  CHECK_SAYS(started.all(), "no database");

  const Instance failed = home.WaitForState("api/0", "failed");
  CHECK(failed.restarts == 3);
  const auto gaps = Gaps(home, "starts");
  REQUIRE(gaps.size() == 3);
  CHECK(gaps[0] < 100 * kPatience);
  for (const auto& [index, least, most] :
       {std::tuple<std::size_t, long, long>{1, 50, 250}, {2, 100, 400}}) {
    CHECK_MESSAGE(gaps[index] >= least, "gap " << index << " is " << gaps[index] << " ms");
    CHECK_MESSAGE(gaps[index] <= most * kPatience,
                  "gap " << index << " is " << gaps[index] << " ms");
  }
  const Outcome list = home.MustRun({"list"});
  CHECK_SAYS(list.out, "failed");
  CHECK_SAYS(list.out, "oxherd logs api");
}

TEST_CASE("start clears what failed and tries again") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave fail-first 1 @folder/count 1 then on-term 0 then sleep"
max_restarts = 1
restart_delay_max_ms = 50
min_uptime_ms = 50
)");
  CHECK(home.Run({"start"}).exit_code == 1);
  home.WaitForState("api/0", "failed");
  static_cast<void>(home.Run({"start"}));
  home.WaitForState("api/0", "ready");
}

TEST_CASE("a failed service is tried again after failed_retry_secs") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave fail-first 2 @folder/count 1 then on-term 0 then sleep"
max_restarts = 1
failed_retry_secs = 1
min_uptime_ms = 50
)");
  CHECK(home.Run({"start"}).exit_code == 1);
  home.WaitForState("api/0", "failed");
  home.WaitForState("api/0", "ready", seconds(5));
}

TEST_CASE("a crash kills what the main process leaves behind, before the next start") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    CAPTURE(cgroups == Cgroups::kNever);
    const Home home(cgroups);
    home.Oxfile(R"(
[processes.api]
command = "@misbehave child session ignore-term then append @folder/pids PID then sleep"
min_uptime_ms = 50
stop_timeout_ms = 300
)");
    home.MustRun({"start"});
    home.WaitForLog("api/0", "child ");
    const std::string log = home.Log("api/0");
    const Watched child(std::stoi(log.substr(log.find("child ") + 6)));

    Watched(home.Pid("api/0")).Signal(SIGKILL);

    WaitUntil("the second start", [&] {
      const bool ended = child.ended();
      const bool started = home.Lines("pids").size() == 2;
      REQUIRE((ended || !started));
      return started;
    });
  }
}

TEST_CASE("a program that puts itself into the background counts as ended, and is not left there") {
  const Home home;
  home.Oxfile(R"(
[processes.daemonising]
command = "@misbehave daemonise then sleep"
min_uptime_ms = 300
max_restarts = 1
restart_delay_max_ms = 50
)");
  const Outcome started = home.Run({"start"});
  CHECK(started.exit_code == 1);
  home.WaitForState("daemonising/0", "failed");
  for (const Process& process : ProcessesOf(home.folder())) {
    CHECK(process.program != "misbehave");
  }
}

TEST_CASE("closing stdout and stderr is no exit") {
  const Home home;
  home.Oxfile(R"(
[processes.quiet]
command = "@misbehave close-stdio then append @folder/up PID then on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const Instance quiet = home.Get("quiet/0");
  CHECK(quiet.state == "ready");
  CHECK(quiet.restarts == 0);
  CHECK(home.Lines("up").size() == 1);
}

TEST_CASE("a program that cannot be started fails at once, with stage, path and reason") {
  const Home home;
  home.Write("plain.txt", "not a program");
  home.Write("script", "no interpreter line\n");
  fs::permissions(home.folder() / "script", fs::perms::owner_all);
  home.Oxfile(R"(
[processes.missing]
command = "./nowhere --flag"
[processes.not_on_path]
command = "no-such-program-at-all"
[processes.not_executable]
command = "./plain.txt"
[processes.no_interpreter]
command = ["./script"]
[processes.no_folder]
command = "@misbehave append @folder/ran anywhere"
working_dir = "not/there"
[processes.good]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
)");

  const Outcome started = home.Run({"start"});

  CHECK(started.exit_code == 1);
  CHECK(started.took < seconds(5) * kPatience);
  CHECK_SAYS(started.all(), "No such file or directory");
  CHECK_SAYS(started.all(), "no-such-program-at-all");
  CHECK_SAYS(started.all(), "Permission denied");
  CHECK_SAYS(started.all(), "Exec format error");
  CHECK_SAYS(started.all(), "not/there");
  CHECK(home.Get("good/0").state == "ready");
  for (const char* name :
       {"missing/0", "not_on_path/0", "not_executable/0", "no_interpreter/0", "no_folder/0"}) {
    CHECK(home.Get(name).state == "failed");
  }
  CHECK(home.Read("ran").empty());
}

TEST_CASE("a program that is replaced while it runs is tried again, not given up") {
  const Home home;
  fs::copy_file(Misbehave(), home.folder() / "server");
  home.Oxfile(R"(
[processes.api]
command = "./server append @folder/starts PID then on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const pid_t old = home.Pid("api/0");
  fs::rename(home.folder() / "server", home.folder() / "server.old");

  Watched(old).Signal(SIGKILL);
  WaitUntil("a restart without the program", [&] {
    const Instance api = home.Get("api/0");
    return api.pid == 0 && (api.state == "backoff" || api.restarts > 0);
  });
  fs::rename(home.folder() / "server.old", home.folder() / "server");

  home.WaitForState("api/0", "ready", seconds(15));
}

TEST_CASE("an exit before ready is a failed start whatever its code") {
  const Home home;
  home.Oxfile(R"(
[processes.brief]
command = "@misbehave say all is well then exit 0"
min_uptime_ms = 500
restart = "never"
)");
  const Outcome started = home.Run({"start"});
  CHECK(started.exit_code == 1);
  CHECK_SAYS(started.all(), "all is well");
  CHECK_SAYS(started.all(), "exited 0");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
