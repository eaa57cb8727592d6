// Failure: why something is not as wanted, kept as facts; words are made of it in describe.h.
#pragma once

#include <cstdint>
#include <string>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"

namespace oxherd {

// Which verb ended somebody's wait (an aborted reload, a start that a stop overtook).
enum class Verb : std::uint8_t {
  kNone,
  kStart,
  kStop,
  kRestart,
  kReload,
  kApply,
  kDelete,
  kWait,
  kShutdown,
  kBoot,
  kReplace,  // by a limit, cron or watch: never a person
  kDrain,    // one instance out of traffic
  kResume,   // and back
  kReset,    // its counters of restarts and crashes
  kScale,    // how many instances there are
};

struct Failure {
  enum class Kind : std::uint8_t {
    kNone,
    kExited,         // `status`; before it was ready if `millis` counts from the spawn (was_ready)
    kNotReady,       // no proof within `millis`
    kSpawn,          // never ran: `stage` and `number` (errno)
    kUnhealthy,      // turned bad while it was to prove itself
    kForeignPort,    // its port is answered by another process: generation `other`, if ours
    kDependency,     // `service` failed or was stopped
    kHook,           // pre_reload_cmd failed: `status`, or its time-out if `millis` is set
    kAborted,        // by `verb`
    kSuperseded,     // by a later reload, generation `other`
    kUnkillable,     // SIGKILL was sent and the process is still there
    kUnknown,        // no such service
    kTimeout,        // a wait's own deadline
    kListen,         // `address` cannot be opened: `text`
    kBindFamily,     // it binds `text`, of another family than `address`, which listen opens
    kBindWidth,      // it binds `text`, narrower than `address`, which listen opens
    kNotInTraffic,   // nothing to drain or resume: no listen, or not ready
    kLastInTraffic,  // the only one in traffic is not taken out without --force
    kDeaf,           // it shut its listening socket and lived on
    kCount,          // there can be 1 to `number` instances; 0: a oneshot is not scaled
    kRoutine,        // no failure: replaced by a limit, cron or watch, because of `text`
  };
  Kind kind = Kind::kNone;
  ExitStatus status;
  bool was_ready = false;  // the instance had been Ready before it failed
  bool old_lost = false;   // rolled back, but the old spec no longer becomes ready: the new stays
  Verb verb = Verb::kNone;
  std::uint8_t stage = 0;  // a SpawnStage
  SlotIndex slot = 0;
  std::int32_t number = 0;
  std::uint32_t millis = 0;
  Generation other;
  Token token;  // whose last lines explain it
  std::string service;
  std::string address;
  std::string text;

  [[nodiscard]] bool is_set() const { return kind != Kind::kNone; }
  friend bool operator==(const Failure&, const Failure&) = default;
};

}  // namespace oxherd
