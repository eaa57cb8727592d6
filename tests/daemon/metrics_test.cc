#include "daemon/http/metrics.h"

#include <doctest/doctest.h>

#include "base/sha256.h"
#include "daemon/http/http_api.h"

namespace oxherd {
namespace {

Figures SampleFigures() {
  Figures figures;
  figures.daemon.version = "0.1.0";
  figures.daemon.uptime_ms = 1500;
  control::ServiceDetail& api = figures.services.emplace_back();
  api.name = "api";
  api.ready = true;
  api.last_reload.emplace().succeeded = false;
  control::PoolRow& pool = api.pools.emplace_back();
  pool.address = ":3000";
  control::PoolRow::Socket& socket = pool.sockets.emplace_back();
  socket.number = 1;
  socket.waiting = 7;
  api.swept = 2;
  control::Row& row = api.instances.emplace_back();
  row.service = "api";
  row.slot = 1;
  row.state = "ready";
  row.restarts = 4;
  row.cpu_percent = 12.5;
  row.memory_bytes = 1024;
  row.health = control::Health{control::Health::Kind::kGood, 3, ""};
  figures.reloads.push_back({.done = 5, .rolled_back = 1});
  return figures;
}

bool Has(const std::string& text, std::string_view line) {
  return text.find("\n" + std::string(line) + "\n") != std::string::npos;
}

TEST_CASE("metrics: every figure has its family, its labels and its unit") {
  const std::string text = MetricsText(SampleFigures(), MetricsFormat::kPrometheus);
  CHECK(Has(text, "# TYPE oxherd_instance_restarts_total counter"));
  CHECK(Has(text, "oxherd_instance_restarts_total{service=\"api\",instance=\"1\"} 4"));
  CHECK(Has(text, "oxherd_instance_cpu_usage_ratio{service=\"api\",instance=\"1\"} 0.125"));
  CHECK(Has(text, "oxherd_instance_memory_bytes{service=\"api\",instance=\"1\"} 1024"));
  CHECK(Has(text, "oxherd_instance_health_latency_seconds{service=\"api\",instance=\"1\"} 0.003"));
  CHECK(Has(text, "oxherd_instance_state{service=\"api\",instance=\"1\",state=\"ready\"} 1"));
  CHECK(Has(text, "oxherd_instance_state{service=\"api\",instance=\"1\",state=\"failed\"} 0"));
  CHECK(Has(text, "oxherd_service_reloads_total{service=\"api\",outcome=\"rolled_back\"} 1"));
  CHECK(Has(text, "oxherd_service_last_reload_success{service=\"api\"} 0"));
  CHECK(Has(text,
            "oxherd_accept_queue_connections{service=\"api\",address=\":3000\",socket=\"1\"} 7"));
  CHECK(Has(text, "oxherd_daemon_uptime_seconds 1.5"));
  CHECK_FALSE(text.ends_with("# EOF\n"));
}

TEST_CASE("metrics: OpenMetrics names a counter's family without _total, and ends with EOF") {
  const std::string text = MetricsText(SampleFigures(), MetricsFormat::kOpenMetrics);
  CHECK(Has(text, "# TYPE oxherd_instance_restarts counter"));
  CHECK(Has(text, "oxherd_instance_restarts_total{service=\"api\",instance=\"1\"} 4"));
  CHECK(text.ends_with("\n# EOF\n"));
  CHECK(FormatFor("application/openmetrics-text;version=1.0.0,text/plain;q=0.5") ==
        MetricsFormat::kOpenMetrics);
  CHECK(FormatFor("*/*") == MetricsFormat::kPrometheus);
}

TEST_CASE("http: a token is the same or it is not, whatever their lengths") {
  CHECK(IsSameSecret("0123456789abcdef", "0123456789abcdef"));
  CHECK_FALSE(IsSameSecret("0123456789abcdee", "0123456789abcdef"));
  CHECK_FALSE(IsSameSecret("0123456789abcdef0123456789abcdef", "0123456789abcdef"));
  CHECK_FALSE(IsSameSecret("", "0123456789abcdef"));
  CHECK_FALSE(IsSameSecret("", ""));
  CHECK_FALSE(IsSameSecret("x", ""));
}

TEST_CASE("http: names in a path are decoded, or refused") {
  CHECK(DecodePath("api%2F0") == "api/0");
  CHECK(DecodePath("api/0") == "api/0");
  CHECK(DecodePath("%40web") == "@web");
  for (const char* wrong : {"%", "%2", "%zz", "%00", "a%"}) CHECK_FALSE(DecodePath(wrong));
}

}  // namespace
}  // namespace oxherd
