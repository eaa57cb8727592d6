// A pipe that is full of what its reader is to have, and has no writer any more.
#pragma once

#include <string_view>

#include "os/fd.h"

namespace oxherd::os {

// Its read end. What is more than a pipe holds is cut off. Never blocks. Source: pipe2(2).
[[nodiscard]] SystemResult<Fd> PipeWith(std::string_view text);

}  // namespace oxherd::os
