#include <string>

#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

TEST_CASE("keys that contradict each other are an error at one of them") {
  const Surroundings here;
  CHECK(
      here.Errors(Api("restart = \"never\"\nrestart_on_exit = true")) ==
      "4:1: processes.api.restart_on_exit: \"restart\" and \"restart_on_exit\" say the same; keep "
      "one of them");
  CHECK(
      here.Errors(Api("cwd = \"/\"\nworking_dir = \"/\"")) ==
      "4:1: processes.api.working_dir: \"cwd\" and \"working_dir\" say the same; keep one of them");
  CHECK(here.Errors(Api("port_base = 80\nreload_strategy = \"start-first\"")) ==
        "4:19: processes.api.reload_strategy: with port_base the old instance must free its port "
        "before the new one starts; write \"stop-first\", or remove one of the two");
  CHECK(here.Errors(Api("reload_parallel = 3\ninstances = 2")) ==
        "3:19: processes.api.reload_parallel: 3 at a time, but there are only 2; write 1 to 2, or "
        "raise instances");
  CHECK(here.Errors(Api("restart_delay_ms = 90000")) ==
        "3:20: processes.api.restart_delay_ms: restart_delay_ms (1m30s) is more than "
        "restart_delay_max_ms (1m)");
  CHECK(here.Errors(Api("port_base = 65535\ninstances = 2")) ==
        "3:13: processes.api.port_base: 2 instances would need ports up to 65536; at most 65535");
}

TEST_CASE("readiness that cannot be proved as it says is an error") {
  const Surroundings here;
  CHECK(
      here.Errors(Api("ready = \"log\"")) ==
      "3:9: processes.api.ready: \"log\" needs a line to wait for; add ready_log = \"listening\"");
  CHECK(here.Errors(Api("ready = \"uptime\"\nready_log = \"x\"")) ==
        "4:13: processes.api.ready_log: is not waited for; write ready = \"log\", or remove this");
  CHECK(here.Errors(Api("ready = \"health\"")) ==
        "3:9: processes.api.ready: \"health\" needs a health check; add "
        "[processes.api.health_check]");
  CHECK(here.Errors(Api("ready = \"health\"\nhealth_check = { command = \"curl localhost\" }")) ==
        "4:28: processes.api.health_check.command: an old instance could answer for the new one; "
        "name the instance: $OXHERD_PID, or ${PORT} with port_base or reload_strategy = "
        "\"stop-first\"");
}

TEST_CASE("several instances that would be asked on one port are an error") {
  const Surroundings here;
  CHECK(
      here.Errors(Api("instances = 2\nhealth_check = { endpoint = \"http://127.0.0.1:3000/\" }")) ==
      "4:29: processes.api.health_check.endpoint: 2 instances would be asked on port 3000, and "
      "none "
      "of them be told apart; add listen = 3000, or port_base = 3000 and write ${PORT} here");
  CHECK(
      here.Errors(Api("instances = \"max\"\nport_base = 80\nhealth_check = { tcp = 80 }")) ==
      "5:24: processes.api.health_check.tcp: all instances would be asked on port 80, and none of "
      "them be told apart; write ${PORT} instead of 80");
  CHECK(here.Parse(Api("instances = 2\nhealth_check = { tcp = \"[::1]:${80 + INSTANCE}\" }"))
            .has_value());
  CHECK(here.Errors(Api("instances = 2\nhealth_check = { tcp = \"x:${65535 + INSTANCE}\" }")) ==
        "4:24: processes.api.health_check.tcp: \"65536\" is not a port; write 1 to 65535");
}

TEST_CASE("a health check asks in one way") {
  const Surroundings here;
  CHECK(
      here.Errors(Api("health_check = { tcp = 80, command = \"x $OXHERD_PID\" }")) ==
      "3:38: processes.api.health_check.command: a health check asks in one way: endpoint, tcp or "
      "command; keep one");
  CHECK(here.Errors(Api("health_check = { interval_secs = 5 }")) ==
        "3:16: processes.api.health_check: says nothing to ask; add endpoint = \"http://…\", tcp = "
        "\"host:port\" or command");
}

TEST_CASE("what makes no sense for a oneshot is an error") {
  const Surroundings here;
  CHECK(here.Errors(Api("type = \"oneshot\"\nrestart = \"always\"")) ==
        "4:11: processes.api.restart: a oneshot is not restarted; remove this, or type = "
        "\"oneshot\"");
  CHECK(
      here.Errors(Api("type = \"oneshot\"\nhealth_check = { tcp = 80 }")) ==
      "4:16: processes.api.health_check: a oneshot is ready when it exits 0; remove this, or type "
      "= \"oneshot\"");
}

TEST_CASE("a cycle of dependencies is printed as a cycle, once") {
  const Surroundings here;
  const std::string cycle =
      "[processes.a]\ncommand = \"x\"\ndepends_on = [\"b\"]\n"
      "[processes.b]\ncommand = \"x\"\ndepends_on = [\"c\"]\n"
      "[processes.c]\ncommand = \"x\"\ndepends_on = [\"a\"]\n"
      "[processes.d]\ncommand = \"x\"\ndepends_on = [\"a\"]\n";
  CHECK(here.Errors(cycle) ==
        "3:14: processes.a.depends_on: a cycle: a → b → c → a; remove one of these");
  CHECK(here.Errors(Api("depends_on = [\"api\"]")) ==
        "3:14: processes.api.depends_on: a cycle: api → api; remove one of these");
}

