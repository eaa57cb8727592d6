// Namespaces: one name for several services, wherever names are taken.
#include <doctest/doctest.h>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("namespace");

TEST_CASE("@NAME means every service of the namespace, in each command") {
  const Home home;
  home.Oxfile(R"(
[defaults]
command = ["/bin/sh", "-c", "trap 'echo told' USR1; echo up; while :; do sleep 0.02; done"]
ready_log = "up"
[processes.mail]
namespace = "batch"
[processes.report]
namespace = "batch"
[processes.api]
namespace = "web"
[processes.alone]
)");
  // Of services that nobody has started the file tells.
  CHECK_SAYS(home.Run({"start", "@batch", "--dry-run"}).out, "mail");
  home.MustRun({"start", "@batch"});
  CHECK(home.List().size() == 2);
  home.MustRun({"start"});

  const Json rows = home.RunJson({"list", "@batch"}).at("instances");
  REQUIRE(rows.size() == 2);
  CHECK(rows.at(0).at("service") == "mail");
  CHECK(rows.at(1).at("namespace") == "batch");
  CHECK_SAYS(home.MustRun({"list"}).out, "namespace");
  CHECK_SAYS(home.MustRun({"status", "@web"}).out, "@web");
  CHECK_SAYS(home.MustRun({"logs", "@web"}).out, "api/0");
  CHECK_SAYS(home.MustRun({"wait", "@batch", "--for", "ready", "--timeout", "10s"}).all(), "");
  CHECK(home.MustRun({"signal", "USR1", "@batch"}).out == "SIGUSR1 sent to mail/0, report/0\n");
  home.WaitForLog("report/0", "up\ntold\n");

  home.MustRun({"reload", "@batch"});
  CHECK(home.Get("mail/0").generation == 2);
  CHECK(home.Get("api/0").generation == 1);
  home.MustRun({"restart", "@web"});
  home.MustRun({"scale", "@batch", "2"});
  CHECK(home.Get("report/1").state == "ready");
  CHECK_SAYS(home.MustRun({"events", "@web", "-n", "5"}).out, "api");
  CHECK_FALSE(home.MustRun({"events", "@web"}).out.contains("mail"));

  home.MustRun({"stop", "@batch", "api"});
  CHECK(home.Get("mail/1").state == "stopped");
  CHECK(home.Get("api/0").state == "stopped");
  CHECK(home.Get("alone/0").state == "ready");
  home.MustRun({"delete", "@batch"});
  CHECK(home.List().size() == 2);

  const Outcome unknown = home.Run({"stop", "@wep"});
  CHECK(unknown.exit_code == 2);
  CHECK_SAYS(unknown.err, "no service has the namespace \"wep\"; did you mean @web?");
}

TEST_CASE("a program that was typed can have one too") {
  const Home home;
  home.MustRun({"start", "sleep 1000", "--name", "nap", "--namespace", "night"});
  CHECK(home.RunJson({"list", "@night"}).at("instances").at(0).at("service") == "nap");
  home.MustRun({"delete", "@night"});
  CHECK(home.List().empty());
}

}  // namespace
}  // namespace oxherd::e2e
