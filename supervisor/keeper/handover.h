// An estate that goes from the daemon of a dead keeper to another keeper that found the home taken:
// over a socket, with its descriptors (SCM_RIGHTS).
//
// The daemon listens at <runtime>/takeover.sock from the moment its keeper is dead; who finds the
// lock held for a dead keeper connects there. Both sides block, with a deadline: neither has
// anything else to do.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "keeper/succession.h"

namespace oxherd::keeper {

constexpr const char* kTakeOverName = "takeover.sock";

// Waits for somebody of our user who asks and gives him everything; the numbers in `estate` are
// ours. True: he has it all.
[[nodiscard]] bool HandOver(const std::string& runtime, const Estate& estate, Duration patience);

// The estate, its numbers now open here; nothing where nobody gave one in time.
[[nodiscard]] std::optional<Estate> AskForEstate(const std::string& runtime, Duration patience);

}  // namespace oxherd::keeper
