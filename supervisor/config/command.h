// Commands as people write them: split into arguments where no shell is needed, else for /bin/sh.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "core/spec.h"

namespace oxherd {

// A line without shell syntax becomes its arguments (quotes and backslashes as sh has them; a
// literal
// `${` as `$${`, see environment.h). Any other becomes {"/bin/sh", "-c", line}, with `exec` in
// front of a single simple command, so that signals reach the program. `${INSTANCE}` and `${N +
// INSTANCE}` are ours and no shell syntax. Fails on an unbalanced quote, an empty line, and
// `source`, which sh does not have.
[[nodiscard]] Result<Command> ParseCommand(std::string_view line);

// One line for people: the arguments with quotes where they need them, or the shell's line.
[[nodiscard]] std::string CommandText(const Command& command);

}  // namespace oxherd
