// Replaces this process with a program of another environment, folder and user.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace oxherd::os {

struct Identity {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  // supplementary
};

struct Becoming {
  std::vector<std::string> words;        // the program, looked for on the environment's PATH
  std::vector<std::string> environment;  // "NAME=value"; the whole of it
  std::string folder;
  std::optional<Identity> identity;  // nothing: as we are
};

// In this order: groups, user (verified), folder, program. Returns only if one of them fails; what
// was done by then stays done. Source: setgroups(2), setresuid(2), execvpe(3).
[[nodiscard]] Error BecomeProgram(const Becoming& becoming);

}  // namespace oxherd::os
