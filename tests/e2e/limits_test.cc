// [limits]: a tree that takes too much is replaced, gracefully, and has not crashed.
#include <doctest/doctest.h>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("limits");

// Until the instance has another pid and nobody is replacing it any more.
Instance WaitForSuccessor(const Home& home, const std::string& instance, pid_t old) {
  Instance now;
  WaitUntil(
      "another process serves in " + instance,
      [&] {
        now = home.Get(instance);
        return now.pid != 0 && now.pid != old && now.state == "ready" && now.next_state.empty();
      },
      seconds(20));
  return now;
}

TEST_CASE("a leaking program is replaced beside itself when it comes to its limit, and says why") {
  const Home home;
  home.Oxfile(R"(
[processes.leaky]
command = "@misbehave on-term 0 then leak 10 100 90 then sleep"
min_uptime_ms = 100
max_restarts = 1
limits = { memory_mb = 60 }
[processes.modest]
command = "@misbehave on-term 0 then leak 10 1 40 then sleep"
limits = { max_memory_mb = 60 }
)");
  home.MustRun({"start"});
  const pid_t old = home.Pid("leaky/0");
  const pid_t modest = home.Pid("modest/0");
  CHECK_SAYS(home.MustRun({"status", "leaky"}).out, "memory 60 MB");

  const Instance next = WaitForSuccessor(home, "leaky/0", old);
  CHECK(next.generation == 1);
  CHECK(next.restarts == 0);
  CHECK(home.Pid("modest/0") == modest);
  CHECK(home.Find("leaky/0")->last_exit.is_null());
  CHECK_SAYS(home.MustRun({"list"}).out, "leaky replaced at ");
  CHECK_SAYS(home.MustRun({"list"}).out, " MB in use, limit 60 MB");
  CHECK_SAYS(home.MustRun({"status", "leaky"}).out, " MB in use, limit 60 MB");
  const Json rows = home.RunJson({"list"})["instances"];
  CHECK_SAYS(rows.dump(), " MB in use, limit 60 MB");
  CHECK_SAYS(home.MustRun({"daemon", "logs"}).out, "being replaced: ");

  // It exceeds again at once, and is let be for a while.
  WaitUntil(
      "that is said",
      [&] { return Contains(home.MustRun({"daemon", "logs"}).out, "so it serves on"); },
      seconds(10));
  CHECK(home.Pid("leaky/0") == next.pid);
}

TEST_CASE("what forked workers share counts once") {
  const Home home;
  home.Oxfile(R"(
[processes.workers]
command = "@misbehave on-term 0 then leak 50 0 50 then children 4 then say forked then sleep"
limits = { memory_mb = 120 }
[processes.greedy]
command = "@misbehave on-term 0 then child heavy then leak 50 0 50 then sleep"
limits = { memory_mb = 120 }
)");
  home.MustRun({"start"});
  home.WaitForLog("workers/0", "forked");
  const pid_t workers = home.Pid("workers/0");
  const pid_t greedy = home.Pid("greedy/0");
  WaitForSuccessor(home, "greedy/0", greedy);
  CHECK(home.Pid("workers/0") == workers);
}

TEST_CASE("a program that takes more CPU than it may over the window is replaced") {
  const Home home;
  home.Oxfile(R"(
[processes.busy]
command = "@misbehave on-term 0 then child then burn"
kill_mode = "group"
stop_timeout_ms = 500
limits = { cpu_percent = 20.5, cpu_window_secs = 2 }
)");
  home.MustRun({"start"});
  const pid_t old = home.Pid("busy/0");
  WaitForSuccessor(home, "busy/0", old);
  CHECK_SAYS(home.MustRun({"status", "busy"}).out, "% of a core over 2 s, limit 20.5%");
}

TEST_CASE(
    "where the kernel cannot hold it to its limits, status says why, and it runs all the same") {
  const Home home(Cgroups::kNever);
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
limits = { memory_mb = 100, enforce = true }
)");
  home.MustRun({"start"});
  CHECK(home.Get("api/0").state == "ready");
  CHECK_SAYS(home.MustRun({"status", "api"}).out, "limits.enforce has no effect: ");
  CHECK_SAYS(home.MustRun({"daemon", "logs"}).out, "limits.enforce has no effect: ");
}

TEST_CASE("a limit never displaces a reload, and a process in the background counts") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then child orphan heavy then sleep"
min_uptime_ms = 100
limits = { memory_mb = 60 }
)");
  home.MustRun({"start"});
  home.MustRun({"reload", "api"});
  const Instance reloaded = home.Get("api/0");
  CHECK(reloaded.generation == 2);
  CHECK(WaitForSuccessor(home, "api/0", reloaded.pid).generation == 2);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
