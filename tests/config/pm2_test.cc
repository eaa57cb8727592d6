#include <algorithm>
#include <string>

#include "config/json_reader.h"
#include "config/pm2_import.h"
#include "config/starter.h"
#include "config/toml_text.h"
#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

const Pm2Source kSource{
    .name = "ecosystem.config.js",
    .folder = "/srv/app",
    .target = "/srv/app",
    .is_file = [](const std::string& path) { return path == "/srv/app/serve"; }};

Value Json(std::string_view text) {
  auto value = ReadJson(text);
  if (!value) FAIL(value.error().message);
  return *value;
}

Pm2Import Import(std::string_view json, const Pm2Source& source = kSource) {
  auto made = OxfileFromEcosystem(Json(json), source);
  if (!made) FAIL(made.error().message);
  return *made;
}

// The services of what was made, which must be a valid Oxfile.
Oxfile Read(const Pm2Import& made, std::optional<std::string> profile = std::nullopt) {
  Surroundings here;
  here.options.profile = std::move(profile);
  CAPTURE(made.text);
  return here.Read(made.text);
}

std::string Refusal(std::string_view json) {
  const auto made = OxfileFromEcosystem(Json(json), kSource);
  REQUIRE_FALSE(made.has_value());
  return made.error().message;
}

TEST_CASE("a Node cluster becomes instances on one owned port, and milliseconds stay so") {
  const Pm2Import made = Import(R"({"apps": [{
    "name": "api", "script": "./server.js", "args": "--port 3000 'a b'", "instances": "max",
    "exec_mode": "cluster", "kill_timeout": 5000, "listen_timeout": 8000, "restart_delay": 250,
    "wait_ready": true, "max_restarts": 16, "min_uptime": "5s", "node_args": "--inspect",
    "env": {"PORT": 3000, "NODE_ENV": "development", "TEXT": "${HOME} \"q\""},
    "env_production": {"NODE_ENV": "production", "PORT": 80}}]})");
  CHECK(made.text.contains("Made from PM2's ecosystem.config.js"));
  const Spec api = Read(made).specs.at(0);
  CHECK(api.command.argv ==
        std::vector<std::string>{"node", "--inspect", "./server.js", "--port", "3000", "a b"});
  CHECK(api.policy.instances == 4);
  REQUIRE(api.policy.listen.size() == 1);
  CHECK(api.policy.listen[0].address.ends_with(":3000"));
  CHECK(api.policy.stop_timeout == Millis(5000));
  CHECK(api.policy.ready_timeout == Millis(8000));
  CHECK(api.policy.restart_delay == Millis(250));
  CHECK(api.policy.ready_by == ReadyBy::kNotify);
  CHECK(api.policy.max_restarts == 16);
  CHECK(api.policy.restart_window == Millis(5000));
  CHECK(api.policy.stop_signal == 2);
  CHECK(std::ranges::count(api.env, EnvEntry("TEXT", "$${HOME} \"q\"")) == 1);

  const Spec production = Read(made, "production").specs.at(0);
  CHECK(production.env.back() == EnvEntry("PORT", "80"));
  CHECK(production.policy.listen.at(0).address.ends_with(":80"));
}

TEST_CASE("a cluster whose port nobody says shares the one that it binds") {
  const Pm2Import made = Import(R"({"apps": [{"script": "app.js", "instances": 2}]})");
  const Spec app = Read(made).specs.at(0);
  CHECK(app.name == "app");
  CHECK(app.policy.instances == 2);
  CHECK(app.policy.auto_listen == AutoListen::kUnknown);
  CHECK(app.policy.reload_strategy == ReloadStrategy::kStartFirst);
  CHECK(made.warnings.empty());
  // The profiles may know it.
  const Pm2Import known =
      Import(R"([{"script": "app.js", "instances": 2, "env_production": {"PORT": "8080"}}])");
  CHECK(Read(known).specs.at(0).policy.instances == 1);
  const Policy policy = Read(known, "production").specs.at(0).policy;
  CHECK(policy.instances == 2);
  CHECK(policy.has_listen());
}

TEST_CASE("a forked app without a port is reloaded stop-first, with increment_var it gets ports") {
  const Spec worker = Read(Import(R"({"script": "work.py", "cwd": "jobs"})")).specs.at(0);
  CHECK(worker.command.argv == std::vector<std::string>{"python3", "work.py"});
  CHECK(worker.working_dir == "/srv/app/jobs");
  CHECK(worker.policy.reload_strategy == ReloadStrategy::kStopFirst);
  const Spec ports = Read(Import(R"({"script": "a.js", "exec_mode": "fork", "instances": 3,
      "increment_var": "PORT", "env": {"PORT": 4000}})"))
                         .specs.at(0);
  CHECK(ports.port_base == 4000);
  CHECK(ports.policy.instances == 3);
}

