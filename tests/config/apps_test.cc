#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "config/keys.h"
#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

// One app "api" whose other keys are `keys`.
std::string App(std::string_view keys) {
  return "[[apps]]\nname = \"api\"\ncommand = \"server\"\n" + std::string(keys) + "\n";
}

std::string Last(const Spec& spec, std::string_view name) {
  std::string text = "(not set)";
  for (const auto& [key, value] : spec.env) {
    if (key == name) text = value;
  }
  return text;
}

TEST_CASE("an OxMgr file is read with OxMgr's defaults") {
  const Spec api = Surroundings().ReadOne("version = 1\n" + App(""));
  CHECK(api.name == "api");
  CHECK(api.policy.restart == RestartPolicy::kOnFailure);
  CHECK(api.policy.stop_timeout == Millis(5000));
  CHECK(api.policy.max_restarts == 10);
  CHECK(api.policy.ready_timeout == Millis(30000));
  CHECK(api.source_line == 2);
}

TEST_CASE("OxMgr's keys become ours, seconds become milliseconds") {
  const Surroundings here;
  const Spec api = here.ReadOne(App(R"(cwd = "."
restart_policy = "always"
max_restarts = 7
restart_delay_secs = 90
start_delay_secs = 2
stop_signal = "SIGINT"
stop_timeout_secs = 4
health_cmd = "check --me $OXHERD_PID"
health_interval_secs = 11
health_timeout_secs = 3
health_max_failures = 4
wait_ready = true
ready_timeout_secs = 20
pre_reload_cmd = "make"
instances = 2
instance_var = "NUMBER"
deny_gpu = true
log_date_format = "YYYY"
watch = false
max_memory_mb = 0
logs = { stdout = "out.log", stderr = "err.log", max_files = 2 }
env = { A = "1" })"));
  CHECK(api.policy.restart == RestartPolicy::kAlways);
  CHECK(api.policy.max_restarts == 7);
  CHECK(api.policy.restart_delay == Millis(90000));
  CHECK(api.policy.restart_delay_max == Millis(90000));
  CHECK(api.policy.start_delay == Millis(2000));
  CHECK(api.policy.stop_signal == 2);
  CHECK(api.policy.stop_timeout == Millis(4000));
  CHECK(api.health_check.kind == HealthCheck::Kind::kCommand);
  CHECK(api.policy.health_interval == Millis(11000));
  CHECK(api.policy.health_timeout == Millis(3000));
  CHECK(api.policy.unhealthy_threshold == 4);
  CHECK(api.policy.ready_by == ReadyBy::kHealth);
  CHECK(api.policy.ready_timeout == Millis(20000));
  CHECK(api.policy.has_pre_reload);
  CHECK(api.policy.instances == 2);
  CHECK(Last(api, "NUMBER") == "${INSTANCE}");
  CHECK(Last(api, "CUDA_VISIBLE_DEVICES").empty());
  CHECK(api.logs.out_path == "/srv/app/out.log");
  CHECK(api.logs.err_path == "/srv/app/err.log");
  CHECK(api.logs.max_files == 2);
}

TEST_CASE("our keys are taken in [[apps]] too, and the same said twice is an error") {
  const Surroundings here;
  CHECK(here.ReadOne(App("stop_timeout_ms = 700")).policy.stop_timeout == Millis(700));
  CHECK(here.ReadOne(App("listen = 3000")).policy.has_listen());
  CHECK(here.ReadOne(App("[apps.health_check]\ntcp = 80")).health_check.kind ==
        HealthCheck::Kind::kTcp);
  CHECK(here.Errors(App("stop_timeout_secs = 1\nstop_timeout_ms = 700")) ==
        "5:1: apps.api.stop_timeout_ms: \"stop_timeout_secs\" and \"stop_timeout_ms\" say the "
        "same; keep one of them");
}

TEST_CASE("max_restarts = 0 is never, and the lower of the two limits holds") {
  const Surroundings here;
  CHECK(here.ReadOne(App("restart_policy = \"always\"\nmax_restarts = 0")).policy.restart ==
        RestartPolicy::kNo);
  CHECK(here.Notes(App("max_restarts = 0"))
            .contains("apps.api.max_restarts: 0 means never, as in OxMgr"));
  const Policy limited = here.ReadOne(App("crash_restart_limit = 3")).policy;
  CHECK(limited.max_restarts == 4);
  CHECK(limited.restart_window == Millis(300'000));
  CHECK(here.ReadOne(App("max_restarts = 2\ncrash_restart_limit = 3")).policy.max_restarts == 2);
  CHECK(here.ReadOne(App("crash_restart_limit = 0")).policy.max_restarts == 10);
}

TEST_CASE("cluster_mode and reuse_port share one port that Oxherd owns") {
  const Surroundings here;
  const std::string cluster =
      App("cluster_mode = true\ncluster_instances = 3\n"
          "env = { PORT = \"3000\" }");
  const Spec api = here.ReadOne(cluster);
  CHECK(api.policy.instances == 3);
  REQUIRE(api.policy.listen.size() == 1);
  CHECK(api.policy.listen[0].address.ends_with(":3000"));
  CHECK(here.Notes(cluster) ==
        "4:16: apps.api.cluster_mode: 3 instances on port 3000, which Oxherd owns: a reload loses "
        "no connection");
  CHECK(here.ReadOne(App("cluster_mode = true\nenv = { PORT = 80 }")).policy.instances == 4);
  CHECK(here.ReadOne(App("reuse_port = true\nenv = { PORT = 80 }")).policy.has_listen());
  CHECK(here.ReadOne(App("cluster_mode = true")).policy.auto_listen == AutoListen::kUnknown);
  CHECK(here.ReadOne(App("cluster_mode = false\ncluster_instances = 3")).policy.instances == 1);

  const Spec hinted = here.ReadOne(App("reuse_port = true"));
  CHECK_FALSE(hinted.policy.has_listen());
  CHECK(Last(hinted, "SO_REUSEPORT") == "1");
  CHECK(here.Notes(App("reuse_port = true")).contains("the port is not known"));
}

TEST_CASE("the port of cluster_mode may stand in an env file or in the profile") {
  Surroundings here;
  here.files["/srv/app/.env"] = "PORT=3100\n";
  const Spec from_file = here.ReadOne(App("cluster_mode = true\nenv_file = \".env\""));
  REQUIRE(from_file.policy.listen.size() == 1);
  CHECK(from_file.policy.listen[0].address.ends_with(":3100"));
  here.options.profile = "prod";
  const Spec from_profile =
      here.ReadOne(App("cluster_mode = true\n[apps.profiles.prod]\nrestart_policy = \"never\"\n"
                       "[apps.profiles.prod.env]\nPORT = \"3200\""));
  REQUIRE(from_profile.policy.listen.size() == 1);
  CHECK(from_profile.policy.listen[0].address.ends_with(":3200"));
  CHECK(from_profile.policy.restart == RestartPolicy::kNo);
  CHECK(from_profile.profile == "prod");
}

TEST_CASE("a plain curl is asked as a URL, of the instance that is meant") {
  const Surroundings here;
  const std::string listens = "env = { PORT = 80 }\nreuse_port = true\ninstances = 2\n";
  const Spec api =
      here.ReadOne(App(listens + "health_cmd = \"curl -fsS --max-time 4 http://127.0.0.1:80/h\""));
  CHECK(api.health_check.kind == HealthCheck::Kind::kHttp);
  CHECK(api.health_check.target == "http://127.0.0.1:80/h");
  CHECK(api.policy.ready_by == ReadyBy::kHealth);
  // One that would be happy with an error, or does more, stays what it is.
  for (const char* command : {"curl -s http://127.0.0.1:80/h", "curl -f -X POST http://127.0.0.1/",
                              "curl -f http://127.0.0.1:80/h | grep ok"}) {
    CHECK(here.ReadOne(App("health_cmd = \"" + std::string(command) + "\"")).health_check.kind ==
          HealthCheck::Kind::kCommand);
  }
  // Several instances on a port that is not ours cannot be told apart.
  CHECK(here.ReadOne(App("instances = 2\nhealth_cmd = \"curl -f http://127.0.0.1:80/h\""))
            .health_check.kind == HealthCheck::Kind::kCommand);
}

TEST_CASE("where Oxherd does better or differs, there is a note") {
  const Surroundings here;
  const std::string notes = here.Notes(
      App("stop_timeout_secs = 30\nstart_order = 3\nhealth_cmd = \"curl -f "
          "http://127.0.0.1/h\"\nlisten = 80\n[[apps]]\nname = \"worker\"\ncommand = "
          "\"w\"\ndepends_on = [\"api\"]\n[[apps]]\nname = \"old\"\ncommand = \"o\"\ndisabled = "
          "true\n[deploy.production]\nuser = \"x\""));
  CHECK(notes ==
        "4:21: apps.api.stop_timeout_secs: is kept to the end here; OxMgr caps it\n"
        "5:15: apps.api.start_order: is not used: what does not depend on each other starts at the "
        "same time; write depends_on\n"
        "6:14: apps.api.health_cmd: is asked as endpoint = \"http://127.0.0.1/h\", of the very "
        "instance that is meant\n"
        "11:14: apps.worker.depends_on: waits until they are ready; in OxMgr it is only the order "
        "of starting\n"
        "12:1: apps.old: is disabled, and left out\n"
        "16:2: deploy: is OxMgr's, and left alone");
}

TEST_CASE("mistakes in [[apps]] are located, all at once, and unknown keys are no silence") {
  const Surroundings here;
  CHECK(
      here.Errors("version = 2\n[[apps]]\ncommand = \"x\"\n[[apps]]\nname = \"api\"\n[[apps]]\n"
                  "name = \"api\"\ncommand = \"y\"\nstop_timeout = 5\nrestart_policy = "
                  "\"sometimes\"\nwait_ready = true\n[defaults]\ngit_repo = \"x\"") ==
      "1:11: version: found the number 2, expected 1\n"
      "2:1: apps: an app without a name; add name = \"api\"\n"
      "4:1: apps.api: no command; add command = \"what to run\"\n"
      "7:8: apps.api: /srv/app/Oxfile.toml:5 defines \"api\" already; rename one of them\n"
      "13:12: defaults.git_repo: \"git_repo\": Oxherd pulls nothing by itself; webhook = { secret "
      "= …, on_push = [\"git pull --ff-only\", \"oxherd reload NAME\"] } does so at a push");
  CHECK(here.Errors(App("stop_timeout = 5\nrestart_policy = \"sometimes\"\nwait_ready = true")) ==
        "4:1: apps.api.stop_timeout: unknown key; did you mean \"stop_timeout_secs\"?\n"
        "5:18: apps.api.restart_policy: \"sometimes\" is not known; write \"always\", "
        "\"on_failure\", \"never\" or \"on-failure\"\n"
        "6:14: apps.api.wait_ready: waits for the health check, and there is none; add health_cmd, "
        "or write ready = \"notify\" for a program that says so itself");
  CHECK(here.Errors(App("unified_logs = true")).contains("add logs = { combined = \"…\" }"));
  CHECK(here.Read(App("unified_logs = true\nlogs = { combined = \"all.log\" }"))
            .specs[0]
            .logs.err_path == "/srv/app/all.log");
  CHECK(here.Errors("apps = 3") ==
        "1:8: apps: found the number 3, expected [[apps]] with name and "
        "command");
  CHECK(here.Errors("apps = []") ==
        "1:8: apps: defines no service; add [[apps]] with name and command");
}

TEST_CASE("OxMgr's pull is refused by name, unless it is off, and says what there is for it") {
  const Surroundings here;
  for (const char* key : {"git_repo = \"x\"", "git_ref = \"x\"", "pull_secret = \"x\""}) {
    CAPTURE(key);
    CHECK(here.Errors(App(key)).contains("does so at a push"));
  }
  CHECK(here.Read(App("ignore_watch = []\nwatch_delay_secs = 0\ncgroup_enforce = false\n"
                      "max_cpu_percent = 0.0"))
            .specs.size() == 1);
}

TEST_CASE("OxMgr's limits are ours, over the whole tree; 0 is none") {
  const Surroundings here;
  const Limits limits =
      here.Read(App("max_memory_mb = 300\nmax_cpu_percent = 8.5")).specs.at(0).limits;
  CHECK(limits.memory_bytes == 300UL * 1024 * 1024);
  CHECK(limits.cpu_permille == 85);
  CHECK(limits.cpu_window == Millis(60000));
  CHECK(here.Read(App("cgroup_enforce = true")).specs.at(0).limits.enforce);
  CHECK_FALSE(
      here.Read(App("max_memory_mb = 0\nmax_cpu_percent = 0")).specs.at(0).limits.are_watched());
}

TEST_CASE("the two dialects do not stand in one file") {
  CHECK(Surroundings().Errors(App("") + Api("")) ==
        "1:3: apps: [[apps]] and [processes.NAME] cannot stand in one file; keep [processes.NAME]");
}

TEST_CASE("the page for OxMgr's users names every key of its dialect") {
  std::ifstream in(OXHERD_SOURCE_DIR "/examples/oxmgr-apps/README.md");
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  REQUIRE_FALSE(page.empty());
  for (const Key& key : KeysOf(Section::kApp)) {
    if (key.name == "logs") continue;
    CHECK_MESSAGE(page.contains("\n| `" + std::string(key.name) + "` |"), std::string(key.name));
  }
  for (const Key& key : KeysOf(Section::kAppLogs)) {
    CHECK_MESSAGE(page.contains("\n| `logs." + std::string(key.name) + "` |"),
                  std::string(key.name));
  }
}

}  // namespace
}  // namespace oxherd
