#include "cli/render/status.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

namespace oxherd::cli {
namespace {

constexpr Screen kPipe{};
constexpr std::int64_t kNow = 1'763'780'640'000;  // 2025-11-22 03:04 UTC

const bool is_utc = [] {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  return true;
}();

control::ServiceDetail Api() {
  control::ServiceDetail api;
  api.name = "api";
  api.type = "service";
  api.ready = true;
  api.generation = Generation(8);
  api.running_since_unix_ms = kNow - 134'000;
  api.command = "node server.js";
  api.folder = "/srv/shop";
  api.oxfile = "/srv/shop/Oxfile.toml";
  api.line = 12;
  api.ready_by = "answers http://127.0.0.1:3000/health";
  api.restart = "always, failed after 10 crashes in a row";
  api.stop = "SIGTERM to its group, SIGKILL after 10 s";
  control::Row row;
  row.service = "api";
  row.state = "ready";
  row.pid = Pid(48213);
  row.generation = Generation(8);
  row.uptime_ms = 134'000;
  row.cpu_percent = 1;
  row.memory_bytes = 62ULL * 1024 * 1024;
  row.health = control::Health{control::Health::Kind::kGood, 3, ""};
  row.out_log = "/logs/api/0.out.log";
  row.err_log = "/logs/api/0.err.log";
  api.instances = {row};
  api.events = {{kNow - 134'000, "api/0 gen 8 ready in 412 ms"}};
  return api;
}

TEST_CASE("status shows all there is to know about one service") {
  CHECK(RenderStatus(kPipe, Api(), kNow) ==
        R"(api  ready
  generation    8, running since 03:01 (2m 14s)
  command       node server.js
  folder        /srv/shop
  defined in    /srv/shop/Oxfile.toml:12
  ready when    answers http://127.0.0.1:3000/health
  restart       always, failed after 10 crashes in a row
  stop          SIGTERM to its group, SIGKILL after 10 s

api/0  ● ready
  process       pid 48213, up 2m 14s, cpu 1%, memory 62 MB
  generation    8
  health        ok · 3 ms
  log           /logs/api/0.out.log
  error log     /logs/api/0.err.log

last events
  03:01  api/0 gen 8 ready in 412 ms
)");
}

TEST_CASE("status says that the file differs, and what to type") {
  control::ServiceDetail api = Api();
  api.differences = {"env.PORT", "command"};
  CHECK(
      RenderStatus(kPipe, api, kNow)
          .find(
              "  file          env.PORT, command now differ from what runs: oxherd reload api\n") !=
      std::string::npos);
}

TEST_CASE("status of a failed service has its last exit, the reason and the next try") {
  control::ServiceDetail api = Api();
  api.last_reload =
      control::ReloadRecord{Generation(9), false, kNow - 60'000, "was not ready in 30 s"};
  control::Row& row = api.instances[0];
  row.state = "failed";
  row.pid = Pid();
  row.last_exit = ExitStatus{ExitStatus::Kind::kSignal, 9, true};
  row.reason = "was killed by SIGKILL (out of memory) after 3.2 s";
  row.next_try_unix_ms = kNow + 180'000;
  const std::string text = RenderStatus(kPipe, api, kNow);
  CHECK(text.find("api  0 of 1 ready\n") == 0);
  CHECK(
      text.find("  last reload   to generation 9 at 03:03, rolled back: was not ready in 30 s\n") !=
      std::string::npos);
  CHECK(text.find("  last exit     SIGKILL (out of memory) (was killed by SIGKILL (out of memory) "
                  "after 3.2 s), next try 03:07\n") != std::string::npos);
}

TEST_CASE("a thousand instances are not a thousand paragraphs") {
  control::ServiceDetail api = Api();
  api.instances.resize(1000, api.instances[0]);
  CHECK(RenderStatus(kPipe, api, kNow).find("… and 950 more: oxherd list\n") != std::string::npos);
}

TEST_CASE("the daemon's status names its pids, its folders and its troubles") {
  control::DaemonDetail daemon;
  daemon.pid = Pid(12);
  daemon.keeper_pid = Pid(11);
  daemon.version = "0.1.0";
  daemon.socket = "/home/me/.local/state/oxherd/run/control.sock";
  daemon.state_folder = "/home/me/.local/state/oxherd";
  daemon.uptime_ms = 5000;
  daemon.started_unix_ms = kNow;
  daemon.daemon_number = 2;
  daemon.services = 3;
  daemon.instances = 5;
  daemon.ready = 4;
  daemon.warnings = {"state.json: No space left on device"};
  CHECK(RenderDaemon(daemon, kNow) ==
        R"(oxherd daemon 0.1.0  pid 12, up 5.0 s, since 03:04
  keeper        pid 11
  restarted     once by the keeper; the services did not notice
  services      3, 4 of 5 instances ready
  socket        /home/me/.local/state/oxherd/run/control.sock
  state         /home/me/.local/state/oxherd
  warning       state.json: No space left on device
)");
}

}  // namespace
}  // namespace oxherd::cli
