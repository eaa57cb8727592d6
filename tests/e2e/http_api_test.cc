// The HTTP listener: metrics, health and the JSON API, asked by a client.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("http");

constexpr std::string_view kToken = "0123456789abcdef";
constexpr std::string_view kFile = R"(
[supervisor]
http = "127.0.0.1:@port"
http_token = "0123456789abcdef"
[processes.api]
command = "@misbehave on-term 0 then http LISTEN_FDS status 200"
listen = "127.0.0.1:@port+1"
min_uptime_ms = 100
drain_ms = 50
health_check = { endpoint = "http://127.0.0.1:@port+1/" }
)";

HttpAnswer Post(std::uint16_t port, const std::string& path, std::string_view token) {
  const std::string header = "Authorization: Bearer " + std::string(token) + "\r\n";
  return HttpPost(port, path, token.empty() ? "" : header, "");
}

TEST_CASE("metrics and the JSON API say what list and status say") {
  const Home home;
  home.Oxfile(kFile);
  home.MustRun({"start"});
  CHECK(HttpGet(home.port(), "/healthz").body == "ok\n");
  const std::string metrics = HttpGet(home.port(), "/metrics").body;
  CHECK_SAYS(metrics, "oxherd_instance_state{service=\"api\",instance=\"0\",state=\"ready\"} 1\n");
  CHECK_SAYS(metrics, "oxherd_instance_memory_bytes{service=\"api\",instance=\"0\"} ");
  CHECK_SAYS(metrics, "oxherd_accept_queue_connections{service=\"api\"");
  CHECK_SAYS(metrics, "oxherd_instance_health_latency_seconds{service=\"api\"");
  const Json list = Json::parse(HttpGet(home.port(), "/api/list").body);
  CHECK(list["command"] == "list");
  CHECK(list["instances"][0]["pid"] == home.Pid("api/0"));
  const Json status = Json::parse(HttpGet(home.port(), "/api/status/api").body);
  CHECK(status["details"][0]["name"] == "api");
  CHECK(HttpGet(home.port(), "/api/status/nobody").status == 404);
  CHECK(HttpGet(home.port(), "/").status == 404);
  CHECK(HttpGet(home.port(), "/api/stop/api").status == 405);

  home.MustRun({"reload"});
  CHECK_SAYS(HttpGet(home.port(), "/metrics").body,
             "oxherd_service_reloads_total{service=\"api\",outcome=\"reloaded\"} 1\n");
}

TEST_CASE("promtool finds nothing to object to") {
  const char* const promtool = "/usr/bin/promtool";
  if (!std::filesystem::exists(promtool)) {
    MESSAGE("skipped: no promtool (apt-get install prometheus)");
    return;
  }
  const Home home;
  home.Oxfile(kFile);
  home.MustRun({"start"});
  home.Write("metrics.txt", HttpGet(home.port(), "/metrics").body);
  const std::string file = (home.folder() / "metrics.txt").string();
  Invocation check;
  check.words = {"/bin/sh", "-c", std::string(promtool) + " check metrics < " + file};
  const Outcome checked = Command(check).Wait();
  CHECK(checked.exit_code == 0);
  CHECK(checked.all() == "");
}

TEST_CASE("changes need the token, and then do what the command does") {
  const Home home;
  home.Oxfile(kFile);
  home.MustRun({"start"});
  const pid_t old = home.Pid("api/0");
  for (const std::string_view wrong : {"", "0123456789abcdee", "0123456789abcdef0"}) {
    CHECK(Post(home.port(), "/api/stop/api", wrong).status == 401);
  }
  CHECK(home.Pid("api/0") == old);
  const HttpAnswer reloaded = Post(home.port(), "/api/reload/api", kToken);
  CHECK(reloaded.status == 200);
  CHECK(Json::parse(reloaded.body)["services"][0]["result"] == "reloaded");
  CHECK(home.Pid("api/0") != old);
  CHECK(Post(home.port(), "/api/stop/api", kToken).status == 200);
  CHECK(home.Get("api/0").state == "stopped");
  CHECK(Post(home.port(), "/api/start/nobody", kToken).status == 404);
  CHECK(Post(home.port(), "/api/start/api", kToken).status == 200);
  CHECK_FALSE(Contains(home.MustRun({"daemon", "logs", "-n", "1000"}).out, kToken));
}

TEST_CASE("it is off unless a file turns it on, and comes back with the daemon") {
  const Home home;
  home.Oxfile("[processes.api]\ncommand = \"@misbehave on-term 0 then sleep\"\n");
  home.MustRun({"start"});
  CHECK(IsFree(home.port()));
  home.Oxfile(kFile);
  home.MustRun({"reload"});
  CHECK(HttpGet(home.port(), "/healthz").status == 200);
  home.KillDaemon();
  CHECK(home.List().size() == 1);
  CHECK(HttpGet(home.port(), "/healthz").status == 200);
  std::string file(kFile);
  const std::string_view key = "http = \"127.0.0.1:@port\"\n";
  file.replace(file.find(key), key.size(), "http = \"\"\n");
  home.Oxfile(file);
  home.MustRun({"reload"});
  WaitUntil("nobody listens there", [&] { return IsFree(home.port()); }, seconds(5));
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
