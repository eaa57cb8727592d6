// Reads a file that a person wrote into memory, once, or says why it cannot be one.
#pragma once

#include <string>

#include "base/error.h"

namespace oxherd {

// At most kMaxConfigBytes of a regular file. Never waits for a FIFO or a device. The error says
// what the path is instead ("is a directory, not a file") without naming it; `number` is ENOENT
// where there is none. Blocks on the disk. Source: open(2), fstat(2), read(2); config/ lies beside
// os/, not above.
[[nodiscard]] Result<std::string> ReadTextFile(const std::string& path);

}  // namespace oxherd
