// `oxherd run` as a container's PID 1: in a pid namespace, with a root that cannot be written to
// and as a user who has no home.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/e2e/home.h"
#include "tests/e2e/processes.h"

namespace oxherd::e2e {
namespace {

// `oxherd run WORDS…`, and its daemon answers.
Command BeginRun(const Home& home, Words words) {
  words.insert(words.begin(), "run");
  Command running = home.Begin(words);
  WaitUntil("the daemon of run answers", [&] { return home.Run({"ping"}).exit_code == 0; });
  return running;
}

TEST_SUITE_BEGIN("container");

TEST_CASE("a service that has failed for good ends the run with 1, and the others are stopped") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave say up then on-term 0 then sleep"
min_uptime_ms = 50
[processes.worker]
depends_on = ["api"]
command = "@misbehave say bad then exit 5"
max_restarts = 1
min_uptime_ms = 50
)");
  const Outcome ended = home.Run({"run"});
  CHECK(ended.exit_code == 1);
  CHECK_SAYS(ended.err, "worker has failed; ending");
  CHECK_SAYS(ended.out, "up");
  CHECK(home.Keepers().empty());

  SUBCASE("unless they are to keep going") {
    Command running = BeginRun(home, {"--keep-going"});
    home.WaitForState("worker/0", "failed");
    CHECK(home.Get("api/0").state == "ready");
    running.Signal(SIGTERM);
    CHECK(running.Wait().exit_code == 0);
  }
  SUBCASE("or the end of another is waited for") {
    CHECK(home.Run({"run", "--exit-with", "worker"}).exit_code == 5);
    const Outcome unknown = home.Run({"run", "--exit-with", "wroker"});
    CHECK(unknown.exit_code == 2);
    CHECK_SAYS(unknown.err, "did you mean \"worker\"?");
  }
}

TEST_CASE("run writes what instances print to its own output, and no file that nobody asked for") {
  const Home home;
  home.Oxfile(R"(
[processes.plain]
type = "oneshot"
command = "@misbehave say one"
[processes.filed]
type = "oneshot"
command = "@misbehave say two"
log_file = "filed.log"
)");
  const Outcome ended = home.MustRun({"run"});
  CHECK(CountOf(ended.out, "one\n") == 1);
  CHECK(CountOf(ended.out, "two\n") == 1);
  CHECK(home.Read("filed.log") == "two\n");
  CHECK_FALSE(std::filesystem::exists(home.LogFolder("plain")));
  CHECK_FALSE(std::filesystem::exists(home.LogFolder("plain").parent_path() / "daemon.log"));
}

TEST_CASE("logs from a second shell says that run passes everything on") {
  const Home home;
  home.Oxfile("[processes.api]\ncommand = \"@misbehave say up then sleep\"\nmin_uptime_ms = 50\n");
  Command running = BeginRun(home, {});
  home.WaitForState("api/0", "ready");
  const Outcome logs = home.Run({"logs"});
  CHECK(logs.exit_code == 1);
  CHECK_SAYS(logs.err, "oxherd run passes it on to its own output");
  running.Signal(SIGTERM);
  CHECK(running.Wait().exit_code == 0);
}

// What a container is made of, without an engine: its own pids and mounts, a root that cannot be
// written to but for /dev/shm, a user who has no home, and of the environment PATH alone.
constexpr const char* kUser =
    "setpriv --reuid 54321 --regid 54321 --clear-groups env -i PATH=/usr/bin:/bin ";

Invocation InContainer(const Home& home, const std::string& words) {
  const std::string script =
      "set -e; mount -t tmpfs -o mode=1777 shm /dev/shm; mount -o remount,bind,ro /; cd " +
      home.folder().string() + "; exec " + kUser + ProgramFolder().string() + "/" + words;
  return {.words = {"/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                    "/bin/sh", "-c", script},
          .folder = home.folder(),
          .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}};
}

// The only child of unshare(1).
pid_t FirstProcess(pid_t unshare) {
  const std::string pid = std::to_string(unshare);
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  pid_t first = 0;
  children >> first;
  REQUIRE(first > 0);
  return first;
}

// A second shell in the container whose first process has this pid outside.
Outcome SecondShell(pid_t first, const std::string& words) {
  return Command({.words = {"/usr/bin/nsenter", "--target", std::to_string(first), "--mount",
                            "--pid", "/bin/sh", "-c", kUser + words},
                  .folder = "/",
                  .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}})
      .Wait();
}

TEST_CASE(
    "in a container it is PID 1: no home, a read-only root, orphans are reaped, docker stop ends "
    "it") {
  Home home;
  if (!home.RunAs(54321)) return;
  if (Command(InContainer(home, "oxherd version")).Wait().exit_code != 0) {
    MESSAGE("skipped: no namespaces of one's own here");
    return;
  }
  home.Oxfile(R"(
[processes.api]
command = "(sleep 0.1 &) ; exec @misbehave say up then on-term 0 then sleep"
stop_timeout_ms = 30000
min_uptime_ms = 50
)");
  Command container(InContainer(home, "oxherd run"));
  container.ReadUntil("up");
  const pid_t first = FirstProcess(container.pid());

  const std::string oxherd = ProgramFolder().string() + "/oxherd ";
  WaitUntil("a second shell sees it ready",
            [&] { return SecondShell(first, oxherd + "list --json").out.contains("\"ready\""); });
  CHECK_SAYS(SecondShell(first, "cat /proc/1/cmdline").out, "oxherd-keeper");
  WaitUntil("no zombie is left", [&] {
    return SecondShell(first, "grep -l '^State:.Z' /proc/[0-9]*/status").exit_code == 1;
  });

  Watched(first).Signal(SIGTERM);  // what docker stop does
  const Outcome ended = container.Wait();
  CHECK(ended.exit_code == 0);
  CHECK(ended.out == "up\ntold to stop\n");
  CHECK_SAYS(ended.err, "docker run --stop-timeout 35");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
