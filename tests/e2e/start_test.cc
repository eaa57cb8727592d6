// start, list, status, restart, delete, wait, run: the everyday commands, and their exit codes.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

constexpr std::string_view kApiAndWorker = R"(
[processes.api]
command = "@misbehave say hello then on-term 0 then sleep"
instances = 2
min_uptime_ms = 50

[processes.worker]
command = "@misbehave say at work then on-term 0 then sleep"
min_uptime_ms = 50
)";

TEST_SUITE_BEGIN("start");

TEST_CASE("start runs what the Oxfile says and returns when all of it is ready") {
  const Home home;
  home.Oxfile(kApiAndWorker);

  const Outcome started = home.MustRun({"start"});

  CHECK(started.all().starts_with("Oxfile: " + home.folder().string() + "/Oxfile.toml\n"));
  const auto instances = home.List();
  REQUIRE(instances.size() == 3);
  for (const Instance& instance : instances) {
    CHECK(instance.state == "ready");
    CHECK(IsAlive(instance.pid));
    CHECK(instance.restarts == 0);
    CHECK_SAYS(started.out, instance.name);
  }
  CHECK(instances[0].name == "api/0");
  CHECK(instances[1].name == "api/1");
  CHECK(instances[2].name == "worker/0");
}

TEST_CASE("start --json puts one object on stdout and nothing else") {
  const Home home;
  home.Oxfile(kApiAndWorker);

  const Json answer = home.RunJson({"start"});

  CHECK(answer.at("v") == 1);
  CHECK(answer.at("command") == "start");
  CHECK(answer.at("ok") == true);
  REQUIRE(answer.at("services").size() == 2);
  for (const Json& service : answer.at("services")) {
    CHECK(service.at("result") == "started");
  }
}

TEST_CASE("start leaves alone what runs, and says how to bring in what differs") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  const pid_t before = home.Pid("worker/0");

  std::string changed(kApiAndWorker);
  changed += "env = { COLOUR = \"red\" }\n";
  home.Oxfile(changed);
  const Outcome again = home.MustRun({"start"});

  CHECK(home.Pid("worker/0") == before);
  CHECK_SAYS(again.all(), "worker");
  CHECK_SAYS(again.all(), "env.COLOUR");
  CHECK_SAYS(again.all(), "oxherd reload worker");
}

TEST_CASE("one service can be started, and the others stay as they are") {
  const Home home;
  home.Oxfile(kApiAndWorker);

  home.MustRun({"start", "worker"});

  CHECK(home.Get("worker/0").state == "ready");
  CHECK(home.Find("api/0").value_or(Instance{}).pid == 0);
}

TEST_CASE("an instance is named with a slash or a colon") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  const pid_t first = home.Pid("api/0");
  const pid_t second = home.Pid("api/1");

  home.MustRun({"restart", "api:1"});
  CHECK(home.Pid("api/0") == first);
  CHECK(home.Pid("api/1") != second);

  home.MustRun({"stop", "api/1"});
  CHECK(home.Get("api/1").state == "stopped");
  CHECK(home.Get("api/0").state == "ready");
}

TEST_CASE("restart stops and starts: new processes, the old ones gone") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  const auto before = home.List();

  home.MustRun({"restart"});

  for (const Instance& old : before) {
    CHECK_FALSE(IsAlive(old.pid));
    CHECK(home.Get(old.name).state == "ready");
    CHECK(home.Pid(old.name) != old.pid);
  }
}

TEST_CASE("delete stops a service and forgets it") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  const pid_t worker = home.Pid("worker/0");

  home.MustRun({"delete", "worker"});

  CHECK_FALSE(IsAlive(worker));
  CHECK_FALSE(home.Find("worker/0").has_value());
  CHECK(home.Find("api/0").has_value());
  CHECK(home.Run({"delete"}).exit_code == 2);
}

TEST_CASE("an unknown name is asked wrongly, gets the nearest one, and touches nothing") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  const auto before = home.List();

  for (const char* verb : {"stop", "restart", "reload", "status", "logs", "start", "delete"}) {
    const Outcome outcome = home.Run({verb, "ap1"});
    CHECK_MESSAGE(outcome.exit_code == 2, verb << " ended with " << outcome.exit_code);
    CHECK_SAYS(outcome.err, "no service \"ap1\"");
    CHECK_SAYS(outcome.err, "did you mean \"api\"?");
    CHECK(home.Run({verb, "api", "wroker"}).exit_code == 2);
  }
  CHECK(home.Run({"stop", "api/7"}).exit_code == 2);
  for (const Instance& instance : before) {
    CHECK(home.Pid(instance.name) == instance.pid);
  }
}

TEST_CASE("an unknown command or flag is exit code 2 and one line") {
  const Home home;
  for (const Words& words : {Words{"strat"}, Words{"list", "--nope"}, Words{"stop", "--timeout"}}) {
    const Outcome outcome = home.Run(words);
    CHECK(outcome.exit_code == 2);
    CHECK(!outcome.err.empty());
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("what only looks or stops says that no daemon runs, and starts none") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  for (const Words& words : {Words{"list"}, Words{"status"}, Words{"stop"}, Words{"ping"},
                             Words{"wait", "api", "--for", "ready"}, Words{"daemon", "status"}}) {
    const Outcome outcome = home.Run(words);
    CHECK_MESSAGE(outcome.exit_code == 3,
                  words[0] << " ended with " << outcome.exit_code << ": " << outcome.all());
    CHECK(CountOf(outcome.err, "\n") == 1);
  }
  CHECK(home.Keepers().empty());
}

TEST_CASE("status ends with 0 only for what is ready") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});

  const Outcome ready = home.MustRun({"status", "api"});
  CHECK_SAYS(ready.out, std::to_string(home.Pid("api/0")));
  CHECK_SAYS(ready.out, home.folder().string());

  home.MustRun({"stop", "api"});
  CHECK(home.Run({"status", "api"}).exit_code == 1);
}

