// Main processes of this home found by their environment alone, for when nothing that was written
// down can be read, and for those that were not written down in time.
//
// Theirs are OXHERD_STATE, which names the home, OXHERD_TOKEN, OXHERD_SERVICE, OXHERD_INSTANCE_ID
// and OXHERD_GENERATION, and each leads a session of its own. What has overwritten its environment
// is not found.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "keeper/succession.h"

namespace oxherd::keeper {

// What the environment of a process says of it, as /proc/PID/environ has it: entries that end with
// a NUL. Nothing unless it is of this home. Pure.
[[nodiscard]] std::optional<LeftProcess> ReadMarks(std::string_view environment,
                                                   std::string_view state);

// All that run now, as if they had been written down. Reads the environment of every process that
// we may look at.
[[nodiscard]] Estate FindFoundlings(const std::string& state);

// Adds what the keeper before us has started and not yet written down when it died. Such a one has
// a higher token than all that was written: older ones that are not there are no processes of ours
// any more, whatever their environment says.
void AddUnwritten(Estate& estate, const std::string& state);

}  // namespace oxherd::keeper
