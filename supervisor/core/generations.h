// Generations of a service: one for each definition that it was given, kept as long as something
// uses it.
#pragma once

#include "core/state.h"

namespace oxherd {

// Gives the service a further generation with this spec; does not run it yet.
Generation AddGeneration(Service& service, SpecPtr spec);

// Forgets specs that nothing uses, but for the last few that were ever Ready.
void TrimSpecs(Service& service, const State& state);

}  // namespace oxherd
