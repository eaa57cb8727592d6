// Instances, and the daemon, that are killed under load.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <csignal>

#include "tests/load/proof.h"

namespace oxherd::load {
namespace {

using e2e::Home;
using e2e::Watched;

// Kills one and waits until its replacement serves.
Counts KillUnder(const Home& home, const Plan& plan, const std::string& instance) {
  Load load(plan);
  WaitForAnswers(load, plan);
  const pid_t killed = home.Pid(instance);
  Watched(killed).Signal(SIGKILL);
  e2e::WaitUntil("the replacement", [&] {
    const e2e::Instance now = home.Get(instance);
    return now.state == "ready" && now.pid != killed;
  });
  WaitForAnswers(load, plan);
  Counts counts = load.Finish();
  MESSAGE(instance << " killed: " << counts.Told());
  return counts;
}

// Nobody was refused or left to hang; who failed had his request in the killed one's hands.
void CheckOnlyThoseInFlightFailed(const Counts& counts, std::size_t clients) {
  CHECK(counts.of(Cause::kRefused) == 0);
  CHECK(counts.of(Cause::kTimedOut) == 0);
  CHECK(counts.failed <= clients);
  for (const Failure& failure : counts.failures) {
    CHECK(failure.at - counts.failures.front().at < milliseconds(500));
  }
}

// Killed many times in a row, each time as if it were the first: no back-off that grows, after
// which the queue would not have been waited for.
constexpr const char* kNoBackOff = "restart_delay_max_ms = 100\nmax_restarts = 0\n";

TEST_SUITE_BEGIN("proof_kill");

TEST_CASE("kill -9 of one of two instances fails those in flight there, and refuses nobody") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2, kNoBackOff));
  home.MustRun({"start"});
  const Plan plan = Fresh(home);
  for (int i = 0; i < ShortOrLong(2, 20); ++i) {
    const Counts counts = KillUnder(home, plan, "api/1");
    CheckOnlyThoseInFlightFailed(counts, plan.connections);
    CHECK(counts.longest_gap < seconds(1));  // the other one went on
  }
}

TEST_CASE("kill -9 of the only instance refuses nobody: clients wait for the replacement") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 1, kNoBackOff));
  home.MustRun({"start"});
  const Plan plan = Fresh(home);
  for (int i = 0; i < ShortOrLong(2, 20); ++i) {
    CheckOnlyThoseInFlightFailed(KillUnder(home, plan, "api/0"), plan.connections);
  }
}

TEST_CASE("kill -9 of the daemon during a reload fails no request, and the reload completes") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2));
  home.MustRun({"start"});
  const Plan plan = Fresh(home);
  Load load(plan);
  WaitForAnswers(load, plan);
  // After the fifth crash within a minute the keeper gives the daemon no image any more.
  for (int i = 0; i < ShortOrLong(2, 4); ++i) {
    const int before = home.Get("api/1").generation;
    e2e::Command reloading = home.Begin({"reload", "api"});
    e2e::WaitUntil("the first new instance", [&] { return home.Get("api/0").generation > before; });
    home.KillDaemon();
    const e2e::Outcome outcome = reloading.Wait(seconds(60));
    CHECK_MESSAGE(outcome.exit_code == 0, outcome.all());
    CHECK(home.Get("api/0").generation == before + 1);
    CHECK(home.Get("api/1").generation == before + 1);
    WaitForAnswers(load, plan);
  }
  const Counts counts = load.Finish();
  MESSAGE("daemon killed: " << counts.Told());
  CheckNothingFailed(home, counts);
}

TEST_CASE("a program that shuts its own socket and lives on is replaced, and nobody is refused") {
  const Home home;
  WriteService(home, Serving(CServer() + " deaf", 1));
  home.MustRun({"start"});
  const Plan plan = Fresh(home);
  Load load(plan);
  WaitForAnswers(load, plan);
  const pid_t deaf = home.Pid("api/0");
  Watched(deaf).Signal(SIGUSR1);
  e2e::WaitUntil("the replacement", [&] {
    const e2e::Instance now = home.Get("api/0");
    return now.state == "ready" && now.pid != deaf;
  });
  WaitForAnswers(load, plan);
  const Counts counts = load.Finish();
  MESSAGE("deaf: " << counts.Told());
  CheckOnlyThoseInFlightFailed(counts, plan.connections);  // the kernel resets who waited there
  CHECK_SAYS(DaemonLog(home), "shut its listening socket");
}

// A home in a network namespace of its own, where the kernel moves clients, or does not.
bool StartInNamespace(const Home& home, bool moves_clients) {
  e2e::Invocation invocation = home.Typed({"start"});
  std::string script = "ip link set lo up && echo ";
  script += moves_clients ? "1" : "0";
  script += " > /proc/sys/net/ipv4/tcp_migrate_req || exit 77; exec ";
  script += invocation.words.at(0) + " start";
  invocation.words = {"/usr/bin/unshare", "-n", "/bin/sh", "-c", script};
  const e2e::Outcome outcome = e2e::Command(invocation).Wait(seconds(40));
  if (outcome.exit_code == 77 || e2e::Contains(outcome.err, "unshare failed")) {
    MESSAGE("skipped: no network namespace can be made here, or its kernel moves no clients");
    return false;
  }
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.all());
  return true;
}

// One of two takes no more clients and is killed; it is not to come back for long.
Counts KilledWithFullQueue(const Home& home) {
  const std::string path = "/proc/" + std::to_string(home.Keeper()) + "/ns/net";
  Plan plan = Fresh(home);
  plan.in_thread = [path] {
    const int space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    CHECK(setns(space, CLONE_NEWNET) == 0);
    close(space);
  };
  Load load(plan);
  WaitForAnswers(load, plan);
  const Watched killed(home.Pid("api/0"));
  killed.Signal(SIGSTOP);
  const std::string all = std::to_string(plan.connections) + " waiting";
  const std::string but_one = std::to_string(plan.connections - 1) + " waiting";  // in its hands
  e2e::WaitUntil("all clients in one queue", [&] {
    const std::string status = home.MustRun({"status", "api"}).out;
    return e2e::Contains(status, all) || e2e::Contains(status, but_one);
  });
  killed.Signal(SIGKILL);
  WaitForAnswers(load, plan);
  CHECK(home.Get("api/0").state == "backoff");
  Counts counts = load.Finish();
  MESSAGE("killed with a full queue: " << counts.Told());
  CHECK(counts.of(Cause::kRefused) == 0);
  CHECK(counts.of(Cause::kTimedOut) == 0);
  return counts;
}

TEST_CASE("who waits for one that is dead for long is moved to the others, or reset") {
  for (const bool moves_clients : {true, false}) {
    CAPTURE(moves_clients);
    const Home home;
    WriteService(home, Serving(CServer(), 2, "restart_delay_ms = 20000\n"));
    if (!StartInNamespace(home, moves_clients)) {
      return;
    }
    const Counts counts = KilledWithFullQueue(home);
    if (moves_clients) {
      CHECK(counts.failed <= 1);  // what it had in its hands
      CHECK_SAYS(DaemonLog(home), "they were moved");
    } else {
      CHECK(counts.failed >= Fresh(home).connections - 1);
    }
    CHECK(counts.longest_gap < seconds(2) + seconds(1));
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