TEST_CASE("scripts are started as PM2 starts them") {
  const auto command = [](const std::string& app) {
    return Read(Import("{" + app + "}")).specs.at(0).command.argv;
  };
  using Words = std::vector<std::string>;
  CHECK(command(R"("script": "npm", "args": ["run", "start"])") == Words{"npm", "run", "start"});
  CHECK(command(R"("script": "serve")") == Words{"./serve"});
  CHECK(command(R"("script": "npm run start")") == Words{"npm", "run", "start"});
  CHECK(command(R"("script": "a.js", "interpreter": "none")") == Words{"a.js"});
  CHECK(command(R"("script": "a.js", "interpreter": "/opt/bun")") == Words{"/opt/bun", "a.js"});
  CHECK(command(R"("script": "run.sh", "args": "${X}")") == Words{"bash", "run.sh", "$${X}"});
}

TEST_CASE("what has no equivalent, or is not there yet, becomes a comment and a note") {
  const Pm2Import made = Import(R"({"apps": [{"name": "my app", "script": "a.js",
    "max_memory_restart": "300M", "watch": ["src"], "cron_restart": "0 3 * * *",
    "shutdown_with_message": true, "namespace": "web", "stop_exit_codes": [0],
    "kill_signal": "SIGTERM", "out_file": "logs/out.log", "error_file": "/var/log/err.log",
    "time": true, "vizion": false, "autorestart": false, "env": {"A": {"b": 1}}}]})");
  const Spec app = Read(made).specs.at(0);
  CHECK(app.name == "my-app");
  CHECK(app.policy.stop_signal == 15);
  CHECK(app.logs.out_path == "/srv/app/logs/out.log");
  CHECK(app.logs.err_path == "/var/log/err.log");
  CHECK(app.logs.date_format == "%Y-%m-%dT%H:%M:%S");
  const auto warns = [&](std::string_view part) {
    return std::ranges::any_of(made.warnings,
                               [&](const std::string& each) { return each.contains(part); });
  };
  CHECK(warns("\"my app\" is called my-app here"));
  CHECK(warns("shutdown_with_message has no equivalent"));
  CHECK(made.text.contains("# shutdown_with_message = true has no equivalent here\n"));
  CHECK(made.text.contains("# stop_exit_codes = [0] has no equivalent here\n"));
  CHECK(made.text.contains("not a text"));
  CHECK(made.text.contains("\nmemory_mb = 300\n"));
  CHECK(app.limits.memory_bytes == 300UL * 1024 * 1024);
  CHECK(made.text.contains("watch = [\"src\"]"));
  CHECK(made.text.contains("schedule = \"0 3 * * *\""));
}

TEST_CASE("autorestart: false is never restarted") {
  CHECK(Read(Import(R"({"script": "a.js", "autorestart": false})")).specs.at(0).policy.restart ==
        RestartPolicy::kNo);
}

TEST_CASE("for an Oxfile that stands elsewhere folders are absolute") {
  Pm2Source source = kSource;
  source.target = "/home/ann/state";
  const Pm2Import made = Import(R"({"script": "a.js"})", source);
  CHECK(made.text.contains("working_dir = \"/srv/app\"\n"));
}

TEST_CASE("two apps of one name are told apart") {
  const Oxfile file = Read(Import(R"([{"script": "a.js"}, {"script": "b/a.js"}])"));
  REQUIRE(file.specs.size() == 2);
  CHECK(file.specs[1].name == "a-2");
}

TEST_CASE("a module without apps, or an app without a script, is refused with its place") {
  CHECK(Refusal(R"({"deploy": {}})") == "has no apps; it must give { apps: [ { name, script } ] }");
  CHECK(Refusal("3") == "has no apps; it must give { apps: [ { name, script } ] }");
  CHECK(Refusal("[]") == "has no apps; it must give { apps: [ { name, script } ] }");
  CHECK(Refusal(R"({"apps": [{"script": "a"}, {"name": "b"}]})") == "apps[1]: no script");
  CHECK(Refusal(R"({"apps": ["a"]})") == "apps[0]: is no object");
}

TEST_CASE("JSON is read with comments, and a mistake in it has its place") {
  CHECK(ReadJson("{ // one\n \"a\": 1 /* two */ }").has_value());
  const auto broken = ReadJson("{\n  \"a\": 1,\n  b\n}");
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error().position == Position{3, 3});
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += '[';
  CHECK_FALSE(ReadJson(deep).has_value());
}

constexpr std::string_view kDump = R"([
  {"name": "api", "pm_exec_path": "/srv/app/server.js", "pm_cwd": "/srv/app",
   "exec_interpreter": "node", "exec_mode": "cluster_mode", "instances": 2, "pm_id": 0,
   "pm_out_log_path": "/home/ann/.pm2/logs/api-out.log", "kill_timeout": 1600, "node_args": [],
   "env": {"PORT": "3000", "PATH": "/usr/bin", "SSH_TTY": "/dev/pts/0", "NODE_APP_INSTANCE": 0,
           "api": {}, "PM2_HOME": "/home/ann/.pm2", "DATABASE_URL": "postgres://"}},
  {"name": "api", "pm_exec_path": "/srv/app/server.js", "pm_cwd": "/srv/app", "env": {}},
  {"name": "worker", "pm_exec_path": "/srv/app/work.js", "pm_cwd": "/srv/app",
   "exec_interpreter": "node", "exec_mode": "fork_mode", "args": ["-v"], "env": {}}])";

