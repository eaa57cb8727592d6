// What the members of `control_group` may ask of root's daemon, who are not its owner: to look, and
// to steer what its files define. Nothing that says what is run, or shows a value of a variable.
#pragma once

#include "base/error.h"
#include "control/message.h"

namespace oxherd::control {

// The message as it is to be taken from a member: without the caller's variables and the Oxfile
// that lies where it was typed. An error says what members may not. Pure.
[[nodiscard]] Result<FromClient> AsFromMember(FromClient message);

}  // namespace oxherd::control
