// Commands of the control socket and verbs of the core: which is which.
#pragma once

#include "control/message.h"
#include "core/failure.h"

namespace oxherd {

// kNone where nothing of the core's is asked for.
[[nodiscard]] Verb VerbOf(control::Command command);

// What a request in the state was asked for as; kPing where nobody did.
[[nodiscard]] control::Command CommandOf(Verb verb);

}  // namespace oxherd