TEST_CASE("PM2's dump: instances are one service, and the shell's variables are left out") {
  const auto made = OxfileFromDump(Json(kDump), kSource);
  REQUIRE(made.has_value());
  const Oxfile file = Read(*made);
  REQUIRE(file.specs.size() == 2);
  CHECK(file.specs[0].policy.instances == 2);
  CHECK(file.specs[0].policy.has_listen());
  CHECK(file.specs[0].policy.stop_timeout == Millis(1600));
  CHECK(file.specs[0].logs.out_path.empty());
  CHECK(file.specs[0].env ==
        std::vector<EnvEntry>{{"PORT", "3000"}, {"DATABASE_URL", "postgres://"}});
  CHECK(made->text.contains(
      "# left out, as PM2 and the shell set them: PATH SSH_TTY NODE_APP_INSTANCE api PM2_HOME\n"));
  CHECK(file.specs[1].command.argv.back() == "-v");
  CHECK(OxfileFromDump(Json("{}"), kSource).error().message.contains("no dump of PM2's"));
  CHECK(OxfileFromDump(Json("[]"), kSource).error().message.contains("holds no process"));
}

TEST_CASE(
    "PM2's dump, as PM2 7 writes it with a home of its own: its logs and its copies stay there") {
  const auto made = OxfileFromDump(Json(R"([
    {"name": "api", "pm_exec_path": "/srv/app/server.js", "pm_cwd": "/srv/app",
     "pm_out_log_path": "/srv/pm2/logs/api-out-0.log", "pm_err_log_path": "/var/log/api.err",
     "env": {"PM2_HOME": "/srv/pm2", "api": "{}", "EMPTY": "{}"}}])"),
                                   kSource);
  REQUIRE(made.has_value());
  CHECK_FALSE(made->text.contains("api-out-0.log"));
  CHECK(made->text.contains("error_log_file = \"/var/log/api.err\"\n"));
  CHECK_FALSE(made->text.contains("api = \"{}\""));
  CHECK(made->text.contains("EMPTY = \"{}\"\n"));
}

TEST_CASE("whatever an ecosystem file says, what is made of it is TOML") {
  for (const char* text :
       {R"({"script": "a\"b\\c\n.js", "name": "\u0000\u0007x"})",
        R"({"script": "a.js", "env": {"a b": "x", "C": "tab\there\u007f"}, "args": [1, true, {}]})",
        R"({"script": "a.js", "kill_timeout": "soon", "instances": {}, "max_memory_restart": "x"})",
        R"({"script": "a.js", "env_": {"A": "1"}, "env_a b": {"B": 1.5}, "watch": {"x": [1]}})"}) {
    CAPTURE(text);
    CHECK(Read(Import(text)).specs.size() == 1);
  }
}

// A folder that exists only in the test.
FolderView Folder(std::map<std::string, std::string> files) {
  return {.name = "shop",
          .read = [files](const std::string& file) -> std::optional<std::string> {
            const auto found = files.find(file);
            if (found == files.end()) return std::nullopt;
            return found->second;
          },
          .has = [files](const std::string& file) { return files.contains(file); },
          .folder_with = [files](const std::string& file) -> std::string {
            return files.contains("shop/" + file) ? "shop" : "";
          }};
}

TEST_CASE("a first Oxfile is made of what the folder holds, and is valid") {
  const auto command = [](const FolderView& folder, std::string_view found) {
    const Starter starter = MakeStarter(folder);
    CHECK(starter.found == found);
    const Oxfile file = Surroundings().Read(starter.text);
    return file.specs[0].name + ": " + file.specs[0].command.argv.at(0) + " " +
           file.specs[0].command.argv.back();
  };
  CHECK(command(
            Folder({{"package.json", R"({"name": "@me/api", "scripts": {"start": "node s.js"}})"}}),
            "package.json") == "api: node s.js");
  CHECK(command(Folder({{"package.json", R"({"scripts": {"start": "NODE_ENV=x node s.js"}})"}}),
                "package.json") == "shop: npm start");
  CHECK(command(Folder({{"package.json", "{}"}, {"index.js", ""}}), "package.json") ==
        "shop: node index.js");
  CHECK(command(Folder({{"Procfile", "# x\nweb: node web.js\nworker:  node work.js\n"}}),
                "Procfile") == "web: node web.js");
  CHECK(command(Folder({{"manage.py", ""}, {"shop/wsgi.py", ""}}), "manage.py") ==
        "shop: gunicorn 0.0.0.0:8000");
  CHECK(command(Folder({{"manage.py", ""}}), "manage.py") == "shop: python3 127.0.0.1:8000");
  CHECK(command(Folder({}), "") == "api: node server.js");
}

}  // namespace
}  // namespace oxherd
