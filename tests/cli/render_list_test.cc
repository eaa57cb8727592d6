#include "cli/render/list.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

namespace oxherd::cli {
namespace {

using control::Health;
using control::Row;

constexpr Screen kPipe{};
constexpr Screen kTerminal{.is_terminal = true, .colour = false, .width = 80, .height = 24};
constexpr Screen kColour{.is_terminal = true, .colour = true, .width = 120, .height = 24};
constexpr std::int64_t kMinute = 60'000;
// 2025-11-22 03:04 UTC.
constexpr std::int64_t kNow = 1'763'780'640'000;

// Tables show local times: the tests are in UTC wherever they run.
const bool is_utc = [] {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  return true;
}();

Row Ready(std::uint32_t id, const char* service, SlotIndex slot, int pid) {
  Row row;
  row.id = id;
  row.service = service;
  row.slot = slot;
  row.state = "ready";
  row.pid = Pid(pid);
  row.generation = Generation(8);
  row.uptime_ms = 134'000;
  row.cpu_percent = 1.2;
  row.memory_bytes = 62ULL * 1024 * 1024;
  row.health = Health{Health::Kind::kGood, 3, ""};
  return row;
}

Row Down(std::uint32_t id, const char* service, const char* state) {
  Row row;
  row.id = id;
  row.service = service;
  row.state = state;
  row.generation = Generation(1);
  row.since_unix_ms = kNow - 2 * kMinute;
  return row;
}

Row FailedMailer() {
  Row row = Down(3, "mailer", "failed");
  row.restarts = 10;
  row.crashes = 10;
  row.crash_span_ms = 51'000;
  row.last_exit = ExitStatus::Code(1);
  row.next_try_unix_ms = kNow + 3 * kMinute;
  return row;
}

TEST_CASE("the list is a table with what to type under it") {
  Row worker = Ready(2, "worker", 0, 47730);
  worker.state = "stopping";
  worker.uptime_ms = 4LL * 60 * kMinute + 2 * kMinute;
  worker.restarts = 1;
  worker.generation = Generation(3);
  worker.health.reset();
  const std::vector<Row> rows = {Ready(0, "api", 0, 48213), Ready(1, "api", 1, 48220), worker,
                                 FailedMailer()};
  CHECK(
      RenderList(kPipe, rows, kNow) ==
      " id  name      state       pid    gen  uptime  restarts  cpu  mem    health\n"
      " 0   api/0     ● ready     48213  8    2m 14s  0         1%   62 MB  ok · 3 ms\n"
      " 1   api/1     ● ready     48220  8    2m 14s  0         1%   62 MB  ok · 3 ms\n"
      " 2   worker/0  ◐ stopping  47730  3    4h 02m  1         1%   62 MB  –\n"
      " 3   mailer/0  ○ failed    –      1    –       10        –    –      –\n"
      " mailer failed at 03:02 (exit 1, 10 crashes in 51.0 s), next try 03:07: oxherd logs mailer "
      "--err\n");
}

TEST_CASE("80 columns are enough for what matters, and no line is wider") {
  Row waiting = Down(12, "a-service-with-quite-a-long-name", "waiting");
  waiting.restarts = 123;
  const std::string text = RenderList(kTerminal, {Ready(0, "api", 0, 4194304), waiting}, kNow);
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    CHECK(WidthOf(text.substr(begin, end - begin)) <= 80);
    begin = end + 1;
  }
  CHECK(text.find("a-service-with-quite-a-long-name/0") != std::string::npos);
  CHECK(text.find("4194304") != std::string::npos);
}

TEST_CASE("states have colours where colours are wanted") {
  const std::string text = RenderList(kColour, {Ready(0, "api", 0, 1), FailedMailer()}, kNow);
  CHECK(text.find("\x1b[32m● ready\x1b[0m") != std::string::npos);
  CHECK(text.find("\x1b[31m○ failed\x1b[0m") != std::string::npos);
  CHECK(RenderList(kPipe, {Ready(0, "api", 0, 1)}, kNow).find('\x1b') == std::string::npos);
}

TEST_CASE("a daemon that knows nothing says how to begin") {
  CHECK(RenderList(kPipe, {}, kNow) == "nothing is known to this daemon yet: oxherd start\n");
}

TEST_CASE("the column for addresses is there only when somebody listens") {
  Row row = Ready(0, "api", 0, 1);
  CHECK(RenderList(kPipe, {row}, kNow).find("listen") == std::string::npos);
  row.listen = {":3000"};
  CHECK(RenderList(kPipe, {row}, kNow).find(":3000") != std::string::npos);
}

TEST_CASE("a replacement is shown beside what it will replace") {
  Row row = Ready(0, "api", 0, 1);
  row.next_generation = Generation(9);
  row.next_state = "starting";
  CHECK(LabelOf(row).text == "● ready, gen 9 starting");
}

TEST_CASE("each kind of trouble has its own advice, and what is well has none") {
  CHECK(AdviceFor(Ready(0, "api", 0, 1), "api/0", kNow).empty());
  Row stopped = Down(0, "api", "stopped");
  stopped.wanted = false;
  CHECK(AdviceFor(stopped, "api", kNow).empty());

  Row backoff = Down(0, "api", "backoff");
  backoff.reason = "exited 1 after 3.2 s";
  backoff.next_try_unix_ms = kNow + 4000;
  CHECK(AdviceFor(backoff, "api/0", kNow) ==
        "api/0 exited 1 after 3.2 s, starts again in 4.0 s: oxherd logs api/0 --err");

  Row unhealthy = Ready(0, "api", 0, 1);
  unhealthy.state = "unhealthy";
  unhealthy.health = Health{Health::Kind::kBad, 3, "503 Service Unavailable"};
  CHECK(AdviceFor(unhealthy, "api/0", kNow) ==
        "api/0 is unhealthy (503 Service Unavailable) and is being replaced: oxherd logs api/0");

  Row waiting = Down(0, "worker", "waiting");
  waiting.waits_for = {"migrate"};
  CHECK(AdviceFor(waiting, "worker", kNow) == "worker waits for migrate: oxherd status migrate");

  Row exited = Down(0, "job", "exited");
  exited.last_exit = ExitStatus::Code(0);
  CHECK(AdviceFor(exited, "job", kNow) ==
        "job ended by itself (exit 0) and its restart policy leaves it so: oxherd start job");
}

TEST_CASE("instances that failed alike are one line under the service's name") {
  Row second = FailedMailer();
  second.slot = 1;
  const std::string text = RenderList(kPipe, {FailedMailer(), second}, kNow);
  CHECK(text.find(" mailer failed") != std::string::npos);
  CHECK(text.find("mailer failed", text.find("mailer failed") + 1) == std::string::npos);
}

TEST_CASE("a time of another day has its date") {
  CHECK(ClockText(kNow, kNow) == "03:04");
  CHECK(ClockText(kNow - 24 * 60 * kMinute, kNow) == "Nov 21 03:04");
}

TEST_CASE("names and reasons cannot drive the terminal") {
  Row row = Down(0, "api", "backoff");
  row.reason = "\x1b]0;owned\x07";
  row.health = Health{Health::Kind::kBad, 1, "\x1b[2J"};
  row.pid = Pid(1);
  const std::string text = RenderList(kPipe, {row}, kNow);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find('\x07') == std::string::npos);
}

}  // namespace
}  // namespace oxherd::cli
