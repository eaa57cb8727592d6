// `jlist` and `prettylist`, beside what a real PM2 printed (payloads/pm2_jlist.json; its variables
// and further fields are left out there).
#include "control/pm2_list.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace oxherd::control {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kNow = 1'763'787'900'000;

ServiceDetail Api() {
  ServiceDetail service;
  service.name = "api";
  service.name_space = "web";
  service.command = "node ./dist/server.js --port 3000";
  service.folder = "/srv/shop";
  service.restart = "always, at most 10 crashes in a row";
  service.pools.resize(1);
  for (SlotIndex slot = 0; slot < 2; ++slot) {
    Row row;
    row.id = 3 + slot;
    row.service = "api";
    row.slot = slot;
    row.state = "ready";
    row.pid = Pid(48213 + slot);
    row.uptime_ms = 134'000;
    row.since_unix_ms = kNow - 100;
    row.restarts = 2;
    row.crashes = 1;
    row.cpu_percent = 1.5499;
    row.memory_bytes = 62ULL * 1024 * 1024;
    row.out_log = "/logs/api/0.out.log";
    row.err_log = "/logs/api/0.err.log";
    service.instances.push_back(row);
  }
  return service;
}

ServiceDetail Once() {
  ServiceDetail service;
  service.name = "once";
  service.command = "echo 'a b' > out";
  service.folder = "/srv/shop";
  service.restart = "never";
  Row row;
  row.service = "once";
  row.state = "exited";
  row.since_unix_ms = kNow - 5000;
  row.last_exit = ExitStatus::Code(1);
  row.out_log = row.err_log = "/logs/once.log";
  service.instances.push_back(row);
  return service;
}

Json List(const std::vector<ServiceDetail>& services) {
  return Json::parse(EncodePm2List(services, kNow, Pm2Form::kLine));
}

TEST_CASE("jlist is PM2's array: its elements, and the types of all that is in them") {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/tests/control/payloads/pm2_jlist.json");
  const Json theirs = Json::parse(file);
  const Json ours = List({Api(), Once()});
  REQUIRE(ours.size() == 3);
  const Json* const stopped = &theirs.at(2);  // in their list it has an exit code
  for (const Json& process : ours) {
    REQUIRE(process.size() == theirs.at(0).size());
    for (const auto& [key, value] : theirs.at(0).items()) {
      REQUIRE_MESSAGE(process.contains(key), key);
      CHECK_MESSAGE(process.at(key).is_number() == value.is_number(), key);
      CHECK_MESSAGE(process.at(key).is_string() == value.is_string(), key);
    }
    for (const auto& [key, value] : process.at("pm2_env").items()) {
      const Json& example = stopped->at("pm2_env").contains(key) ? *stopped : theirs.at(0);
      REQUIRE_MESSAGE(example.at("pm2_env").contains(key), key);
      const Json& their_value = example.at("pm2_env").at(key);
      const bool is_alike =
          value.is_number() ? their_value.is_number() : value.type() == their_value.type();
      CHECK_MESSAGE(is_alike, key);
    }
  }
}

TEST_CASE("jlist says of an instance what PM2's scripts look for") {
  const Json list = List({Once(), Api()});
  CHECK(list.at(0).at("name") == "once");  // by id
  const Json& api = list.at(2);
  CHECK(api.at("pid") == 48214);
  CHECK(api.at("pm_id") == 4);
  CHECK(api.at("monit") == Json{{"memory", 62 * 1024 * 1024}, {"cpu", 1.5}});
  const Json& env = api.at("pm2_env");
  CHECK(env.at("status") == "online");
  CHECK(env.at("restart_time") == 2);
  CHECK(env.at("unstable_restarts") == 1);
  CHECK(env.at("pm_uptime") == kNow - 134'000);
  CHECK(env.at("created_at") == kNow - 134'000);
  CHECK(env.at("exec_mode") == "cluster_mode");
  CHECK(env.at("instances") == 2);
  CHECK(env.at("NODE_APP_INSTANCE") == 1);
  CHECK(env.at("namespace") == "web");
  CHECK(env.at("pm_exec_path") == "/srv/shop/dist/server.js");
  CHECK(env.at("exec_interpreter") == "node");
  CHECK(env.at("args") == Json{"--port", "3000"});
  CHECK(env.at("pm_cwd") == "/srv/shop");
  CHECK(env.at("pm_out_log_path") == "/logs/api/0.out.log");
  CHECK(env.at("merge_logs") == false);
  CHECK(env.at("autorestart") == true);
  CHECK_FALSE(env.contains("exit_code"));

  const Json& once = list.at(0).at("pm2_env");
  CHECK(list.at(0).at("pid") == 0);
  CHECK(once.at("status") == "stopped");
  CHECK(once.at("pm_uptime") == kNow - 5000);
  CHECK(once.at("exec_mode") == "fork_mode");
  CHECK(once.at("namespace") == "default");
  CHECK(once.at("pm_exec_path") == "/bin/sh");
  CHECK(once.at("args") == Json{"-c", "echo 'a b' > out"});
  CHECK(once.at("merge_logs") == true);
  CHECK(once.at("autorestart") == false);
  CHECK(once.at("exit_code") == 1);
}

TEST_CASE("every state has one of PM2's words") {
  const std::set<std::string> words = {"online",  "stopping",  "stopped",
                                       "errored", "launching", "waiting restart"};
  ServiceDetail service = Once();
  for (const char* state : {"waiting", "starting", "ready", "unhealthy", "draining", "stopping",
                            "killing", "backoff", "exited", "failed", "stopped", "done"}) {
    service.instances.at(0).state = state;
    const std::string status = List({service}).at(0).at("pm2_env").at("status");
    CHECK_MESSAGE(words.contains(status), state);
    CHECK_MESSAGE((status == "stopped") == (state == std::string_view("exited") ||
                                            state == std::string_view("stopped") ||
                                            state == std::string_view("done")),
                  state);
  }
}

TEST_CASE("jlist is one line, prettylist many, and without services an empty array") {
  const std::string line = EncodePm2List({Api()}, kNow, Pm2Form::kLine);
  CHECK(line.find('\n') == line.size() - 1);
  const std::string pretty = EncodePm2List({Api()}, kNow, Pm2Form::kIndented);
  CHECK(pretty.starts_with("[\n  {\n    \"pid\": 48213,\n"));
  CHECK(Json::parse(pretty) == Json::parse(line));
  CHECK(EncodePm2List({}, kNow, Pm2Form::kLine) == "[]\n");
}

}  // namespace
}  // namespace oxherd::control
