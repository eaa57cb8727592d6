// The last lines that one process printed, found in its logs through their time indexes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/ids.h"

namespace oxherd {

// How far back is looked, in each file.
constexpr std::size_t kTailBytes = std::size_t{1} << 20;
// Longer lines are cut: they go into replies.
constexpr std::size_t kTailLineBytes = 1024;

// The last `count` lines of this token in both logs (and in the newest rotated ones), in the order
// of time, oldest first. Fewer, or none, where the files or their indexes do not hold them. Blocks
// for the disk.
[[nodiscard]] std::vector<std::string> LastLinesOf(Token token, const std::string& out_path,
                                                   const std::string& err_path, std::size_t count);

}  // namespace oxherd
