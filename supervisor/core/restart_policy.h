// When a crashed instance is started again: the back-off, its jitter, and who gives up when.
#pragma once

#include <cstdint>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"
#include "core/spec.h"

namespace oxherd {

// The delay before restart number `crashes` (1 = after the first crash): `restart_delay`, then
// 100 ms doubled per crash up to `restart_delay_max`, each with up to a tenth more, the same tenth
// for all crashes of one instance, so that instances do not all start at once. Never shorter than
// the one before, never longer than the maximum.
[[nodiscard]] Millis BackoffDelay(const Policy& policy, std::uint16_t crashes, std::uint64_t seed,
                                  const InstanceId& id);

// True if this many crashes in a row mean Failed.
[[nodiscard]] bool GivesUp(const Policy& policy, std::uint16_t crashes);

// True if the policy starts again what ended so. `was_ready`: an end before ready is a failure
// whatever its code.
[[nodiscard]] bool StartsAgain(const Policy& policy, ExitStatus status, bool was_ready);

// What an errno of a spawn says about trying again.
enum class SpawnErrno : std::uint8_t {
  kTextBusy,   // the program is being replaced: again in a moment
  kTransient,  // no process, memory or descriptor to be had now
  kPermanent,  // wrong until somebody mends it
};
[[nodiscard]] SpawnErrno ClassifySpawnErrno(int number);

// Least delay after a permanent spawn failure of something that ran before (a deploy swaps files).
constexpr Millis kRespawnDelay{1000};
// ETXTBSY: tries and the time between them.
constexpr std::uint16_t kTextBusyTries = 5;
constexpr Millis kTextBusyDelay{200};

}  // namespace oxherd
