// Ways to end a Node server that guides to graceful shutdown name, each under reloads: which of
// them lose requests. The table is advice for the documentation.
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/load/examples.h"
#include "tests/load/proof.h"

namespace oxherd::load {
namespace {

using e2e::Home;

constexpr int kReloads = 10;
constexpr std::size_t kAll = static_cast<std::size_t>(-1);

struct Row {
  std::uint64_t fresh = 0;
  std::uint64_t kept_alive = 0;
};

Counts Reloaded(const Home& home, Clients clients) {
  Plan plan = Fresh(home);
  plan.connections = 16;
  plan.clients = clients;
  Load load(plan);
  WaitForAnswers(load, plan);
  for (int i = 0; i < kReloads; ++i) {
    home.MustRun({"reload", "api"}, seconds(60));
    WaitForAnswers(load, plan);
  }
  return load.Finish();
}

Row TryOut(const Home& home, const std::string& way) {
  home.Oxfile("[processes.api]\n" + Serving("node server.js \"" + way + "\"", 1,
                                            "drain_max_ms = 300\nstop_timeout_ms = 1500\n"));
  home.MustRun({"start"});
  Row row;
  const Counts fresh = Reloaded(home, Clients::kFresh);
  CHECK_MESSAGE(fresh.failed == 0, way << ": " << fresh.Told());
  row.fresh = fresh.failed;
  row.kept_alive = Reloaded(home, Clients::kKeepAlive).failed;
  home.MustRun({"delete", "api"});
  return row;
}

TEST_SUITE_BEGIN("shutdown_libraries");

TEST_CASE("which way to end a Node server loses requests at a reload") {
  if (!IsLong()) {
    MESSAGE("skipped: takes minutes; ./dev bench load shutdown_libraries");
    return;
  }
  const Home home;
  home.CopyFromSource("tests/load/shutdown-libraries");
  if (!Has("node") || !InstallPackages(home)) {
    return;
  }
  std::printf("%-40s %8s %12s %8s\n", "failed requests, 10 reloads, 16 clients", "fresh",
              "kept-alive", "killed");
  std::size_t killed_before = 0;
  for (const char* way :
       {"nothing at all", "server.close", "closeIdleConnections", "http-terminator",
        "http-graceful-shutdown", "@moebius/http-graceful-shutdown", "http-shutdown", "killable",
        "Express, 503 when stopping", "Koa, server.close",
        "Connection: close in the last answer"}) {
    const Row row = TryOut(home, way);
    const std::size_t killed = e2e::CountOf(DaemonLog(home, kAll), "exited signal=SIGKILL");
    std::printf("%-40s %8lu %12lu %8zu\n", way, row.fresh, row.kept_alive, killed - killed_before);
    std::fflush(stdout);
    killed_before = killed;
    if (std::string(way).starts_with("Connection: close")) {
      CHECK(row.kept_alive == 0);
    }
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
