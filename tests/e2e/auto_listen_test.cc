// listen = "auto" with a program that knows nothing of it: Node's http server.
#include <doctest/doctest.h>

#include <filesystem>
#include <set>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("auto");

constexpr std::string_view kServer =
    "require('http').createServer((q, r) => r.end(String(process.pid)))"
    ".listen(Number(process.env.AT))\n";

bool HasNode() {
  if (std::filesystem::exists("/usr/bin/node")) return true;
  MESSAGE("skipped: there is no node");
  return false;
}

std::set<std::string> Answering(std::uint16_t port, int requests = 40) {
  std::set<std::string> pids;
  for (int i = 0; i < requests; ++i) {
    const HttpAnswer answer = HttpGet(port, "/");
    CHECK_MESSAGE(answer.status == 200, answer.error);
    pids.insert(answer.body);
  }
  return pids;
}

std::set<std::string> Pids(const Home& home, const std::string& service) {
  std::set<std::string> pids;
  for (const Instance& each : home.List()) {
    if (each.service == service) pids.insert(std::to_string(each.pid));
  }
  return pids;
}

void Serve(const Home& home, int offset) {
  home.Oxfile(
      "[processes.api]\ncommand = \"node server.js\"\nlisten = \"auto\"\ninstances = 3\n"
      "min_uptime_ms = 100\nenv.AT = \"@port+" +
      std::to_string(offset) + "\"\n");
}

TEST_CASE("the first address that the first instance binds is shared by all, and reloads too") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js", kServer);
  Serve(home, 1);
  const Outcome started = home.MustRun({"start"});
  CHECK_SAYS(started.out, "which its instances share from now on");
  CHECK(Pids(home, "api").size() == 3);
  CHECK(Answering(home.port(1)) == Pids(home, "api"));
  const Json status = home.RunJson({"status", "api"}).at("details").at(0);
  CHECK(status.at("sockets").size() == 1);
  for (const Json& row : status.at("instances")) CHECK(row.at("crashes") == 0);

  const std::set<std::string> before = Pids(home, "api");
  const Outcome again = home.MustRun({"reload"});
  CHECK_FALSE(Contains(again.all(), "share from now on"));  // it is known
  CHECK(Answering(home.port(1)) == Pids(home, "api"));
  for (const std::string& pid : Pids(home, "api")) CHECK_FALSE(before.contains(pid));
  CHECK(home.RunJson({"apply"}).at("services").at(0).at("result") == "unchanged");

  // A new version that binds another port takes the service there.
  Serve(home, 2);
  home.MustRun({"reload"}, seconds(40));
  CHECK(Answering(home.port(2)) == Pids(home, "api"));
  WaitUntil("the old one is free", [&] { return IsFree(home.port(1)); });

  home.KillDaemon();
  CHECK(Answering(home.port(2)) == Pids(home, "api"));
  home.MustRun({"stop"});
  CHECK(IsFree(home.port(2)));
  home.MustRun({"start"});
  CHECK(Answering(home.port(2)) == Pids(home, "api"));
}

TEST_CASE("start server.js -i 3: the instances of a typed Node program share their port") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js", kServer);
  home.MustRun({"start", "server.js", "-i", "3", "--env", "AT=" + std::to_string(home.port())});
  CHECK(Pids(home, "server").size() == 3);
  CHECK(Answering(home.port()) == Pids(home, "server"));
  home.MustRun({"reload", "server"}, seconds(40));
  CHECK(Answering(home.port()) == Pids(home, "server"));
  home.MustRun({"delete", "server"});
}

TEST_CASE("a program that binds nothing is started all the same, one after the first") {
  if (!HasNode()) return;
  const Home home;
  home.Write("worker.js", "console.log('works'); setInterval(() => {}, 1000)\n");
  home.Oxfile(
      "[processes.worker]\ncommand = \"node worker.js\"\nlisten = \"auto\"\ninstances = 2\n"
      "ready_timeout_ms = 2000\n");
  home.MustRun({"start"});
  CHECK(home.Log("worker/0") == "works\n");
  home.WaitForLog("worker/1", "works\n");
}

}  // namespace
}  // namespace oxherd::e2e
