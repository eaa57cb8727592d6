// Actions: what the core wants done. The keeper's protocol, plus a few of the daemon's own.
//
// An action names everything; whoever performs it counts and chooses nothing. Specs are not in
// here: they are looked up in the state by service and generation.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "core/failure.h"
#include "core/spec.h"

namespace oxherd {

enum class ProcessKind : std::uint8_t {
  kInstance,
  kPreReload,  // hooks: processes with a token of their own
  kPreStop,
  kPostStop,
};

// The answer to one Probe.
enum class ProbeOutcome : std::uint8_t {
  kGood,
  kBad,
  kForeign,  // answered, but by a process that is not of this instance: proves nothing
  kVoid,     // cannot be judged (suspend, starved loop, cancelled): counts for nothing
};

namespace action {

struct Spawn {  // to the keeper
  Token token;
  InstanceId instance;
  Generation generation;
  ProcessKind kind = ProcessKind::kInstance;
};
struct Stop {  // to the keeper: the signal now, SIGKILL to the whole tree at `kill_at`
  Token token;
  std::uint8_t signal = 0;
  KillMode scope = KillMode::kGroup;
  Instant kill_at;
};
struct Kill {  // to the keeper: SIGKILL to the whole tree now
  Token token;
};
struct Acknowledge {  // to the keeper: exit and gone of this token are in the image
  Token token;
};
struct Probe {  // to the probes: ask this instance once, with the spec's timeout
  Token token;
  InstanceId instance;
  Generation generation;
  Token check;  // for a command check: the token of its process
};
struct Reply {  // to the client, if it is there: the request's outcome is in the state
  RequestId request;
};
struct SaveWishes {};  // what is wanted has changed: write state.json

// Something happened that people want to read: a log line, a progress line, an event.
struct Tell {
  enum class Kind : std::uint8_t {
    kSpawning,     // token
    kStarted,      // pid
    kReady,        // millis: from spawn to ready
    kExited,       // failure.status; millis: uptime
    kSpawnFailed,  // failure
    kNotReady,     // failure
    kUnhealthy,
    kHealthyAgain,
    kDraining,  // millis: until the stop signal
    kUndrained,
    kStopping,  // number: signal; millis: until SIGKILL
    kKilling,   // SIGKILL was sent
    kUnkillable,
    kStopped,  // millis: from the stop signal to gone
    kBackoff,  // millis: delay; number: crashes
    kFailed,   // failure; millis: until the next try; number: crashes
    kDone,     // millis: from spawn to exit; a oneshot's 0, or a service's end by itself
    kHookStarted,
    kHookFailed,   // failure
    kReloadBegun,  // generation: target
    kReloadDone,
    kRollingBack,  // failure
    kRolledBack,   // failure
    kReplacing,    // by health check, limit, cron
    kWaitingFor,   // failure.service: the dependency
    kAdopted,      // found running after the daemon was started anew
    kLeftovers,    // a tree whose main process ended is being killed
  };
  Kind kind;
  InstanceId instance;
  Generation generation;
  Token token;
  std::uint32_t millis = 0;
  std::int32_t number = 0;
  Failure failure;
};

}  // namespace action

using Action = std::variant<action::Spawn, action::Stop, action::Kill, action::Acknowledge,
                            action::Probe, action::Reply, action::SaveWishes, action::Tell>;
using Actions = std::vector<Action>;

}  // namespace oxherd
