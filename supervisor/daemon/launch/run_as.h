// The user and group of a service: looked up when its spec is frozen.
#pragma once

#include "base/error.h"
#include "core/spec.h"

namespace oxherd {

// Fills in the numbers of the logs' group and of `spec.run_as`, and puts HOME, USER, LOGNAME and
// SHELL of its user in front of what the Oxfile sets (but behind a stored PATH). Does nothing for
// what is not set. Fails where there is no such user or group, and where we are not root and it is
// not ourselves. May block (os/user.h). Call it before Freeze().
[[nodiscard]] Status ResolveRunAs(Spec& spec);

}  // namespace oxherd
