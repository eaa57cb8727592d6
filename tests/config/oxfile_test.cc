#include "config/oxfile.h"

#include <string>
#include <vector>

#include "config/environment.h"
#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

TEST_CASE("a namespace is a plain word") {
  const Surroundings here;
  CHECK(here.ReadOne(Api("namespace = \"batch-2\"")).name_space == "batch-2");
  CHECK(here.ReadOne(Api("")).name_space.empty());
  for (const char* name : {"a b", "@web", "a/b"}) {
    CHECK(here.Errors(Api("namespace = \"" + std::string(name) + "\""))
              .contains("a namespace is at most 64"));
  }
}

TEST_CASE("the Oxfile of the OxMgr guide is accepted as it stands") {
  const Oxfile file = Surroundings().Read(R"(
[processes.api]
command = "node dist/server.js"
restart_on_exit = true
stop_signal = "SIGTERM"
stop_timeout_ms = 30000

[processes.worker]
command = "node dist/worker.js"
restart_on_exit = true
stop_signal = "SIGTERM"
stop_timeout_ms = 60000
)");
  REQUIRE(file.specs.size() == 2);
  const Spec& api = file.specs[0];
  CHECK(api.name == "api");
  CHECK(api.command.argv == std::vector<std::string>{"node", "dist/server.js"});
  CHECK(api.policy.restart == RestartPolicy::kAlways);
  CHECK(api.policy.stop_signal == 15);
  CHECK(api.policy.stop_timeout == Millis(30000));
  CHECK(api.source_file == "/srv/app/Oxfile.toml");
  CHECK(api.source_line == 2);
  CHECK(file.specs[1].policy.stop_timeout == Millis(60000));
  CHECK(file.notes.empty());
}

TEST_CASE("a service that says only its command gets every default") {
  const Spec spec = Surroundings().ReadOne("[processes.api]\ncommand = \"x\"\n");
  Spec expected;
  expected.name = "api";
  expected.command.argv = {"x"};
  expected.working_dir = "/srv/app";
  expected.source_file = "/srv/app/Oxfile.toml";
  expected.source_line = 1;
  CHECK(spec == expected);
}

