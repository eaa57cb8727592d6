// The examples that own their port, as they stand, reloaded under load.
#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "tests/load/examples.h"
#include "tests/load/proof.h"

namespace oxherd::load {
namespace {

using e2e::CountOf;
using e2e::Home;

// Jobs of the BullMQ example that were counted `times` in the hash `name`.
std::size_t JobsCounted(const Redis& redis, const std::string& name, const std::string& times) {
  std::istringstream counts(redis.Ask({"hvals", name}));
  std::size_t jobs = 0;
  for (std::string count; std::getline(counts, count);) {
    jobs += count == times ? 1 : 0;
  }
  return jobs;
}

TEST_SUITE_BEGIN("examples");

TEST_CASE("keepalive: kept-alive clients lose nothing, and are told that an answer is the last") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  InstallExample(home, "keepalive", "41");
  home.MustRun({"start"});
  Plan plan = Fresh(home);
  plan.clients = Clients::kKeepAlive;
  const int reloads = ShortOrLong(2, 100);
  const Counts counts = ReloadUnder(home, plan, reloads);
  // Each client was moved once per instance at most, and never lost a connection that it had not
  // been told of.
  CHECK(counts.let_go == 0);
  CHECK(counts.connections <= plan.connections * static_cast<std::size_t>(1 + 2 * reloads));
  CHECK_SAYS(home.Log("api/0"), "all connections ended, goodbye");
}

TEST_CASE(
    "keepalive: idle connections are let go, and requests in flight are finished, at a stop") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  InstallExample(home, "keepalive", "41");
  home.MustRun({"start"});
  Plan slow = Fresh(home);
  slow.clients = Clients::kKeepAlive;
  slow.path = "/slow";
  slow.max_requests = 2 * slow.connections;
  Plan silent = slow;
  silent.clients = Clients::kSilent;
  silent.max_requests = 0;
  Load requests(slow);
  Load visitors(silent);
  // The second request of each client, on a connection that the server has; the first is answered.
  e2e::WaitUntil("all clients", [&] {
    return requests.ok() == slow.connections && visitors.established() == slow.connections;
  });
  const e2e::Outcome stopped = home.MustRun({"stop"});
  CHECK(stopped.took < seconds(5) * e2e::kPatience);
  CheckNothingFailed(home, requests.Finish());
  for (const e2e::Instance& instance : home.List()) {
    CHECK(instance.last_exit.value("code", -1) == 0);
  }
}

TEST_CASE("python: an unmodified threaded server loses no request, slow ones included") {
  if (!Has("python3")) {
    return;
  }
  const Home home;
  InstallExample(home, "python", "42");
  home.MustRun({"start"});
  Plan slow = Fresh(home);
  slow.path = "/slow";
  Load requests(slow);
  ReloadUnder(home, Fresh(home), ShortOrLong(1, 20));
  CheckNothingFailed(home, requests.Finish());
}

TEST_CASE("nginx: a proxy asks the other instance while one is replaced, and no client notices") {
  if (!Has("node") || !Has("nginx")) {
    return;
  }
  const Home home;
  InstallExample(home, "nginx", "44");
  home.MustRun({"start"});
  Plan slow = Fresh(home);
  slow.path = "/slow";
  Load requests(slow);
  ReloadUnder(home, Fresh(home), ShortOrLong(1, 20));
  CheckNothingFailed(home, requests.Finish());
}

TEST_CASE("express-postgres: reloads cut no query and leak no connection of the database") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  const auto database = PostgreSql::Start(home.port(9));
  InstallExample(home, "express-postgres", "43");
  if (database == nullptr || !InstallPackages(home)) {
    return;
  }
  std::string oxfile = home.Read("Oxfile.toml");
  oxfile.replace(oxfile.find("5432"), 4, std::to_string(home.port(9)));
  home.Oxfile(oxfile);
  home.MustRun({"start"});
  const Counts counts = ReloadUnder(home, Fresh(home), ShortOrLong(1, 20));

  // What was answered is what was written: no query was cut, and none ran twice.
  CHECK(database->Ask("SELECT count(*) FROM visits") == std::to_string(counts.ok) + "\n");
  CHECK_SAYS(database->Ask("SELECT count(*) <= 10 FROM pg_stat_activity "
                           "WHERE application_name = 'oxherd-example'"),
             "t");
  CHECK_FALSE(e2e::Contains(database->Log(), "client connection"));
  home.MustRun({"stop"});
  CHECK_SAYS(home.Log("api/0"), "all queries finished, goodbye");
  CHECK(database->Ask("SELECT count(*) FROM pg_stat_activity "
                      "WHERE application_name = 'oxherd-example'") == "0\n");
}

TEST_CASE("bullmq-worker: jobs in progress finish, none is lost, none runs twice, over reloads") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  const auto redis = Redis::Start(home.port(9));
  InstallExample(home, "bullmq-worker", "45");
  if (redis == nullptr || !InstallPackages(home)) {
    return;
  }
  std::string oxfile = home.Read("Oxfile.toml");
  oxfile.replace(oxfile.find("6379"), 4, std::to_string(home.port(9)));
  home.Oxfile(oxfile);
  home.MustRun({"start"});
  const int reloads = ShortOrLong(1, 20);
  const std::size_t jobs = static_cast<std::size_t>(reloads) * 400;  // 8 s of work for each reload
  Output(
      {"env", "REDIS_PORT=" + std::to_string(home.port(9)), "node", "add.js", std::to_string(jobs)},
      home.folder());
  for (int i = 0; i < reloads; ++i) {
    home.MustRun({"reload", "worker"}, seconds(60));
    CHECK(JobsCounted(*redis, "done", "1") < jobs);  // there was work to be cut
  }
  // A quick machine is through with the reloads long before the jobs.
  e2e::WaitUntil(
      "all jobs done", [&] { return JobsCounted(*redis, "done", "1") == jobs; },
      seconds(60 + 20 * reloads));
  CHECK(JobsCounted(*redis, "begun", "1") == jobs);
  home.MustRun({"stop"});  // while there is a Redis to say goodbye to
  CHECK(CountOf(home.Log("worker/0"), "all jobs done, goodbye") ==
        static_cast<std::size_t>(reloads) + 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
