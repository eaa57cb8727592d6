// reload and apply: new processes for old ones, without a moment with fewer, or nothing changed.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

std::string Worker(const std::string& command, int instances = 1, const std::string& more = {}) {
  return "[processes.api]\ncommand = \"@misbehave " + command +
         "\"\ninstances = " + std::to_string(instances) + "\nmin_uptime_ms = 150\n" + more;
}

constexpr const char* kGood = "append @folder/starts PID then on-term 0 then sleep";

TEST_SUITE_BEGIN("reload");

TEST_CASE("reload starts the new one first and stops the old one when the new one is proved") {
  const Home home;
  home.Oxfile(Worker(kGood));
  home.MustRun({"start"});
  const Watched old(home.Pid("api/0"));

  Command reloading = home.Begin({"reload", "api"});
  WaitUntil("the new process", [&] { return home.Lines("starts").size() == 2; });
  CHECK_FALSE(old.ended());
  const Outcome reloaded = reloading.Wait();

  CHECK(reloaded.exit_code == 0);
  CHECK(old.ended());
  const Instance now = home.Get("api/0");
  CHECK(now.generation == 2);
  CHECK(now.state == "ready");
  CHECK(std::to_string(now.pid) == home.Lines("starts")[1]);
  CHECK_SAYS(reloaded.out, "reloaded api");
}

TEST_CASE("several instances are replaced one after the other, and all but one are always there") {
  const Home home;
  home.Oxfile(Worker(kGood, 3));
  home.MustRun({"start"});
  std::vector<pid_t> old;
  for (const Instance& instance : home.List()) {
    old.push_back(instance.pid);
  }
  Command reloading = home.Begin({"reload"});
  std::ptrdiff_t fewest = 3;
  WaitUntil("the end of the reload", [&] {
    const auto instances = home.List();
    const auto ready = std::count_if(instances.begin(), instances.end(), [](const Instance& row) {
      return row.state == "ready" || row.next_state == "ready";
    });
    fewest = std::min(fewest, ready);
    return std::none_of(old.begin(), old.end(), IsAlive);
  });
  CHECK(fewest == 3);
  CHECK(reloading.Wait().exit_code == 0);
  CHECK(home.Lines("starts").size() == 6);
}

TEST_CASE("a broken new version leaves the old one running, and the reply shows why") {
  const Home home;
  home.Oxfile(Worker(kGood, 2));
  home.MustRun({"start"});
  const auto before = home.List();

  home.Oxfile(Worker("say-err Cannot find module './routes' then exit 1", 2));
  const Outcome reloaded = home.Run({"reload", "api"});

  CHECK(reloaded.exit_code == 1);
  CHECK_SAYS(reloaded.all(), "exited 1");
  CHECK_SAYS(reloaded.all(), "before it was ready");
  CHECK_SAYS(reloaded.all(), "Cannot find module ./routes");
  CHECK_SAYS(reloaded.all(), "rolled back: generation 1 kept serving");
  CHECK_SAYS(reloaded.all(), "a crash would start what is there now");
  for (const Instance& old : before) {
    CHECK(home.Pid(old.name) == old.pid);
    CHECK(home.Get(old.name).state == "ready");
    CHECK(home.Get(old.name).generation == 1);
  }

  const Json answer = home.RunJson({"reload", "api"});
  CHECK(answer.at("ok") == false);
  const Json& service = answer.at("services").at(0);
  CHECK(service.at("name") == "api");
  CHECK(service.at("result") == "rolled_back");
  CHECK(service.at("generation") == 1);
  CHECK(service.at("tried") == 3);
  CHECK_SAYS(service.at("log_tail").dump(), "Cannot find module");
}

TEST_CASE("a new version that fails in its second slot is rolled back in the first") {
  const Home home;
  home.Oxfile(Worker(kGood, 2));
  home.MustRun({"start"});
  const auto before = home.List();

  // The first new process makes the file that lets the next ones fail.
  home.Oxfile(
      Worker("exit-if-file @folder/second 1 then append @folder/second x then on-term 0 "
             "then sleep",
             2));
  CHECK(home.Run({"reload"}).exit_code == 1);

  for (const Instance& old : before) {
    CHECK(home.Get(old.name).state == "ready");
    CHECK(home.Get(old.name).generation == 1);
  }
  CHECK(home.Pid("api/1") == before[1].pid);
  CHECK(home.Pid("api/0") != before[0].pid);
}

