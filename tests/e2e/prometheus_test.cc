// Prometheus itself, as Debian packages it, scrapes a daemon.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("prometheus");

constexpr const char* kPrometheus = "/usr/bin/prometheus";

constexpr std::string_view kFile = R"(
[supervisor]
http = "127.0.0.1:@port"
[processes.api]
command = "@misbehave on-term 0 then http LISTEN_FDS status 200"
listen = "127.0.0.1:@port+1"
instances = 2
min_uptime_ms = 100
drain_ms = 50
health_check = { endpoint = "http://127.0.0.1:@port+1/" }
)";

constexpr std::string_view kScrape = R"(
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: oxherd
    static_configs: [{ targets: ["127.0.0.1:@port"] }]
)";

// What its HTTP API answers, of which "data" is the result.
Json Api(std::uint16_t port, const std::string& path) {
  const HttpAnswer answer = HttpGet(port, "/api/v1/" + path);
  if (answer.status != 200) return {};
  const Json parsed = Json::parse(answer.body, nullptr, false);
  return parsed.is_discarded() || parsed["status"] != "success" ? Json() : parsed["data"];
}

// The value of the only series that a query finds; NaN if it is not one.
double ValueOf(std::uint16_t port, const std::string& query) {
  const Json found = Api(port, "query?query=" + query);
  if (!found.is_object() || found["result"].size() != 1) return std::nan("");
  return std::stod(found["result"][0]["value"][1].get<std::string>());
}

// A server of its own in the home's folder; it is killed with the test.
Command BeginPrometheus(const Home& home, std::uint16_t port) {
  home.Write("prometheus.yml", kScrape);
  Invocation run;
  run.folder = home.folder();
  run.words = {kPrometheus, "--config.file=prometheus.yml",
               "--storage.tsdb.path=" + (home.folder() / "series").string(),
               "--web.listen-address=127.0.0.1:" + std::to_string(port), "--log.level=error"};
  return Command(run);
}

TEST_CASE("a Prometheus that scrapes the daemon finds it up, and every instance in its state") {
  if (!std::filesystem::exists(kPrometheus)) {
    MESSAGE("skipped: no Prometheus (apt-get install prometheus)");
    return;
  }
  const Home home;
  home.Oxfile(kFile);
  home.MustRun({"start"});
  const std::uint16_t port = home.port(2);
  const Command prometheus = BeginPrometheus(home, port);
  const auto target = [&] {
    const Json targets = Api(port, "targets");
    const bool has_one = targets.is_object() && targets["activeTargets"].size() == 1;
    return has_one ? targets["activeTargets"][0] : Json();
  };
  WaitUntil(
      "the target is up",
      [&] {
        const Json now = target();
        return now.is_object() && now["health"] == "up";
      },
      seconds(30));
  CHECK(target()["lastError"] == "");
  CHECK(ValueOf(port, "up") == 1);
  CHECK(ValueOf(port, "count(oxherd_instance_state%7Bstate=%22ready%22%7D==1)") == 2);
  CHECK(ValueOf(port, "min(oxherd_instance_memory_bytes)") > 1000);
  CHECK(ValueOf(port, "count(oxherd_instance_health_latency_seconds)") == 2);

  home.MustRun({"reload"});
  const std::string reloads =
      "oxherd_service_reloads_total%7Bservice=%22api%22,outcome=%22reloaded%22%7D";
  WaitUntil("the reload is counted", [&] { return ValueOf(port, reloads) == 1; });
  home.KillDaemon();
  WaitUntil("the next daemon is scraped", [&] {
    return ValueOf(port, "count(oxherd_instance_state%7Bstate=%22ready%22%7D==1)") == 2 &&
           ValueOf(port, "up") == 1;
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
