#include "daemon/run_end.h"

#include <doctest/doctest.h>

#include <memory>

namespace oxherd {
namespace {

// A service with one instance in this state.
Service Make(const std::string& name, InstanceState state,
             std::optional<ExitStatus> last_exit = std::nullopt) {
  Service service;
  service.name = name;
  service.wish = Wish::kRunning;
  service.slots.emplace_back();
  service.slots.back().current.state = std::move(state);
  service.slots.back().current.last_exit = last_exit;
  return service;
}

State With(std::vector<Service> services) {
  State state;
  for (Service& service : services) state.services.push_back(std::move(service));
  return state;
}

TEST_SUITE_BEGIN("run_end");

TEST_CASE("a run goes on while something runs, and ends with 0 when all is done") {
  CHECK_FALSE(EndOfRun(With({Make("web", Ready{}), Make("job", Exited{})}), {}));
  const auto end = EndOfRun(With({Make("job", Exited{}, ExitStatus::Code(0))}), {});
  REQUIRE(end.has_value());
  CHECK(end->code == 0);
}

TEST_CASE("one that has failed ends the others, unless they are to keep going") {
  const State state = With({Make("web", Ready{}), Make("job", Failed{}, ExitStatus::Code(3))});
  const auto end = EndOfRun(state, {});
  REQUIRE(end.has_value());
  CHECK(end->code == 1);
  CHECK(end->why == "job has failed");
  CHECK_FALSE(EndOfRun(state, {.keep_going = true}));
  const auto last = EndOfRun(With({Make("job", Failed{})}), {.keep_going = true});
  REQUIRE(last.has_value());
  CHECK(last->code == 1);
}

TEST_CASE("with a service to wait for, its end and its exit code are the run's") {
  const RunRules rules{.exit_with = "job"};
  CHECK_FALSE(EndOfRun(With({Make("web", Failed{}), Make("job", Ready{})}), rules));
  const auto code = [&](InstanceState state, ExitStatus status) {
    const auto end =
        EndOfRun(With({Make("web", Ready{}), Make("job", std::move(state), status)}), rules);
    return end ? end->code : -1;
  };
  CHECK(code(Exited{}, ExitStatus::Code(0)) == 0);
  CHECK(code(Failed{}, ExitStatus::Code(7)) == 7);
  CHECK(code(Failed{}, ExitStatus::Signal(9)) == 137);
  CHECK(code(Failed{}, ExitStatus{}) == 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd
