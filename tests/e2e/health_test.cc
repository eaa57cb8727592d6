// Health checks: what proves readiness, what does not, and what follows when it ends.
#include <doctest/doctest.h>

#include <csignal>
#include <fstream>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("health");

TEST_CASE("an endpoint, a port, a command and a log line prove readiness") {
  const Home home;
  home.Oxfile(R"(
[processes.http]
command = "@misbehave on-term 0 then http PORT status 204"
port_base = @port
health_check = { endpoint = "http://localhost:${PORT}/health" }
[processes.tcp]
command = "@misbehave on-term 0 then listen @port+1"
health_check = { tcp = "127.0.0.1:@port+1" }
[processes.command]
command = "@misbehave sleep 200 then append @folder/up x then on-term 0 then sleep"
health_check = { command = "test -f up && test -d /proc/$OXHERD_PID" }
[processes.log]
command = "@misbehave sleep 200 then say Listening on 3000 then on-term 0 then sleep"
ready = "log"
ready_log = "Listening on [0-9]+"
)");

  const Outcome started = home.MustRun({"start"});

  for (const char* name : {"http/0", "tcp/0", "command/0", "log/0"}) {
    CHECK(home.Get(name).state == "ready");
  }
  CHECK_SAYS(started.out, "answers /health");
}

TEST_CASE(
    "an answer that is wrong, late, endless or none never proves readiness, and harms nothing") {
  const Home home;
  std::string file =
      "[defaults]\nready_timeout_ms = 1500\nmax_restarts = 1\nmin_uptime_ms = 50\n"
      "[defaults.health_check]\ntimeout_secs = 1\n";
  int offset = 0;
  for (const std::string mode : {"status 500", "redirect http://127.0.0.1:1/", "hang", "drip",
                                 "endless-headers", "close", "slow 3000"}) {
    const std::string port = std::to_string(home.port(offset));
    file.append("[processes.bad").append(std::to_string(offset++)).append("]\n");
    file.append("command = \"@misbehave on-term 0 then http ")
        .append(port)
        .append(" ")
        .append(mode);
    file.append("\"\nhealth_check = { endpoint = \"http://127.0.0.1:")
        .append(port)
        .append("/\" }\n");
  }
  const std::string good_port = std::to_string(home.port(offset));
  file += "[processes.good]\ncommand = \"@misbehave on-term 0 then http " + good_port +
          " status 200\"\nhealth_check = { endpoint = \"http://127.0.0.1:" + good_port + "/\" }\n";
  home.Oxfile(file);
  home.MustRun({"daemon", "start"});

  Command starting = home.Begin({"start"});
  home.WaitForState("good/0", "ready");
  const pid_t daemon = home.Daemon();
  const Outcome started = starting.Wait();

  CHECK(started.exit_code == 1);
  CHECK_SAYS(started.all(), "not ready in 1.5 s");
  for (const Instance& instance : home.List()) {
    CHECK((instance.state == "ready") == (instance.name == "good/0"));
  }
  CHECK(home.Daemon() == daemon);
}

TEST_CASE("a ten-gigabyte answer is not read") {
  const Home home;
  home.Oxfile(R"(
[processes.big]
command = "@misbehave on-term 0 then http @port big"
health_check = { endpoint = "http://127.0.0.1:@port/", timeout_secs = 1 }
ready_timeout_ms = 1500
)");
  const Outcome started = home.Run({"start"});
  CHECK(started.took < seconds(5) * kPatience);
  std::ifstream status("/proc/" + std::to_string(home.Daemon()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:") && !kSanitized) {
      CHECK_MESSAGE(std::stol(line.substr(6)) < 32 * 1024, line);
    }
  }
}

TEST_CASE("a port that another process answers proves nothing, and the message says so") {
  const Home home;
  Command stranger(Invocation{
      {Misbehave(), "http", std::to_string(home.port()), "status", "200"}, "/", {}, [] {}});
  stranger.ReadUntil("listening");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
health_check = { endpoint = "http://127.0.0.1:@port/health" }
ready_timeout_ms = 1000
)");
  const Outcome started = home.Run({"start"});
  CHECK(started.exit_code == 1);
  CHECK_SAYS(started.all(), std::to_string(home.port()) + " is answered by");
  CHECK(home.Get("api/0").state != "ready");
}

TEST_CASE("the old generation's answer does not prove the new one") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then http @port status 200"
health_check = { endpoint = "http://127.0.0.1:@port/health" }
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
health_check = { endpoint = "http://127.0.0.1:@port/health" }
min_uptime_ms = 50
ready_timeout_ms = 1000
)");
  const Outcome reloaded = home.Run({"reload", "api"});
  CHECK(reloaded.exit_code == 1);
  CHECK_SAYS(reloaded.all(), "is answered by gen");
  CHECK(home.Pid("api/0") == before);
  CHECK(home.Get("api/0").state == "ready");
}

TEST_CASE("an unhealthy instance keeps running while no replacement gets ready, and may recover") {
  const Home home;
  home.Write("status", "200");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then http @port status-file @folder/status"
min_uptime_ms = 50
[processes.api.health_check]
endpoint = "http://127.0.0.1:@port/health"
interval_secs = 1
unhealthy_threshold = 2
)");
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");

  home.Write("status", "500");
  home.WaitForState("api/0", "unhealthy");
  CHECK(home.Pid("api/0") == before);
  CHECK(home.Run({"status", "api"}).exit_code == 1);
  home.Write("status", "200");
  home.WaitForState("api/0", "ready");
  CHECK(home.Pid("api/0") == before);
  CHECK(IsAlive(before));
}

TEST_CASE("an unhealthy instance is replaced: the new one is ready before the old one is stopped") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave append @folder/starts PID then on-term 0 then sleep"
min_uptime_ms = 50
[processes.api.health_check]
command = "test ! -f bad.$OXHERD_PID"
interval_secs = 1
unhealthy_threshold = 1
)");
  home.MustRun({"start"});
  const Watched old(home.Pid("api/0"));

  home.Write("bad." + home.Lines("starts")[0], "");
  WaitUntil("the replacement", [&] { return home.Lines("starts").size() == 2; });
  CHECK_FALSE(old.ended());

  static_cast<void>(old.WaitForEnd());
  const Instance api = home.WaitForState("api/0", "ready");
  CHECK(std::to_string(api.pid) == home.Lines("starts")[1]);
  CHECK(api.generation == 1);
}

TEST_CASE("a check command that hangs is killed with its whole tree at the timeout") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
ready_timeout_ms = 1500
max_restarts = 1
[processes.api.health_check]
command = "@misbehave child session then append @folder/checks $OXHERD_PID then sleep"
timeout_secs = 1
)");
  CHECK(home.Run({"start"}).exit_code == 1);
  CHECK(!home.Lines("checks").empty());
  home.MustRun({"stop"});
  WaitUntil("no check is left", [&] {
    for (const Process& process : ProcessesOf(home.folder())) {
      if (process.program == "misbehave") {
        return false;
      }
    }
    return true;
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