TEST_CASE("every plain key reaches the spec") {
  const Spec spec = Surroundings{.folders = {"/srv/app/web"}}.ReadOne(Api(R"(
working_dir = "web"
instances = 3
reload_strategy = "stop-first"
reload_parallel = 2
ready = "uptime"
ready_timeout_ms = "1m"
min_uptime_ms = 2000
start_delay_ms = 5
restart = "on-failure"
restart_delay_ms = 100
restart_delay_max_ms = "2m"
max_restarts = 0
restart_window_secs = 30
failed_retry_secs = 0
stop_signal = 2
stop_timeout_ms = 0
kill_mode = "mixed"
pre_reload_cmd = "make | tee log"
pre_stop_cmd = ["a", "b c"]
post_stop_cmd = "c"
hook_timeout_ms = 7000
nice = -5
log_file = "logs/out.log"
error_log_file = "/var/log/err.log"
log_date_format = "YYYY-MM-DD"
autostart = false
limits = { max_open_files = 4096 }
logs = { max_size_mb = 1, max_files = 2, max_days = 3 })"));
  const Policy& policy = spec.policy;
  CHECK(spec.working_dir == "/srv/app/web");
  CHECK(policy.instances == 3);
  CHECK(policy.reload_strategy == ReloadStrategy::kStopFirst);
  CHECK(policy.reload_parallel == 2);
  CHECK(policy.ready_by == ReadyBy::kUptime);
  CHECK(policy.ready_timeout == Millis(60000));
  CHECK(policy.min_uptime == Millis(2000));
  CHECK(policy.start_delay == Millis(5));
  CHECK(policy.restart == RestartPolicy::kOnFailure);
  CHECK(policy.restart_delay == Millis(100));
  CHECK(policy.restart_delay_max == Millis(120000));
  CHECK(policy.max_restarts == 0);
  CHECK(policy.restart_window == Millis(30000));
  CHECK(policy.failed_retry == Millis(0));
  CHECK(policy.stop_signal == 2);
  CHECK(policy.stop_timeout == Millis(0));
  CHECK(policy.kill_mode == KillMode::kMixed);
  CHECK(policy.has_pre_reload);
  CHECK(policy.has_pre_stop);
  CHECK(policy.has_post_stop);
  CHECK(policy.hook_timeout == Millis(7000));
  CHECK(policy.pre_reload_timeout == Millis(7000));
  CHECK_FALSE(policy.autostart);
  CHECK(spec.pre_reload_cmd.through_shell);
  CHECK(spec.pre_stop_cmd.argv == std::vector<std::string>{"a", "b c"});
  CHECK(spec.nice == -5);
  CHECK(spec.logs.out_path == "/srv/app/logs/out.log");
  CHECK(spec.logs.err_path == "/var/log/err.log");
  CHECK(spec.logs.date_format == "%Y-%m-%d");
  CHECK(spec.logs.max_bytes == 1024 * 1024);
  CHECK(spec.logs.max_files == 2);
  CHECK(spec.logs.max_days == 3);
  CHECK(spec.limits.max_open_files == 4096);
}

TEST_CASE("health checks are read, with durations as numbers or strings") {
  const Spec spec = Surroundings().ReadOne(Api(R"(
port_base = 4000
instances = 2
[processes.api.health_check]
endpoint = "http://127.0.0.1:${PORT}/health"
interval_secs = "500ms"
timeout_secs = 2
healthy_threshold = 2
unhealthy_threshold = 4
initial_delay_secs = 1)"));
  CHECK(spec.health_check.kind == HealthCheck::Kind::kHttp);
  CHECK(spec.health_check.target == "http://127.0.0.1:${PORT}/health");
  CHECK(spec.policy.has_health);
  CHECK(spec.policy.ready_by == ReadyBy::kHealth);
  CHECK(spec.policy.health_interval == Millis(500));
  CHECK(spec.policy.health_timeout == Millis(2000));
  CHECK(spec.policy.healthy_threshold == 2);
  CHECK(spec.policy.unhealthy_threshold == 4);
  CHECK(spec.policy.health_initial_delay == Millis(1000));
  CHECK(spec.policy.reload_strategy == ReloadStrategy::kStopFirst);
}

TEST_CASE("a tcp check may be a bare port of this machine") {
  const Spec spec = Surroundings().ReadOne(Api("health_check = { tcp = 3000 }"));
  CHECK(spec.health_check.kind == HealthCheck::Kind::kTcp);
  CHECK(spec.health_check.target == "127.0.0.1:3000");
}

TEST_CASE("what proves readiness is the first that is configured: health, a line, uptime") {
  const Surroundings here;
  CHECK(here.ReadOne(Api("")).policy.ready_by == ReadyBy::kUptime);
  CHECK(here.ReadOne(Api("ready_log = 'listening on \\d+'")).policy.ready_by == ReadyBy::kLog);
  CHECK(here.ReadOne(Api("health_check = { tcp = 1 }\nready_log = 'x'")).policy.ready_by ==
        ReadyBy::kHealth);
  CHECK(here.ReadOne(Api("health_check = { tcp = 1 }\nready = \"uptime\"")).policy.ready_by ==
        ReadyBy::kUptime);
  CHECK(here.ReadOne(Api("health_check = { command = \"kill -0 $OXHERD_PID\" }")).policy.ready_by ==
        ReadyBy::kHealth);
}

TEST_CASE(
    "a command check that names no instance keeps its health and leaves readiness to uptime") {
  const std::string file = Api("health_check = { command = \"curl -f localhost:80\" }");
  const Spec spec = Surroundings().ReadOne(file);
  CHECK(spec.policy.has_health);
  CHECK(spec.policy.ready_by == ReadyBy::kUptime);
  CHECK(Surroundings().Notes(file) ==
        "3:28: processes.api.health_check.command: names no instance ($OXHERD_PID), so it cannot "
        "prove that a new one is ready; min_uptime_ms does");
}

TEST_CASE("a command check that names its port proves readiness where two never share it") {
  const Surroundings here;
  CHECK(here.ReadOne(Api("port_base = 80\nhealth_check = { command = \"curl -f :${PORT}\" }"))
            .policy.ready_by == ReadyBy::kHealth);
  CHECK(here.ReadOne(Api("env = { PORT = 80 }\nhealth_check = { command = \"curl -f :$PORT\" }"))
            .policy.ready_by == ReadyBy::kUptime);
  CHECK(here.ReadOne(Api("env = { PORT = 80 }\nreload_strategy = \"stop-first\"\n"
                         "health_check = { command = \"curl -f :$PORT\" }"))
            .policy.ready_by == ReadyBy::kHealth);
}

TEST_CASE("a oneshot is ready when it exits 0, has no time limit and is not restarted") {
  const Spec spec = Surroundings().ReadOne(
      "[defaults]\nready_timeout_ms = 5\nhealth_check = { tcp = 80 }\nrestart = \"always\"\n" +
      Api("type = \"oneshot\""));
  CHECK(spec.policy.type == ServiceType::kOneshot);
  CHECK(spec.policy.ready_by == ReadyBy::kExit);
  CHECK(spec.policy.restart == RestartPolicy::kNo);
  CHECK_FALSE(spec.policy.ready_timeout.has_value());
  CHECK_FALSE(spec.policy.has_health);
  CHECK(Surroundings()
            .ReadOne(Api("type = \"oneshot\"\nready_timeout_ms = 5"))
            .policy.ready_timeout == Millis(5));
}

TEST_CASE("instances = max is one per usable CPU") {
  CHECK(Surroundings().ReadOne(Api("instances = \"max\"")).policy.instances == 4);
  const Spec few = Surroundings{.options = {.usable_cpus = 1}}.ReadOne(
      Api("instances = \"max\"\nreload_parallel = 2"));
  CHECK(few.policy.instances == 1);
  CHECK(few.policy.reload_parallel == 1);
}

TEST_CASE("services keep the order of the file") {
  const Oxfile file = Surroundings().Read(
      "[processes.z]\ncommand = \"x\"\n[processes.a]\ncommand = \"x\"\n"
      "[processes.m.env]\nA = 1\n[processes.m]\ncommand = \"x\"\n");
  REQUIRE(file.specs.size() == 3);
  CHECK(file.specs[0].name == "z");
  CHECK(file.specs[1].name == "a");
  CHECK(file.specs[2].name == "m");
}

TEST_CASE("defaults hold for every service that does not say otherwise, key by key") {
  const Oxfile file = Surroundings().Read(R"(
[defaults]
cwd = "/srv/app"
stop_timeout_ms = 1000
restart_on_exit = false
reload_parallel = 2
env = { A = "1", B = "1" }
health_check = { tcp = 80, interval_secs = 7 }
[logging]
max_files = 9
[processes.a]
command = "x"
[processes.b]
command = "x"
stop_timeout_ms = 2000
restart = "on-failure"
env = { B = "2", C = "${A}" }
health_check = { endpoint = "http://127.0.0.1:81/" }
logs = { max_days = 4 }
)");
  REQUIRE(file.specs.size() == 2);
  const Spec& a = file.specs[0];
  const Spec& b = file.specs[1];
  CHECK(a.policy.stop_timeout == Millis(1000));
  CHECK(a.policy.restart == RestartPolicy::kNo);
  CHECK(a.policy.reload_parallel == 1);
  CHECK(a.health_check.kind == HealthCheck::Kind::kTcp);
  CHECK(a.logs.max_files == 9);
  CHECK(b.policy.stop_timeout == Millis(2000));
  CHECK(b.policy.restart == RestartPolicy::kOnFailure);
  CHECK(b.health_check.kind == HealthCheck::Kind::kHttp);
  CHECK(b.health_check.interval == Millis(7000));
  CHECK(b.logs.max_files == 9);
  CHECK(b.logs.max_days == 4);
  CHECK(b.env == std::vector<EnvEntry>{{"A", "1"}, {"B", "1"}, {"B", "2"}, {"C", "${A}"}});
}

TEST_CASE("the supervisor's own settings are read") {
  const Oxfile file = Surroundings().Read(
      "[supervisor]\nlog_level = \"debug\"\nstart_parallel = 4\n[logging]\nmax_total_mb = 2\n" +
      Api(""));
  SupervisorSettings said{LogLevel::kDebug, 4, 2 * 1024 * 1024};
  said.file = file.supervisor.file;
  CHECK(file.supervisor == said);
  SupervisorSettings nothing = Surroundings().Read(Api("")).supervisor;
  nothing.file.clear();
  CHECK(nothing == SupervisorSettings{});
}

TEST_CASE("relative paths are relative to the Oxfile's folder, and ~ is home") {
  const Surroundings here;
  CHECK(here.ReadOne(Api("cwd = \"../web/./x/\"")).working_dir == "/srv/web/x");
  CHECK(here.ReadOne(Api("cwd = \"~/web\"")).working_dir == "/home/ann/web");
  CHECK(here.ReadOne(Api("cwd = \"~\"")).working_dir == "/home/ann");
  CHECK(here.ReadOne(Api("cwd = \"/\"")).working_dir == "/");
}

TEST_CASE("env takes strings, numbers and booleans") {
  const Spec spec =
      Surroundings().ReadOne(Api("env = { A = \"x\", B = 3000, C = true, D = 1.5, E = -1 }"));
  CHECK(spec.env ==
        std::vector<EnvEntry>{{"A", "x"}, {"B", "3000"}, {"C", "true"}, {"D", "1.5"}, {"E", "-1"}});
}

TEST_CASE("env files come before env, in order, and env may name what they set") {
  Surroundings here;
  here.files = {{"/srv/app/.env", "A=1\nB=1\n"}, {"/etc/x.env", "B=${A}2\n"}};
  const Spec spec = here.ReadOne(
      Api("env_file = [\".env\", \"/etc/x.env\", { path = \"none\", optional = true }]\n"
          "env = { C = \"${B}\" }"));
  CHECK(spec.env == std::vector<EnvEntry>{{"A", "1"}, {"B", "1"}, {"B", "${A}2"}, {"C", "${B}"}});
  CHECK(spec.env_files == std::vector<std::string>{"/srv/app/.env", "/etc/x.env", "/srv/app/none"});
}

TEST_CASE("an env file that many services name is read once") {
  int reads = 0;
  const FileAccess files{[&reads](const std::string&) -> Result<std::string> {
                           ++reads;
                           return "A=1";
                         },
                         {}};
  const auto outcome = ParseOxfile(
      "[defaults]\nenv_file = \".env\"\n[processes.a]\ncommand = \"x\"\n"
      "[processes.b]\ncommand = \"x\"\n",
      "/srv/Oxfile.toml", {}, files);
  REQUIRE(outcome.has_value());
  CHECK(reads == 1);
}

TEST_CASE("dependencies are names, or names with what they must have reached") {
  const Oxfile file = Surroundings().Read(
      "[processes.a]\ncommand = \"x\"\n[processes.m]\ncommand = \"x\"\ntype = \"oneshot\"\n"
      "[processes.b]\ncommand = \"x\"\ndepends_on = [\"a\", \"m\"]\n"
      "[processes.c]\ncommand = \"x\"\ndepends_on = { m = \"completed\", a = \"started\" }\n");
  CHECK(file.specs[2].policy.depends_on ==
        std::vector<Dependency>{{"a", DependencyKind::kReady}, {"m", DependencyKind::kReady}});
  CHECK(
      file.specs[3].policy.depends_on ==
      std::vector<Dependency>{{"m", DependencyKind::kCompleted}, {"a", DependencyKind::kStarted}});
}

TEST_CASE("an array command is expanded from the environment and otherwise left alone") {
  const Spec spec =
      Surroundings().ReadOne("[processes.api]\ncommand = [\"x\", \"a | b\", \"${HOME}\"]\n");
  CHECK_FALSE(spec.command.through_shell);
  CHECK(spec.command.argv == std::vector<std::string>{"x", "a | b", "${HOME}"});
}

TEST_CASE("a file from Windows is read: CRLF and a byte order mark") {
  const Spec spec = Surroundings().ReadOne(
      "\xEF\xBB\xBF[processes.api]\r\ncommand = \"x\"\r\nstop_timeout_ms = 5\r\n");
  CHECK(spec.policy.stop_timeout == Millis(5));
}

TEST_CASE("what is valid but worth knowing is a note") {
  Surroundings here;
  CHECK(here.Notes(Api("cwd = \"gone\"")) ==
        "3:7: processes.api.cwd: \"/srv/app/gone\" is no directory yet; api cannot start "
        "before it is");
  CHECK(here.Notes(Api("env = { OXHERD_TOKEN = \"1\" }")) ==
        "3:24: processes.api.env.OXHERD_TOKEN: Oxherd sets this variable itself; the value here is "
        "not used");
  CHECK(here.Notes(Api("health_check = { endpoint = \"http://127.0.0.1:3000/\" }")) ==
        "3:29: processes.api.health_check.endpoint: a reload starts the new instance while the old "
        "one has port 3000; add listen = 3000, or, if the program does not share its port, "
        "reload_strategy = \"stop-first\"");
  CHECK(here.Notes("[processes.a]\ncommand = \"x\"\nport_base = 80\ninstances = 4\n"
                   "[processes.b]\ncommand = \"x\"\nport_base = 83\n") ==
        "7:13: processes.b.port_base: ports 83 to 83 overlap those of a (80 to 83)");
}

}  // namespace
}  // namespace oxherd
