// Files of other supervisors, profiles, several files at once, and names as people type them.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>

#include "tests/e2e/express.h"
#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

TEST_SUITE_BEGIN("dialects");

TEST_CASE("a profile is remembered by reload, by a new daemon and after a boot") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = ["/bin/sh", "-c", "echo level=$LEVEL; exec sleep 1000"]
env = { LEVEL = "base" }
min_uptime_ms = 10
[processes.api.profiles.production.env]
LEVEL = "production"
[processes.api.profiles.staging.env]
LEVEL = "staging"
)");
  home.MustRun({"start", "--env", "production"});
  home.WaitForLog("api/0", "level=production\n");
  home.MustRun({"reload"});
  CHECK(CountOf(home.Log("api/0"), "level=production\n") == 2);
  home.KillDaemon();
  home.MustRun({"reload", "api"});
  CHECK(CountOf(home.Log("api/0"), "level=production\n") == 3);
  home.MustRun({"reload", "api", "--env", "staging"});
  home.WaitForLog("api/0", "level=staging\n");
  home.MustRun({"daemon", "stop"});
  home.MustRun({"daemon", "start"});
  home.WaitForState("api/0", "ready");
  CHECK(CountOf(home.Log("api/0"), "level=staging\n") == 2);
  home.MustRun({"reload", "--env", ""});
  home.WaitForLog("api/0", "level=base\n");

  const pid_t pid = home.Pid("api/0");
  const Outcome wrong = home.Run({"reload", "--env", "prodution"});
  CHECK(wrong.exit_code == 2);
  CHECK_SAYS(wrong.err, "did you mean --env production?");
  CHECK(home.Pid("api/0") == pid);
}

TEST_CASE("several files, --only and patterns") {
  const Home home;
  home.Write("one.toml",
             "[processes.api]\ncommand = \"sleep 1000\"\nmin_uptime_ms = 10\n"
             "[processes.apt]\ncommand = \"sleep 1000\"\nmin_uptime_ms = 10\n");
  home.Write("two.toml", "[processes.mail]\ncommand = \"sleep 1000\"\nmin_uptime_ms = 10\n");
  home.Write("clash.toml", "[processes.mail]\ncommand = \"sleep 1000\"\n");
  const Outcome clash = home.Run({"validate", "two.toml", "clash.toml"});
  CHECK(clash.exit_code == 2);
  CHECK_SAYS(clash.err, "mail is defined by two.toml already, and by clash.toml");
  CHECK(home.Run({"start", "two.toml", "clash.toml"}).exit_code == 2);
  CHECK(home.List().empty());

  home.MustRun({"start", "one.toml", "two.toml", "--only", "api,mail"});
  CHECK(home.List().size() == 2);
  home.MustRun({"apply", "one.toml", "two.toml"});
  CHECK(home.List().size() == 3);
  CHECK(home.Run({"stop", "/nobody/"}).exit_code == 2);
  home.MustRun({"stop", "/^ap/"});
  CHECK(home.Get("api/0").state == "stopped");
  CHECK(home.Get("apt/0").state == "stopped");
  CHECK(home.Get("mail/0").state == "ready");
  CHECK(home.MustRun({"pid", "mail:0"}).out == std::to_string(home.Pid("mail/0")) + "\n");
  CHECK(Json::parse(home.MustRun({"jlist", "--json"}).out).contains("instances"));
  const std::string line = home.MustRun({"jlist"}).out;
  CHECK(CountOf(line, "\n") == 1);
  const Json pm2 = Json::parse(line);
  REQUIRE(pm2.size() == 3);
  for (const Json& process : pm2) {
    const Instance instance = home.Get(process.at("name").get<std::string>() + "/0");
    CHECK(process.at("pid") == instance.pid);
    const bool is_online = instance.state == "ready";
    CHECK(process.at("pm2_env").at("status") == (is_online ? "online" : "stopped"));
    CHECK(fs::exists(process.at("pm2_env").at("pm_out_log_path").get<std::string>()));
  }
  CHECK(Json::parse(home.MustRun({"prettylist"}).out).size() == 3);
  home.MustRun({"daemon", "stop"});
  const Outcome nothing = home.Run({"jlist"});
  CHECK(nothing.out == "[]\n");
  CHECK(nothing.exit_code == 3);
  CHECK_SAYS(home.MustRun({"save"}).out, "nothing to do");
}

TEST_CASE("run takes a profile and --only") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = ["/bin/sh", "-c", "echo level=$LEVEL; exec sleep 1000"]
[processes.api.profiles.production.env]
LEVEL = "production"
[processes.other]
command = "sleep 1000"
)");
  CHECK(home.Run({"run", "--only", "ap"}).exit_code == 2);
  Command running = home.Begin({"run", "--env", "production", "--only", "api"});
  running.ReadUntil("level=production");
  CHECK_FALSE(home.Find("other/0").has_value());
  running.Signal(SIGTERM);
  running.Wait();
}

