// scale: more and fewer instances by hand.
#include <doctest/doctest.h>

#include <set>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("scale");

constexpr std::string_view kWorkers = R"(
[processes.worker]
command = "@misbehave on-term 0 then sleep"
instances = 2
min_uptime_ms = 100
)";

std::size_t ReadyCount(const Home& home) {
  std::size_t count = 0;
  for (const Instance& each : home.List()) count += each.state == "ready" ? 1 : 0;
  return count;
}

TEST_CASE(
    "instances come and go without touching the others; the count holds until the file's does") {
  const Home home;
  home.Oxfile(kWorkers);
  home.MustRun({"start"});
  const pid_t first = home.Pid("worker/0");
  CHECK_SAYS(home.MustRun({"scale", "worker", "4"}).out, "scaled worker to 4 instances");
  CHECK(ReadyCount(home) == 4);
  CHECK_SAYS(home.MustRun({"scale", "worker", "-1"}).out, "scaled worker to 3 instances");
  CHECK_SAYS(home.MustRun({"scale", "worker", "+2"}).out, "scaled worker to 5 instances");
  CHECK_SAYS(home.MustRun({"scale", "worker", "5"}).out, "nothing to do: worker has 5");
  CHECK(home.List().size() == 5);
  CHECK(home.Pid("worker/0") == first);

  CHECK_SAYS(home.MustRun({"apply"}).out, "unchanged: worker");
  home.KillDaemon();
  CHECK(home.List().size() == 5);
  home.MustRun({"reload"});
  CHECK(ReadyCount(home) == 5);
  home.MustRun({"daemon", "stop"});
  home.MustRun({"daemon", "start"});
  WaitUntil("all five are back", [&] { return ReadyCount(home) == 5; }, seconds(10));

  std::string file(kWorkers);
  file.replace(file.find("instances = 2"), 13, "instances = 1");
  home.Oxfile(file);
  home.MustRun({"apply"});
  CHECK(ReadyCount(home) == 1);
}

TEST_CASE("what cannot be is asked wrongly, or refused, and changes nothing") {
  const Home home;
  home.Oxfile(kWorkers);
  home.MustRun({"start"});
  CHECK(home.Run({"scale", "worker"}).exit_code == 2);
  CHECK(home.Run({"scale", "worker", "0"}).exit_code == 2);
  CHECK(home.Run({"scale", "nobody", "2"}).exit_code == 2);
  const Outcome none = home.Run({"scale", "worker", "-2"});
  CHECK(none.exit_code == 1);
  CHECK_SAYS(none.all(), "may have 1 to 1000 instances");
  CHECK(ReadyCount(home) == 2);
}

TEST_CASE("with listen a client never meets a closed door while instances come and go") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then http LISTEN_FDS status 200"
listen = "127.0.0.1:@port"
min_uptime_ms = 100
drain_ms = 50
)");
  home.MustRun({"start"});
  for (const char* count : {"3", "1", "+1", "-1"}) {
    auto answers = HttpGetMany(16, home.port(), "/");
    home.MustRun({"scale", "api", count});
    for (auto& answer : answers) CHECK(answer.get().status == 200);
  }
  CHECK(home.List().size() == 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