TEST_CASE("reload brings in the new definition; apply leaves alone what did not change") {
  const Home home;
  const auto file = [](const std::string& colour) {
    return "[defaults]\nmin_uptime_ms = 50\n"
           "[processes.api]\ncommand = \"@misbehave print-env then on-term 0 then sleep\"\n"
           "env = { COLOUR = \"" +
           colour +
           "\" }\n"
           "[processes.worker]\ncommand = \"@misbehave on-term 0 then sleep\"\n";
  };
  home.Oxfile(file("red"));
  home.MustRun({"start"});
  home.WaitForLog("api/0", "COLOUR=red\n");
  const pid_t api = home.Pid("api/0");
  const pid_t worker = home.Pid("worker/0");

  home.Oxfile(file("blue"));
  const Outcome plan = home.MustRun({"apply", "--dry-run"});
  CHECK_SAYS(plan.all(), "api");
  CHECK(home.Pid("api/0") == api);

  home.MustRun({"apply"});
  home.WaitForLog("api/0", "COLOUR=blue\n");
  CHECK(home.Pid("api/0") != api);
  CHECK(home.Pid("worker/0") == worker);

  home.MustRun({"apply"});
  CHECK(home.Pid("worker/0") == worker);
  home.MustRun({"reload"});
  CHECK(home.Pid("worker/0") != worker);
}

TEST_CASE(
    "more and fewer instances: added ones start, surplus ones stop, the others stay in order") {
  const Home home;
  home.Oxfile(Worker(kGood, 2));
  home.MustRun({"start"});
  home.Oxfile(Worker(kGood, 4));
  home.MustRun({"reload"});
  CHECK(home.List().size() == 4);
  home.Oxfile(Worker(kGood, 1));
  home.MustRun({"reload"});
  const auto left = home.List();
  REQUIRE(left.size() == 1);
  CHECK(left[0].name == "api/0");
  CHECK(left[0].state == "ready");
}

TEST_CASE("what a person stopped stays stopped, and is named") {
  const Home home;
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.api]
command = "@misbehave on-term 0 then sleep"
[processes.worker]
command = "@misbehave on-term 0 then sleep"
)");
  home.MustRun({"start"});
  home.MustRun({"stop", "worker"});
  const Outcome reloaded = home.MustRun({"reload"});
  CHECK(home.Get("worker/0").state == "stopped");
  CHECK_SAYS(reloaded.all(), "worker");
}

TEST_CASE("what left the file keeps running and is named; what is new in it is started") {
  const Home home;
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.api]
command = "@misbehave on-term 0 then sleep"
[processes.removed]
command = "@misbehave on-term 0 then sleep"
)");
  home.MustRun({"start"});
  const pid_t removed = home.Pid("removed/0");
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.api]
command = "@misbehave on-term 0 then sleep"
[processes.added]
command = "@misbehave on-term 0 then sleep"
)");
  const Outcome reloaded = home.MustRun({"reload"});
  CHECK(home.Pid("removed/0") == removed);
  CHECK_SAYS(reloaded.all(), "removed");
  CHECK(home.Get("added/0").state == "ready");
}

TEST_CASE("reload reads the service's own file, wherever it is typed") {
  Home home;
  home.Oxfile(Worker("print-words one then on-term 0 then sleep"));
  home.MustRun({"start"});
  home.Oxfile(Worker("print-words two then on-term 0 then sleep"));
  home.SetFolder("/");
  home.MustRun({"reload", "api"});
  home.WaitForLog("api/0", "word two\n");
}

TEST_CASE("a pre_reload_cmd that fails changes nothing") {
  const Home home;
  home.Oxfile(Worker(kGood));
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");
  home.Oxfile(Worker(kGood, 1,
                     "pre_reload_cmd = \"@misbehave say-err the build is broken then exit 2\"\n"));
  const Outcome reloaded = home.Run({"reload", "api"});
  CHECK(reloaded.exit_code == 1);
  CHECK_SAYS(reloaded.all(), "the build is broken");
  CHECK(home.Pid("api/0") == before);
  CHECK(home.Lines("starts").size() == 1);
  CHECK(home.Get("api/0").generation == 1);

  home.Oxfile(Worker(kGood, 1, "pre_reload_cmd = \"@misbehave append @folder/built x\"\n"));
  home.MustRun({"reload", "api"});
  CHECK(home.Lines("built").size() == 1);
  CHECK(home.Pid("api/0") != before);
}