TEST_CASE("OxMgr's own file runs as it stands, and a reload keeps answering") {
  if (!HasNode() || !IsFree(3000)) {
    MESSAGE("skipped: no node on the PATH, or something else listens on port 3000");
    return;
  }
  const Home home;
  home.CopyFromSource("examples/oxmgr-apps");
  const Outcome valid = home.MustRun({"validate"});
  CHECK_SAYS(valid.out, "2 processes: api (×2), worker");
  CHECK_SAYS(valid.out, "apps.api.cluster_mode: 2 instances on port 3000");
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");
  CHECK_SAYS(HttpGet(3000, "/").body, "hello from ");
  CHECK_SAYS(home.Log("worker/0"), "worker 0 begins");
  home.MustRun({"reload", "api"});
  CHECK(home.Pid("api/0") != before);
  CHECK(HttpGet(3000, "/health").status == 200);
}

TEST_CASE("PM2's ecosystem file starts in one step, and one that throws touches nothing") {
  if (!HasNode()) {
    MESSAGE("skipped: no node on the PATH");
    return;
  }
  const Home home;
  home.Write("ecosystem.config.js", R"(
console.log('configuring');
module.exports = { apps: [{
  name: 'api', script: './work.js', kill_timeout: 4000,
  env: { LEVEL: 'base' }, env_production: { LEVEL: 'production' } }] };
)");
  home.Write("work.js",
             "console.log('level=' + process.env.LEVEL); setInterval(() => {}, 1000);\n");
  home.MustRun({"start", "ecosystem.config.js", "--env", "production"});
  home.WaitForLog("api/0", "level=production\n");
  const pid_t pid = home.Pid("api/0");

  home.Write("ecosystem.config.js", "const a = 1;\n\n  throw new Error('no database');\n");
  const Outcome thrown = home.Run({"reload", "ecosystem.config.js"});
  CHECK(thrown.exit_code == 2);
  CHECK_SAYS(thrown.err, "ecosystem.config.js:3:");
  CHECK_SAYS(thrown.err, "Error: no database");
  home.Write("ecosystem.config.js", "module.exports = {\n  apps: [\n");
  CHECK_SAYS(home.Run({"reload", "ecosystem.config.js"}).err, "SyntaxError");
  CHECK(home.Pid("api/0") == pid);

  home.Write("ecosystem.config.mjs", "export default { apps: [{ script: 'work.js' }] };\n");
  const Outcome printed = home.MustRun({"import", "ecosystem.config.mjs", "--out", "Oxfile.toml"});
  CHECK_SAYS(home.MustRun({"validate"}).out, "1 process: work");
  CHECK(home.Run({"import", "ecosystem.config.mjs", "--out", "Oxfile.toml"}).exit_code == 2);
  CHECK_SAYS(home.Run({"import", "none.config.js"}).err, "No such file");
}

TEST_CASE("the example of PM2's starts as it stands, and its profile with --env") {
  if (!HasNode() || !IsFree(3000)) {
    MESSAGE("skipped: no node on the PATH, or something else listens on port 3000");
    return;
  }
  const Home home;
  home.CopyFromSource("examples/pm2");
  const Outcome started = home.MustRun({"start", "ecosystem.config.js"});
  CHECK_FALSE(Contains(started.err, "not supported yet"));
  CHECK_SAYS(HttpGet(3000, "/").body, "development ");
  home.MustRun({"startOrReload", "ecosystem.config.js", "--env", "production"});
  CHECK_SAYS(HttpGet(3000, "/").body, "production ");
}

TEST_CASE("init writes a valid Oxfile for what is there, and no second one") {
  const Home home;
  home.Write("Procfile", "web: sleep 1000\nnonsense\nworker x\n");
  const Outcome wrong = home.Run({"start", "Procfile"});
  CHECK(wrong.exit_code == 2);
  CHECK_SAYS(wrong.err, "Procfile:2:1: no process; write name: command\n");
  CHECK_SAYS(wrong.err, "Procfile:3:1: ");
  home.Write("Procfile", "web: sleep 1000\nworker: sleep 1000\n");
  CHECK_SAYS(home.MustRun({"import", "Procfile"}).out, "[processes.worker]\n");
  CHECK_SAYS(home.MustRun({"init"}).out, "from Procfile");
  CHECK_SAYS(home.MustRun({"validate"}).out, "2 processes: web, worker");
  CHECK(home.Run({"init"}).exit_code == 2);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
