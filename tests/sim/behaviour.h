// Behaviour: what one process will do, drawn when it is spawned.
#pragma once

#include <cstdint>

#include "base/exit_status.h"
#include "base/time.h"
#include "core/action.h"
#include "core/spec.h"
#include "keeper/protocol.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"

namespace oxherd::sim {

constexpr Duration kForever = Duration::max();

struct Behaviour {
  // The spawn itself.
  bool spawn_fails = false;
  keeper::Stage stage = keeper::Stage::kExec;
  std::int32_t number = 0;  // errno
  Duration exec_after{};

  Duration ready_after{};  // from exec: answers health checks, and prints the line for `ready_log`
  Duration exit_after = kForever;  // from exec: ends by itself
  ExitStatus exit_status = ExitStatus::Code(1);
  bool is_to_end = false;          // a oneshot: without faults it does
  Duration sick_after = kForever;  // from exec: health turns bad …
  Duration sick_for{};             // … for so long

  bool heeds_signal = true;  // the stop signal
  Duration dies_after_signal{};
  ExitStatus status_after_signal = ExitStatus::Code(0);
  Duration dies_after_kill{};  // unkillable for so long

  // With `listen`: which address its program binds; when it shuts the socket that it was given.
  Wants wants = Wants::kAny;
  Duration shuts_after = kForever;  // from exec
  bool shuts_at_signal = false;

  Duration tree_lingers{};  // after the main process; kForever: until it is killed
};

enum class Weather : std::uint8_t { kFaults, kCalm };

struct BehaviourContext {
  const Spec& spec;
  Quality quality = Quality::kGood;
  ProcessKind kind = ProcessKind::kInstance;
  Weather weather = Weather::kFaults;
  Wants wants = Wants::kAny;
};

[[nodiscard]] Behaviour DrawBehaviour(Random random, const BehaviourContext& context);

}  // namespace oxherd::sim
