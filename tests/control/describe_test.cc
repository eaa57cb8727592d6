#include "control/describe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "keeper/protocol.h"

namespace oxherd::control {
namespace {

using TellKind = action::Tell::Kind;

action::Tell Tell(TellKind kind, std::uint32_t millis = 0, std::int32_t number = 0,
                  Failure failure = {}) {
  return {kind, {"api", 0}, Generation(8), Token(17), millis, number, std::move(failure)};
}

Failure Exit(ExitStatus status, std::uint32_t millis, bool was_ready) {
  Failure failure;
  failure.kind = Failure::Kind::kExited;
  failure.status = status;
  failure.millis = millis;
  failure.was_ready = was_ready;
  return failure;
}

Failure SpawnFailure(keeper::Stage stage, int number) {
  Failure failure;
  failure.kind = Failure::Kind::kSpawn;
  failure.stage = static_cast<std::uint8_t>(stage);
  failure.number = number;
  return failure;
}

Spec NodeSpec() {
  Spec spec;
  spec.name = "api";
  spec.command.argv = {"node", "server.js"};
  spec.program = "/usr/bin/node";
  spec.working_dir = "/srv/app";
  return spec;
}

TEST_CASE("an exit before ready is told apart from a crash of what was ready") {
  CHECK(Describe(Exit(ExitStatus::Code(1), 84, false)) ==
        "exited 1 after 84 ms, before it was ready");
  CHECK(Describe(Exit(ExitStatus::Code(1), 3200, true)) == "exited 1 after 3.2 s");
}

TEST_CASE("an OOM kill is named as such") {
  ExitStatus status = ExitStatus::Signal(SIGKILL);
  status.out_of_memory = true;
  CHECK(Describe(Exit(status, 3200, true)) == "was killed by SIGKILL (out of memory) after 3.2 s");
}

TEST_CASE("a failed start names its stage, the path, and the mend") {
  const Spec spec = NodeSpec();
  CHECK(Describe(SpawnFailure(keeper::Stage::kDirectory, ENOENT), {.spec = &spec}) ==
        "cannot start: chdir \"/srv/app\": No such file or directory");
  CHECK(Describe(SpawnFailure(keeper::Stage::kExec, EACCES), {.spec = &spec}) ==
        "cannot start: exec \"/usr/bin/node\": Permission denied; is it an executable file? chmod "
        "+x makes it one");
  CHECK(Describe(SpawnFailure(keeper::Stage::kExec, ENOENT)) ==
        "cannot start: exec: No such file or directory");
  CHECK(Describe(SpawnFailure(keeper::Stage::kClone, EAGAIN)) ==
        "cannot start: clone: Resource temporarily unavailable; the limit of processes is reached "
        "(RLIMIT_NPROC, pids.max)");
}

TEST_CASE("a program that is not on PATH says which PATH was searched") {
  Spec spec = NodeSpec();
  spec.program.clear();
  CHECK(Describe(SpawnFailure(keeper::Stage::kExec, ENOENT),
                 {.spec = &spec, .search_path = "/usr/bin:/bin"}) ==
        "cannot start: exec \"node\": No such file or directory; it is not on PATH, which is "
        "/usr/bin:/bin");
}

TEST_CASE("a program that a path names says from where it was looked for") {
  Spec spec = NodeSpec();
  spec.program.clear();
  spec.command.argv = {"./report"};
  spec.working_dir = "/srv/shop";
  CHECK(Describe(SpawnFailure(keeper::Stage::kExec, ENOENT),
                 {.spec = &spec, .search_path = "/usr/bin"}) ==
        "cannot start: exec \"./report\": No such file or directory; there is none, seen from "
        "/srv/shop");
}

TEST_CASE("the words for stages are the keeper's") {
  for (int i = 0; i <= static_cast<int>(keeper::Stage::kDied); ++i) {
    CHECK(StageWord(static_cast<std::uint8_t>(i)) ==
          keeper::StageName(static_cast<keeper::Stage>(i)));
  }
  CHECK(StageWord(200) == "unknown stage");
}

TEST_CASE("a port that another one answers is named, with who answers it") {
  Failure failure;
  failure.kind = Failure::Kind::kForeignPort;
  CHECK(Describe(failure, {.port = 3000})
            .starts_with("has proved nothing: port 3000 is answered by a process that is not its"));
  failure.other = Generation(7);
  CHECK(Describe(failure, {.port = 3000})
            .starts_with("has proved nothing: port 3000 is answered by gen 7; write listen = "));
}

TEST_CASE("a way back that was lost is said with the cause") {
  Failure failure = Exit(ExitStatus::Code(1), 84, false);
  failure.old_lost = true;
  CHECK(Describe(failure) ==
        "exited 1 after 84 ms, before it was ready; the old generation no longer becomes ready, so "
        "the new one stays");
}

TEST_CASE("every kind of failure has its own words") {
  std::vector<std::string> seen;
  for (int i = 1; i <= static_cast<int>(Failure::Kind::kLastInTraffic); ++i) {
    Failure failure;
    failure.kind = static_cast<Failure::Kind>(i);
    const std::string words = Describe(failure);
    CAPTURE(i);
    CHECK_FALSE(words.empty());
    CHECK(std::ranges::find(seen, words) == seen.end());
    CHECK(words.find('\n') == std::string::npos);
    seen.push_back(words);
  }
  CHECK(Describe(Failure{}).empty());
}

TEST_CASE("every kind of news has words, for people and for the log") {
  for (int i = 0; i <= static_cast<int>(TellKind::kRunSkipped); ++i) {
    const action::Tell tell =
        Tell(static_cast<TellKind>(i), 1000, 9, Exit(ExitStatus::Code(1), 84, false));
    CAPTURE(i);
    CHECK_FALSE(Describe(tell).empty());
    CHECK(LogLineFor(tell).text.size() > std::string_view("api gen=8 ").size());
  }
}

TEST_CASE("progress is said with its figures") {
  CHECK(Describe(Tell(TellKind::kReady, 412)) == "ready in 412 ms");
  CHECK(Describe(Tell(TellKind::kStopping, 10'000, SIGTERM)) ==
        "stopping with SIGTERM, SIGKILL after 10 s");
  CHECK(Describe(Tell(TellKind::kStopped, 1400)) == "stopped in 1.4 s");
}

TEST_CASE("a crash loop says which try it is and when the next one comes") {
  Spec spec = NodeSpec();
  spec.policy.max_restarts = 10;
  CHECK(Describe(Tell(TellKind::kBackoff, 4000, 3), {.spec = &spec}) ==
        "starting again in 4 s (try 3 of 10)");
  const Failure failure = Exit(ExitStatus::Code(1), 84, false);
  CHECK(Describe(Tell(TellKind::kFailed, 300'000, 10, failure)) ==
        "given up after 10 crashes in a row; next try in 5 min");
  CHECK(Describe(Tell(TellKind::kFailed, 0, 1, failure))
            .ends_with("it stays down until somebody starts it"));
}

TEST_CASE("a log line has its subject first and its numbers as key=value") {
  const LogLine crash =
      LogLineFor(Tell(TellKind::kExited, 3200, 0, Exit(ExitStatus::Code(1), 3200, true)));
  CHECK(crash.text == "api/0 gen=8 exited code=1 uptime=3.2s");
  CHECK(crash.severity == Severity::kWarn);
  CHECK(LogLineFor(Tell(TellKind::kReady, 412)).text == "api/0 gen=8 ready after=412ms");
  CHECK(LogLineFor(Tell(TellKind::kReloadDone)).text == "api gen=8 reloaded to generation 8");
  CHECK(LogLineFor(Tell(TellKind::kFailed)).severity == Severity::kError);
}

TEST_CASE("limits, and what is beyond them, are said in megabytes and percent of a core") {
  constexpr std::uint64_t kMegabyte = 1024UL * 1024;
  Limits limits;
  CHECK(LimitsText(limits).empty());
  limits.cpu_permille = 85;
  CHECK(LimitsText(limits) == "cpu 8.5% over 1 min");
  limits.memory_bytes = 256 * kMegabyte;
  CHECK(LimitsText(limits) == "memory 256 MB, cpu 8.5% over 1 min");
  limits.max_processes = 12;  // of its user, unless the kernel counts them in its cgroup
  CHECK(LimitsText(limits) == "memory 256 MB, cpu 8.5% over 1 min");
  limits.enforce = true;
  CHECK(LimitsText(limits) == "memory 256 MB, cpu 8.5% over 1 min, processes 12; enforce = true");
  const Excess memory{.of = Excess::Of::kMemory, .used = 312 * kMegabyte};
  CHECK(ExcessText(memory, limits) == "312 MB in use, limit 256 MB");
  const Excess cpu{.of = Excess::Of::kCpu, .used = 930};
  CHECK(ExcessText(cpu, limits) == "93% of a core over 1 min, limit 8.5%");
  Failure why;
  why.kind = Failure::Kind::kRoutine;
  why.text = "312 MB in use, limit 256 MB";
  CHECK(LogLineFor(Tell(TellKind::kReplacing, 0, 0, why)).text ==
        "api/0 gen=8 being replaced: 312 MB in use, limit 256 MB");
}

TEST_CASE("what proves readiness is said as the person configured it") {
  Spec spec = NodeSpec();
  CHECK(EvidenceText(spec) == "alive for 1 s, no health check");
  spec.policy.ready_by = ReadyBy::kHealth;
  spec.health_check.kind = HealthCheck::Kind::kHttp;
  spec.health_check.target = "http://127.0.0.1:${PORT}/health";
  CHECK(EvidenceText(spec) == "answers /health");
  CHECK(ReadyByText(spec) == "answers http://127.0.0.1:${PORT}/health");
  spec.health_check.target = "http://127.0.0.1:3000";
  CHECK(EvidenceText(spec) == "answers /");
}

}  // namespace
}  // namespace oxherd::control
