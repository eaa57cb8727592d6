// What comes by the wall clock: cron_restart and schedule.
#include <doctest/doctest.h>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("time");

TEST_CASE("cron_restart replaces the instances, gracefully, and counts no crash") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = ["/bin/sh", "-c", "echo up; exec sleep 1000"]
min_uptime_ms = 50
cron_restart = "* * * * * *"
)");
  home.MustRun({"start"});
  const pid_t first = home.Pid("api/0");
  home.WaitForLog("api/0", "up\nup\nup\n");
  const Json row = home.RunJson({"list"}).at("instances").at(0);
  CHECK(row.at("crashes") == 0);
  CHECK(row.at("restarts") == 0);
  CHECK(row.at("generation") == 1);
  CHECK(row.at("pid") != first);
  CHECK_FALSE(row.at("next_run").is_null());
  CHECK_SAYS(home.MustRun({"list"}).out, "next");
  CHECK_SAYS(home.MustRun({"status", "api"}).out, "next run");
}

TEST_CASE("a schedule runs a oneshot at its times and not at its start, one run at a time") {
  const Home home;
  home.Oxfile(R"(
[processes.job]
type = "oneshot"
command = ["/bin/sh", "-c", "echo begin; sleep 1.2; echo end"]
schedule = "* * * * * *"
timezone = "UTC"

[processes.never]
type = "oneshot"
command = "echo too early"
schedule = "0 0 29 2 *"
)");
  home.MustRun({"start"});
  CHECK(home.Get("never/0").state == "scheduled");
  home.WaitForLog("job/0", "begin\nend\nbegin\nend\n");
  CHECK(home.Get("job/0").restarts == 0);
  CHECK(home.Log("never/0").empty());

  home.KillDaemon();
  home.WaitForLog("job/0", "begin\nend\nbegin\nend\nbegin\nend\n");

  home.MustRun({"stop", "job"});
  CHECK(home.Get("job/0").state == "stopped");
  // A person need not wait.
  home.MustRun({"restart", "never"});
  CHECK(home.Log("never/0") == "too early\n");
  CHECK(home.Get("never/0").state == "scheduled");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
