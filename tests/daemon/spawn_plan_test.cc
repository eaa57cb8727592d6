#include "daemon/launch/spawn_plan.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "tests/daemon/sample_state.h"

namespace oxherd {
namespace {

const std::vector<EnvEntry> kBase = {{"HOME", "/root"}, {"PATH", "/usr/bin:/bin"}};
const SpawnGround kGround{.base = kBase, .logs_folder = "/logs"};

SpawnOrder OrderFor(const Spec& spec, Purpose purpose = Purpose::kInstance) {
  return {.spec = spec,
          .slot = 2,
          .generation = Generation(8),
          .token = Token(99),
          .purpose = purpose,
          .checked = purpose == Purpose::kCheck ? Pid(4711) : Pid()};
}

bool Has(const keeper::Plan& plan, const std::string& entry) {
  return std::ranges::find(plan.environment, entry) != plan.environment.end();
}

}  // namespace

TEST_CASE("a plan has the frozen program, the arguments as written, folder, limits and variables") {
  auto spec = SampleSpec("api");
  spec->command.argv = {"server", "--port", "${PORT}"};
  spec->program = "/srv/releases/7/server";
  spec->port_base = 4000;
  spec->limits.max_open_files = 1234;
  spec->nice = static_cast<std::int8_t>(5);
  const auto made = MakeSpawnPlan(OrderFor(*spec), kGround);
  REQUIRE(made);
  const keeper::Plan& plan = made->plan;
  CHECK(plan.program == "/srv/releases/7/server");
  CHECK(plan.arguments == std::vector<std::string>{"server", "--port", "4002"});
  CHECK(plan.directory == "/srv/api");
  CHECK(plan.nice == 5);
  REQUIRE(plan.limits.size() == 1);
  CHECK(plan.limits[0] == keeper::ResourceLimit{RLIMIT_NOFILE, 1234, 1234});
  CHECK(Has(plan, "PORT=4002"));
  CHECK(Has(plan, "OXHERD_SERVICE=api"));
  CHECK(Has(plan, "OXHERD_INSTANCE_ID=2"));
  CHECK(Has(plan, "OXHERD_GENERATION=8"));
  CHECK(Has(plan, "OXHERD_TOKEN=99"));
  CHECK(Has(plan, "NODE_ENV=production"));
  CHECK(Has(plan, "HOME=/root"));
}

TEST_CASE("a program that was missing when the spec was frozen is looked for again") {
  auto spec = SampleSpec("api");
  spec->command.argv = {"true"};
  const auto found = MakeSpawnPlan(OrderFor(*spec), kGround);
  REQUIRE(found);
  CHECK(found->plan.program == "/usr/bin/true");
  spec->command.argv = {"no-such-program"};
  const auto missing = MakeSpawnPlan(OrderFor(*spec), kGround);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().stage == keeper::Stage::kExec);
  CHECK(missing.error().error_number == ENOENT);
}

TEST_CASE("hooks and checks run their own command; a check knows whom it asks") {
  auto spec = SampleSpec("api");
  spec->program = "/bin/api";
  spec->pre_stop_cmd.argv = {"/bin/echo", "${OXHERD_SERVICE}"};
  spec->health_check.command.argv = {"/bin/test", "-d", "/proc/${OXHERD_PID}"};
  const auto hook = MakeSpawnPlan(OrderFor(*spec, Purpose::kPreStop), kGround);
  REQUIRE(hook);
  CHECK(hook->plan.program == "/bin/echo");
  CHECK(hook->plan.arguments == std::vector<std::string>{"/bin/echo", "api"});
  const auto check = MakeSpawnPlan(OrderFor(*spec, Purpose::kCheck), kGround);
  REQUIRE(check);
  CHECK(check->plan.arguments.back() == "/proc/4711");
  CHECK(Has(check->plan, "OXHERD_PID=4711"));
}

TEST_CASE("a variable that is not set is a failed start that says which, not a crash") {
  auto spec = SampleSpec("api");
  spec->program = "/bin/api";
  spec->env.emplace_back("URL", "http://${NOWHERE}/");
  const auto made = MakeSpawnPlan(OrderFor(*spec), kGround);
  REQUIRE_FALSE(made);
  CHECK(made.error().stage == keeper::Stage::kPlan);
  CHECK(made.error().text.find("NOWHERE") != std::string::npos);
}

TEST_CASE("output goes to the instance's files, or where the Oxfile says, expanded and absolute") {
  auto spec = SampleSpec("api");
  const auto default_logs = LogsOf(*spec, 2, kGround);
  REQUIRE(default_logs);
  CHECK(default_logs->out_path == "/logs/api/2.out.log");
  CHECK(default_logs->err_path == "/logs/api/2.err.log");
  spec->logs.out_path = spec->logs.err_path = "/var/log/api-${INSTANCE}.log";
  const auto merged = LogsOf(*spec, 2, kGround);
  REQUIRE(merged);
  CHECK(merged->out_path == "/var/log/api-2.log");
  CHECK(merged->err_path == merged->out_path);
}

TEST_CASE("a health check's target has the instance's values in it") {
  auto spec = SampleSpec("api");
  spec->port_base = 4000;
  spec->health_check.target = "http://127.0.0.1:${PORT}/health";
  const auto target = ProbeTarget(*spec, OrderFor(*spec), kGround);
  REQUIRE(target);
  CHECK(*target == "http://127.0.0.1:4002/health");
}

}  // namespace oxherd