TEST_CASE("a third reload takes the place of the second, which is told") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave append @folder/starts PID then on-term 0 then sleep"
instances = 3
min_uptime_ms = 400
)");
  home.MustRun({"start"});

  Command first = home.Begin({"reload", "api"});
  WaitUntil("the first reload", [&] { return home.Lines("starts").size() == 4; });
  Command second = home.Begin({"reload", "api", "--json"});
  // Nothing of a waiting reload shows but its own progress, so the third may come first; then it is
  // the one that is told.
  Command third = home.Begin({"reload", "api", "--json"});

  CHECK(first.Wait().exit_code == 0);
  const Outcome one = second.Wait(seconds(30));
  const Outcome other = third.Wait(seconds(30));
  CHECK(one.exit_code + other.exit_code == 1);
  CHECK_SAYS(one.all() + other.all(), "superseded by a later reload (generation ");
  for (const Instance& instance : home.List()) {
    CHECK(instance.generation == 4);
    CHECK(instance.state == "ready");
  }
}

TEST_CASE("stop during a reload aborts it and stops both generations") {
  const Home home;
  home.Oxfile(Worker(kGood, 2));
  home.MustRun({"start"});
  Command reloading = home.Begin({"reload", "api"});
  WaitUntil("the new process", [&] { return home.Lines("starts").size() == 3; });

  home.MustRun({"stop", "api"});

  const Outcome reloaded = reloading.Wait();
  CHECK(reloaded.exit_code == 1);
  CHECK_SAYS(reloaded.all(), "stop");
  for (const std::string& pid : home.Lines("starts")) {
    CHECK_FALSE(IsAlive(std::stoi(pid)));
  }
  CHECK(home.Get("api/0").state == "stopped");
}

TEST_CASE("an old one that ignores its stop is killed at its deadline, and the reload is done") {
  const Home home;
  home.Oxfile(Worker("ignore-term then sleep", 1, "stop_timeout_ms = 300\n"));
  home.MustRun({"start"});
  const Watched old(home.Pid("api/0"));
  home.MustRun({"reload", "api"});
  CHECK(old.ended());
  CHECK(home.Get("api/0").generation == 2);
}

TEST_CASE("with port_base the slots are reloaded stop-first, and the other one always answers") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then http PORT status 200"
instances = 2
port_base = @port
health_check = { endpoint = "http://127.0.0.1:${PORT}/health" }
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  std::atomic<bool> done = false;
  std::atomic<int> asked = 0;
  std::atomic<int> gaps = 0;
  std::thread client([&] {
    while (!done) {
      const bool answered =
          HttpGet(home.port(0), "/").status == 200 || HttpGet(home.port(1), "/").status == 200;
      gaps += answered ? 0 : 1;
      ++asked;
    }
  });
  const Outcome reloaded = home.Run({"reload", "api"});
  done = true;
  client.join();

  CHECK_MESSAGE(reloaded.exit_code == 0, reloaded.all());
  CHECK(asked > 0);
  CHECK(gaps == 0);
  CHECK(home.Get("api/0").generation == 2);
  CHECK(home.Get("api/1").generation == 2);
}

TEST_CASE("a crash during a reload restarts the old one in its own generation") {
  const Home home;
  home.Oxfile(Worker(kGood));
  home.MustRun({"start"});
  home.Oxfile(R"(
[processes.api]
command = "@misbehave append @folder/starts PID then on-term 0 then http @port hang"
health_check = { endpoint = "http://127.0.0.1:@port/" }
ready_timeout_ms = 1500
min_uptime_ms = 150
)");
  Command reloading = home.Begin({"reload", "api"});
  WaitUntil("the new process", [&] { return home.Lines("starts").size() == 2; });

  Watched(std::stoi(home.Lines("starts")[0])).Signal(SIGKILL);

  CHECK(reloading.Wait().exit_code == 1);
  const Instance api = home.WaitForState("api/0", "ready");
  CHECK(api.generation == 1);
  CHECK(home.Lines("starts").size() == 3);
}

TEST_CASE(
    "with reload_signal a program that reloads itself is told, and changed ones are replaced") {
  const Home home;
  const std::string file = R"(
[processes.server]
command = ["/bin/sh", "-c", "trap 'echo read again' HUP; echo up; while :; do sleep 0.05; done"]
min_uptime_ms = 50
reload_signal = "SIGHUP"
)";
  home.Oxfile(file);
  home.MustRun({"start"});
  home.WaitForLog("server/0", "up\n");
  const pid_t before = home.Pid("server/0");
  home.MustRun({"reload"});
  home.WaitForLog("server/0", "up\nread again\n");
  CHECK(home.Pid("server/0") == before);
  CHECK(home.Get("server/0").generation == 1);
  home.Oxfile(file + "env = { A = \"b\" }\n");
  home.MustRun({"reload"});
  CHECK(home.Pid("server/0") != before);
  CHECK(home.Get("server/0").generation == 2);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
