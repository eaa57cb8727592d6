// As checker_test.cc, for the invariants of sockets and traffic: each is shown a step that breaks
// it.
#include <doctest/doctest.h>

#include <string>

#include "tests/sim/checker.h"
#include "tests/sim/stage.h"

namespace oxherd::sim {
namespace {

using namespace std::chrono_literals;

struct Row {
  Invariant invariant;
  const char* broken;
  Violation (*play)(Stage&);
};

constexpr const char* kAddress = "tcp:[::]:3000";

// Service a, its instances Ready at their sockets, and one socket more.
void BringUpListening(Stage& stage, std::uint16_t count) {
  const SpecPtr spec = MakeSpec(0, [count](Policy& policy) {
    policy.instances = count;
    policy.listen = {{.address = kAddress, .any_family = true}};
  });
  stage.Well(stage.Ask(Verb::kStart, {"a"}, {spec}));
  event::PoolOpened opened{.service = "a", .address = kAddress, .error = {}};
  opened.width = static_cast<std::uint16_t>(count + 1);
  stage.Well(opened);
  stage.BringUp({spec});
  for (Slot& slot : stage.service().slots) {
    Process* process = stage.kernel.Find(slot.current.token());
    process->socket = slot.current.socket;
    process->has_asked = true;
  }
}

Violation SteeredElsewhere(Stage& stage) {
  BringUpListening(stage, 2);
  return stage.Step(event::Due{},
                    [](Stage& s) { s.service().traffic->pools.at(0).steered = {0, 2}; });
}

Violation ListensTooEarly(Stage& stage) {
  BringUpListening(stage, 1);
  return stage.Step(event::Due{},
                    [](Stage& s) { s.actions.push_back(action::Relisten{"a", kAddress, 0}); });
}

Violation StoppedBeforeDrained(Stage& stage) {
  BringUpListening(stage, 1);
  stage.Well(stage.Ask(Verb::kReload, {"a"}, {stage.service().specs.at(0).spec}));
  for (int round = 0; round < 2; ++round) {  // Ready by its uptime, and through its trial
    stage.ConfirmAll();
    stage.Pass(1s);
  }
  REQUIRE(stage.current().kind() == StateKind::kDraining);
  return stage.Step(event::Due{}, [](Stage& s) {
    s.current().state =
        Stopping{.process = *s.current().process(), .until = s.now + 10s, .hook = {}};
  });
}

Violation ClosedWhereOneServes(Stage& stage) {
  BringUpListening(stage, 1);
  return stage.Step(event::Due{},
                    [](Stage& s) { s.actions.push_back(action::ClosePool{"a", kAddress}); });
}

Violation OpenWhereNobodyComes(Stage& stage) {
  BringUpListening(stage, 1);
  return stage.Step(stage.Ask(Verb::kStop, {"a"}),
                    [](Stage& s) { s.service().traffic = s.before.Find("a")->traffic; });
}

void SweepTheFirst(Stage& stage) {
  action::Sweep sweep;
  sweep.service = "a";
  sweep.address = kAddress;
  stage.actions.push_back(sweep);
}

Violation LivingIsSwept(Stage& stage) {
  BringUpListening(stage, 2);
  return stage.Step(event::Due{}, SweepTheFirst);
}

Violation SweptThoughOneComes(Stage& stage) {
  BringUpListening(stage, 1);
  stage.End(stage.token(), ExitStatus::Code(1));  // started again at once
  stage.Well(event::Exited{stage.token(), ExitStatus::Code(1)});
  return stage.Step(event::Gone{stage.token()}, SweepTheFirst);
}

Violation TwoFinders(Stage& stage) {
  const SpecPtr spec = MakeSpec(0, [](Policy& policy) {
    policy.instances = 2;
    policy.auto_listen = AutoListen::kUnknown;
  });
  return stage.Step(stage.Ask(Verb::kStart, {"a"}, {spec}), [](Stage& s) {
    s.service().slots.at(1).current.state = s.service().slots.at(0).current.state;
  });
}

constexpr Row kRows[] = {
    {Invariant::kSteering, "clients go where nobody is", SteeredElsewhere},
    {Invariant::kSocketHeld, "listened to again while its process lives", ListensTooEarly},
    {Invariant::kDrained, "told to stop before it is drained", StoppedBeforeDrained},
    {Invariant::kClosedInTime, "closed where one serves", ClosedWhereOneServes},
    {Invariant::kClosedInTime, "open where nobody will come", OpenWhereNobodyComes},
    {Invariant::kSwept, "swept, and a living one has the socket", LivingIsSwept},
    {Invariant::kSwept, "swept, and one comes", SweptThoughOneComes},
    {Invariant::kOneFinder, "two look for the address", TwoFinders},
};

TEST_SUITE("sim: the checks of traffic") {
  TEST_CASE("each invariant of traffic fires on a step that breaks it") {
    for (const Row& row : kRows) {
      INFO("invariant " << static_cast<int>(row.invariant) << ": " << std::string(row.broken));
      Stage stage;
      const Violation violation = row.play(stage);
      INFO("found: " << static_cast<int>(violation.invariant) << ": "
                     << std::string(violation.what));
      CHECK(violation.invariant == row.invariant);
    }
  }
}

}  // namespace
}  // namespace oxherd::sim