TEST_CASE("without an Oxfile in the folder, the one file that the daemon knows is meant") {
  Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");

  home.SetFolder("/");
  home.MustRun({"restart"});

  CHECK(home.Pid("api/0") != before);
  CHECK(home.Get("api/0").state == "ready");
}

TEST_CASE("wait returns when the service is ready, and with 4 when the time is over") {
  const Home home;
  home.Oxfile(R"(
[processes.late]
command = "@misbehave wait-for-file @folder/go then say going then http @port status 200"
health_check = { endpoint = "http://127.0.0.1:@port/" }
ready_timeout_ms = 20000
)");
  home.MustRun({"start", "--no-wait"});

  CHECK(home.Run({"wait", "late", "--for", "ready", "--timeout", "200ms"}).exit_code == 4);
  Command waiting = home.Begin({"wait", "late", "--for", "ready", "--timeout", "20s"});
  home.Write("go", "");
  CHECK(waiting.Wait().exit_code == 0);
  CHECK(home.Get("late/0").state == "ready");
}

TEST_CASE("ping and version answer") {
  const Home home;
  CHECK(home.MustRun({"version"}).out.size() > 1);
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  CHECK(home.MustRun({"ping"}).took < milliseconds(500) * kPatience);
  CHECK_SAYS(home.MustRun({"daemon", "status"}).out, std::to_string(home.Daemon()));
}

TEST_CASE("a oneshot is done before what depends on it starts") {
  const Home home;
  home.Oxfile(R"(
[processes.worker]
command = "@misbehave append @folder/order worker then on-term 0 then sleep"
min_uptime_ms = 50
depends_on = ["migrate"]

[processes.migrate]
type = "oneshot"
command = "@misbehave sleep 150 then append @folder/order migrated"
)");

  const Outcome started = home.MustRun({"start"});

  CHECK(home.Read("order") == "migrated\nworker\n");
  CHECK(home.Get("migrate/0").state == "done");
  CHECK_SAYS(started.out, "done in");
  home.MustRun({"stop", "worker"});
  home.MustRun({"start", "worker"});
  CHECK(home.Read("order") == "migrated\nworker\nworker\n");
}

TEST_CASE("start widens to what a service depends on; stop does not") {
  const Home home;
  home.Oxfile(R"(
[processes.db]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
[processes.api]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
depends_on = ["db"]
)");
  home.MustRun({"start", "api"});
  CHECK(home.Get("db/0").state == "ready");
  const pid_t api = home.Pid("api/0");

  const Outcome stopped = home.MustRun({"stop", "db"});

  CHECK_SAYS(stopped.all(), "api depends on db and keeps running");
  CHECK(home.Pid("api/0") == api);
}

TEST_CASE("a failed oneshot answers at once for what waits for it") {
  const Home home;
  home.Oxfile(R"(
[processes.worker]
command = "@misbehave append @folder/order worker then sleep"
depends_on = ["migrate"]
[processes.migrate]
type = "oneshot"
command = "@misbehave say-err relation users does not exist then exit 1"
)");

  const Outcome started = home.Run({"start"});

  CHECK(started.exit_code == 1);
  CHECK(started.took < seconds(3) * kPatience);
  CHECK_SAYS(started.all(), "worker waits for migrate, which failed: exit 1");
  CHECK_SAYS(started.all(), "relation users does not exist");
  CHECK(home.Read("order").empty());
}

TEST_CASE("run is the foreground: SIGTERM stops everything and it ends with 0") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  Command running = home.Begin({"run"});
  WaitUntil("the daemon of run answers", [&] { return home.Run({"ping"}).exit_code == 0; });
  for (const char* instance : {"api/0", "api/1", "worker/0"}) {
    home.WaitForState(instance, "ready");
  }
  const pid_t worker = home.Pid("worker/0");

  const Outcome second = home.Run({"run"});
  CHECK(second.exit_code == 1);
  CHECK_SAYS(second.err, "OXHERD_HOME");

  running.Signal(SIGTERM);
  CHECK(running.Wait().exit_code == 0);
  CHECK_FALSE(IsAlive(worker));
}

TEST_CASE("daemon stop stops the instances and forgets nothing of what is wanted") {
  const Home home;
  home.Oxfile(kApiAndWorker);
  home.MustRun({"start"});
  home.MustRun({"stop", "worker"});
  const pid_t api = home.Pid("api/0");

  home.MustRun({"daemon", "stop"});
  CHECK_FALSE(IsAlive(api));
  CHECK(home.Keepers().empty());

  Command daemon = home.Begin({"daemon", "run"});
  WaitUntil("the daemon answers", [&] { return home.Run({"ping"}).exit_code == 0; });
  home.WaitForState("api/0", "ready");
  home.WaitForState("api/1", "ready");
  CHECK(home.Find("worker/0").value_or(Instance{}).pid == 0);
  daemon.Signal(SIGTERM);
  CHECK(daemon.Wait().exit_code == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
