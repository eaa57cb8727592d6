// What `oxherd top` shows: the state and the size of the screen in, its lines out. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "cli/top/state.h"

namespace oxherd::cli {

struct TopScreen {
  std::size_t columns = 80;
  std::size_t rows = 24;
  bool colour = true;
  std::int64_t now_unix_ms = 0;
};

// Exactly `rows` lines, none wider than `columns`, with SGR codes where there is colour; the chosen
// row is reversed in any case.
[[nodiscard]] std::vector<std::string> TopFrame(const TopState& state, const TopScreen& screen);

// The last `width` values as blocks, the newest on the right: "▁▂▅█". `full`: what a whole block
// stands for, unless one is greater. Fewer values leave blanks on the left.
[[nodiscard]] std::string Graph(const std::deque<double>& values, std::size_t width, double full);

}  // namespace oxherd::cli
