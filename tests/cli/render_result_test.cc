#include "cli/render/result.h"

#include <doctest/doctest.h>

namespace oxherd::cli {
namespace {

using control::Command;
using control::ExitCode;
using control::Reply;
using control::ServiceResult;

constexpr Screen kPipe{};
constexpr Screen kColour{.is_terminal = true, .colour = true, .width = 40, .height = 24};

ServiceResult Result(const char* name, Outcome outcome) {
  ServiceResult result;
  result.name = name;
  result.outcome = outcome;
  result.generation = Generation(8);
  result.instances = 2;
  result.ms = 3100;
  return result;
}

Reply Answer(Command command, std::vector<ServiceResult> services) {
  Reply reply;
  reply.command = command;
  reply.ms = 1400;
  reply.services = std::move(services);
  for (const ServiceResult& service : reply.services) {
    if (service.outcome >= Outcome::kRolledBack) reply.code = ExitCode::kNotDone;
  }
  return reply;
}

ServiceResult BrokenBuild() {
  ServiceResult result = Result("api", Outcome::kRolledBack);
  result.tried = Generation(9);
  result.reason = "exited 1 after 84 ms, before it was ready";
  result.failed_instance = "api/0";
  result.log_tail = {"Error: Cannot find module './routes'", "\x1b[31m    at server.js:3\x1b[0m"};
  result.notes = {"/srv/shop already has the new files: a crash would start them"};
  return result;
}

TEST_CASE("a start ends with how many services are up") {
  const Said said = RenderResult(
      kPipe,
      Answer(Command::kStart, {Result("migrate", Outcome::kDone), Result("api", Outcome::kStarted),
                               Result("worker", Outcome::kUnchanged)}));
  CHECK(said.out == "3 services up\n");
  CHECK(said.err.empty());
}

TEST_CASE("a start of what runs already says that there was nothing to do") {
  ServiceResult api = Result("api", Outcome::kUnchanged);
  api.notes = {"api runs; env.PORT differs from Oxfile.toml: oxherd reload api"};
  const Said said = RenderResult(kPipe, Answer(Command::kStart, {api}));
  CHECK(said.out ==
        " api runs; env.PORT differs from Oxfile.toml: oxherd reload api\n"
        "nothing to do: 1 service up already\n");
}

TEST_CASE("a reload names instances, time and gap") {
  ServiceResult stop_first = Result("worker", Outcome::kReloaded);
  stop_first.instances = 1;
  stop_first.gap_ms = 412;
  const Said said = RenderResult(
      kPipe, Answer(Command::kReload, {Result("api", Outcome::kReloaded), stop_first}));
  CHECK(said.out ==
        "reloaded api: 2 instances in 3.1 s, no gap\n"
        "reloaded worker: 1 instance in 3.1 s, none was ready for 412 ms\n");
}

TEST_CASE("a reload that was rolled back shows why, the last lines, and what serves") {
  const Said said = RenderResult(kPipe, Answer(Command::kReload, {BrokenBuild()}));
  CHECK(said.err ==
        "api/0 exited 1 after 84 ms, before it was ready\n"
        "   │ Error: Cannot find module './routes'\n"
        "   │     at server.js:3\n"
        "api rolled back: generation 8 kept serving\n"
        " /srv/shop already has the new files: a crash would start them\n");
  CHECK(said.out.empty());
}

TEST_CASE("a roll-back that left a gap says so") {
  ServiceResult broken = BrokenBuild();
  broken.gap_ms = 1200;
  const Said said = RenderResult(kPipe, Answer(Command::kReload, {broken}));
  CHECK(said.err.find("api rolled back: generation 8 is back; none was ready for 1.2 s\n") !=
        std::string::npos);
}

TEST_CASE("output of children is cut to the screen") {
  ServiceResult broken = BrokenBuild();
  broken.log_tail = {std::string(100, 'x')};
  const Said said = RenderResult(kColour, Answer(Command::kReload, {broken}));
  CHECK(said.err.find(std::string(34, 'x') + "…\n") != std::string::npos);
  CHECK(said.err.find(std::string(35, 'x')) == std::string::npos);
}

TEST_CASE("what failed beside what went well: both are told") {
  const Said said = RenderResult(
      kPipe, Answer(Command::kReload, {Result("web", Outcome::kReloaded), BrokenBuild(),
                                       Result("worker", Outcome::kSkipped)}));
  CHECK(said.out == "reloaded web: 2 instances in 3.1 s, no gap\n");
  CHECK(said.err.find("worker skipped: a service before it failed\n") != std::string::npos);
}

TEST_CASE("a dependency that failed is told with the service that waited for it") {
  ServiceResult worker = Result("worker", Outcome::kFailed);
  worker.reason = "waits for migrate, which failed: exit 1";
  const Said said = RenderResult(kPipe, Answer(Command::kStart, {worker}));
  CHECK(said.err == "worker waits for migrate, which failed: exit 1\n");
}

TEST_CASE("stop and delete say what they did, or that it was so") {
  CHECK(RenderResult(kPipe, Answer(Command::kStop, {Result("api", Outcome::kStopped),
                                                    Result("worker", Outcome::kStopped)}))
            .out == "stopped api, worker in 1.4 s\n");
  CHECK(RenderResult(kPipe, Answer(Command::kStop, {Result("api", Outcome::kUnchanged)})).out ==
        "nothing to do: api is stopped already\n");
  CHECK(RenderResult(kPipe, Answer(Command::kDelete, {Result("api", Outcome::kStopped)})).out ==
        "deleted api in 1.4 s\n");
}

TEST_CASE("a hundred names are not a hundred words") {
  std::vector<ServiceResult> services(100, Result("api", Outcome::kStopped));
  CHECK(RenderResult(kPipe, Answer(Command::kStop, services)).out ==
        "stopped api, api, api, api, api, api and 94 more in 1.4 s\n");
}

TEST_CASE("an instance that cannot be taken out of traffic is not said to be out of it") {
  ServiceResult result = Result("api", Outcome::kFailed);
  result.instance = result.failed_instance = "api/0";
  result.reason = "is not in traffic: it has no listen, or is not ready";
  const Said said = RenderResult(kPipe, Answer(Command::kDrain, {result}));
  CHECK(said.out.empty());
  CHECK(said.err == "api/0 is not in traffic: it has no listen, or is not ready\n");
}

TEST_CASE("what is not waited for says how to look") {
  CHECK(RenderResult(kPipe, Answer(Command::kStart, {Result("api", Outcome::kStarted)}),
                     {.no_wait = true})
            .out == "start is under way for api: oxherd list shows how far it is\n");
}

TEST_CASE("a wait says what has come true, and what has not in time") {
  CHECK(RenderResult(kPipe, Answer(Command::kWait, {Result("api", Outcome::kDone)}),
                     {.until = control::Until::kHealthy})
            .out == "api is healthy\n");
  ServiceResult late = Result("late", Outcome::kFailed);
  late.reason = "was not so within 200 ms";
  Reply reply = Answer(Command::kWait, {Result("api", Outcome::kDone), late});
  reply.code = ExitCode::kLost;
  const Said said = RenderResult(kPipe, reply);
  CHECK(said.out == "api is ready\n");
  CHECK(said.err == "late was not so within 200 ms\n");
}

TEST_CASE("an error is one line, with the mistakes of a file before it") {
  Reply reply;
  reply.command = Command::kReload;
  reply.code = ExitCode::kAskedWrongly;
  reply.error = "no service \"ap1\"; did you mean \"api\"?";
  CHECK(RenderResult(kPipe, reply).err == "oxherd: no service \"ap1\"; did you mean \"api\"?\n");
  reply.error = "Oxfile.toml is not valid; nothing was changed";
  reply.errors = {"Oxfile.toml:3:1: a\n    x\n    ^", "Oxfile.toml:4:1: b"};
  CHECK(RenderResult(kPipe, reply).err ==
        "Oxfile.toml:3:1: a\n    x\n    ^\nOxfile.toml:4:1: b\n"
        "oxherd: Oxfile.toml is not valid; nothing was changed\n");
}

TEST_CASE("a lost connection is told even where services are") {
  Reply reply = Answer(Command::kStop, {Result("api", Outcome::kFailed)});
  reply.code = ExitCode::kLost;
  reply.error = "there was no answer in time";
  CHECK(RenderResult(kPipe, reply).err.find("oxherd: there was no answer in time\n") !=
        std::string::npos);
}

TEST_CASE("a plan says what would be done, and why") {
  Reply reply;
  reply.command = Command::kApply;
  control::PlanStep step;
  step.service = "api";
  step.instances = 2;
  step.kind = control::PlanStep::Kind::kReload;
  step.differences = {"env.PORT"};
  reply.plan.push_back(step);
  step = {};
  step.service = "old";
  step.kind = control::PlanStep::Kind::kLeftFile;
  reply.plan.push_back(step);
  CHECK(RenderPlan(reply) ==
        " reload  api (2 instances): env.PORT differs\n"
        " leave   old, which is no longer in the file: --prune, or oxherd delete old\n");
  CHECK(RenderPlan(Reply{}) == "nothing would be done\n");
}

}  // namespace
}  // namespace oxherd::cli