TEST_CASE("two separate cycles are both reported") {
  CHECK(Surroundings().Errors("[processes.a]\ncommand = \"x\"\ndepends_on = [\"b\"]\n"
                              "[processes.b]\ncommand = \"x\"\ndepends_on = [\"a\"]\n"
                              "[processes.c]\ncommand = \"x\"\ndepends_on = [\"c\", \"a\"]\n") ==
        "3:14: processes.a.depends_on: a cycle: a → b → a; remove one of these\n"
        "9:14: processes.c.depends_on: a cycle: c → c; remove one of these");
}

TEST_CASE("a dependency that cannot be met is an error") {
  const Surroundings here;
  CHECK(here.Errors(Api("depends_on = [\"ap\"]") + "[processes.app]\ncommand = \"x\"\n") ==
        "3:15: processes.api.depends_on: there is no service \"ap\"; did you mean \"api\"?");
  CHECK(here.Errors(Api("depends_on = { db = \"completed\" }") +
                    "[processes.db]\ncommand = \"x\"\n") ==
        "3:16: processes.api.depends_on: \"db\" is restarted when it ends, so it never completes; "
        "write \"ready\", or give it type = \"oneshot\"");
  CHECK(here.Errors(Api("depends_on = [\"db\", \"db\"]") + "[processes.db]\ncommand = \"x\"\n") ==
        "3:21: processes.api.depends_on: \"db\" is named twice; keep one");
}

TEST_CASE("a name that is not set anywhere is an error at the value, unless the base has it") {
  Surroundings here;
  CHECK(here.Errors(Api("env = { DATABASE_URL = \"x\", A = \"${DATABSE_URL}\" }")) ==
        "3:33: processes.api.env.A: ${DATABSE_URL} is not set; did you mean ${DATABASE_URL}?");
  CHECK(here.Errors(Api("health_check = { endpoint = \"http://127.0.0.1:${PORT}/\" }")) ==
        "3:29: processes.api.health_check.endpoint: ${PORT} is not set; add listen = 3000, or "
        "PORT to env");
  CHECK(here.Errors("[processes.api]\ncommand = [\"x\", \"${TOKEN}\"]\n") ==
        "2:17: processes.api.command: ${TOKEN} is not set before this; add it to env, or to an "
        "env_file");
  CHECK(here.Errors(Api("env = { A = \"${B}\", B = \"1\" }")) ==
        "3:13: processes.api.env.A: ${B} is not set before this; add it to env, or to an env_file");
  here.options.base_environment.emplace_back("TOKEN", "x");
  CHECK(
      here.Parse("[processes.api]\ncommand = [\"x\", \"${TOKEN}\", \"${LC_ALL}\"]\n").has_value());
}

TEST_CASE("OXHERD_PID is known to check commands and to nothing else") {
  const Surroundings here;
  CHECK(here.Parse(Api("health_check = { command = [\"check\", \"${OXHERD_PID}\"] }")).has_value());
  CHECK_FALSE(here.Parse("[processes.api]\ncommand = [\"x\", \"${OXHERD_PID}\"]\n").has_value());
  CHECK_FALSE(here.Parse(Api("health_check = { command = [\"check\", \"${OXHERD_PID}\"] }\n"
                             "log_file = \"/x/${OXHERD_PID}\""))
                  .has_value());
}

TEST_CASE("an env file that is missing or wrong is an error, also where it is wrong") {
  Surroundings here;
  CHECK(here.Errors(Api("env_file = \".env\"\nenv = { A = \"${PERHAPS_THERE}\" }")) ==
        "3:12: processes.api.env_file: there is no \"/srv/app/.env\"; create it, or write { path = "
        "\".env\", optional = true }");
  here.files["/srv/app/web/.env"] = "A=1";
  here.folders.insert("/srv/app/web");
  CHECK(here.Errors(Api("env_file = \".env\"\ncwd = \"web\"")) ==
        "3:12: processes.api.env_file: there is no \"/srv/app/.env\"; write \"/srv/app/web/.env\"");
  here.files["/srv/app/.env"] = "A=1\nB=${NOPE}\nsecret\n";
  CHECK(
      here.Errors(Api("env_file = \".env\"")) ==
      "/srv/app/.env:2:3: B: ${NOPE} is not set before this; add it to env, or to an env_file. In "
      "'…' it would stand for itself\n"
      "/srv/app/.env:3:1: not KEY=value; a comment begins with #");
}

TEST_CASE("what is wrong in defaults is reported once, not for every service") {
  CHECK(Surroundings().Errors("[defaults]\nstop_signal = \"SIGNOPE\"\nenv = { A = \"${NOPE}\" }\n"
                              "[processes.a]\ncommand = \"x\"\n[processes.b]\ncommand = \"x\"\n") ==
        "2:15: defaults.stop_signal: \"SIGNOPE\" is not a signal; write \"SIGTERM\" or \"SIGINT\"\n"
        "3:13: defaults.env.A: ${NOPE} is not set before this; add it to env, or to an env_file");
}

}  // namespace
}  // namespace oxherd
