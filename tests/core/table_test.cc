#include <doctest/doctest.h>

#include <csignal>

#include "core/instance.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow = InstantFromNanoseconds(5'000'000'000);
constexpr Process kProcess{.token = Token(5), .pid = Pid(77), .spawned_at = kNow - 2s};

// One instance in each state, with every deadline passed.
std::vector<InstanceState> EveryState() {
  Starting starting{
      .process = kProcess, .confirmed = true, .ready_by = kNow, .proven_at = kNever, .probing = {}};
  starting.process.pid = {};
  return {
      Waiting{.delay_until = kNow, .order = Order::kAtOnce},
      starting,
      Ready{.process = kProcess, .since = kNow - 1s, .probing = {}},
      Unhealthy{.process = kProcess,
                .ready_since = kNow - 1s,
                .since = kNow,
                .next_try = kNow,
                .tries = 0,
                .probing = {}},
      Draining{.process = kProcess, .ready_since = kNow - 1s, .until = kNow, .not_before = kNow},
      Stopping{.process = {.token = Token(5), .pid = {}, .spawned_at = kNow - 2s},
               .phase = Stopping::Phase::kSignal,
               .until = kNow,
               .after = After::kCrash,
               .hook = {}},
      Killing{.process = {.token = Token(5), .pid = {}, .spawned_at = kNow - 2s},
              .unkillable_at = kNow,
              .unkillable = false,
              .why = Killing::Why::kInTime,
              .after = After::kCrash},
      Backoff{.until = kNow},
      Exited{},
      Failed{.retry_at = kNow},
      Stopped{},
  };
}

std::vector<InstanceEvent> EveryEvent() {
  return {on::Start{},
          on::Stop{},
          on::Turn{},
          on::Retire{.not_before = kNow + 1s},
          on::Undrain{},
          on::Proof{},
          on::Bad{},
          on::Good{},
          on::Started{Pid(78)},
          on::SpawnFailed{.stage = 1, .number = 2},
          on::Exit{ExitStatus::Code(1)},
          on::Gone{},
          on::KillFired{},
          on::HookDone{},
          on::Due{},
          on::Drained{},
          on::NoSockets{},
          on::Refused{}};
}

struct Taken {
  bool handled = false;
  bool changed = false;
};

Taken Take(const InstanceState& state, const InstanceEvent& event) {
  Policy policy;
  Token next_token(9);
  std::vector<Hook> hooks;
  Actions actions;
  const InstanceId id{"api", 0};
  InstanceContext context{.policy = policy,
                          .id = id,
                          .now = kNow,
                          .seed = 1,
                          .next_token = next_token,
                          .wanted = true,
                          .hooks = hooks,
                          .actions = actions};
  Instance instance{.generation = Generation(1), .state = state};
  const Instance before = instance;
  const bool handled = Step(instance, event, context);
  return {.handled = handled, .changed = !(instance == before) || !actions.empty()};
}

// Handled, but with nothing to show for it in the state that is tried here.
bool IsHandledElsewhere(StateKind state, InstanceEventKind event) {
  // Due in Ready and Unhealthy is the health question's, which AskIfDue() asks.
  if (event == InstanceEventKind::kDue) {
    return state == StateKind::kReady || state == StateKind::kUnhealthy;
  }
  // Only in the hooks' phases of Stopping.
  return event == InstanceEventKind::kHookDone && state == StateKind::kStopping;
}

TEST_SUITE("core: the table of states and events") {
  TEST_CASE("every cell is handled and does something, or ignored and does nothing") {
    const auto states = EveryState();
    const auto events = EveryEvent();
    REQUIRE(states.size() == kStateCount);
    REQUIRE(events.size() == kInstanceEventCount);
    for (std::size_t s = 0; s < kStateCount; ++s) {
      REQUIRE(states[s].index() == s);
      for (std::size_t e = 0; e < kInstanceEventCount; ++e) {
        REQUIRE(events[e].index() == e);
        const Cell& cell = kInstanceTable[s][e];
        CAPTURE(Name(static_cast<StateKind>(s)));
        CAPTURE(Name(static_cast<InstanceEventKind>(e)));
        CHECK_FALSE(cell.because.empty());
        const Taken outcome = Take(states[s], events[e]);
        const bool handled = cell.kind == Cell::Kind::kHandled;
        CHECK(outcome.handled == handled);
        if (IsHandledElsewhere(static_cast<StateKind>(s), static_cast<InstanceEventKind>(e))) {
          continue;
        }
        CHECK(outcome.changed == handled);
      }
    }
  }
}

}  // namespace
}  // namespace oxherd
