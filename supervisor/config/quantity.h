// Lengths of time as people write them: "1m30s".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace oxherd {

// "250ms", "10s", "1m30s", "2h", "1d": numbers with the units d, h, m, s, ms, each at most once,
// the larger first. Nothing for anything else, and for more than 1000 days.
[[nodiscard]] std::optional<Millis> ParseDuration(std::string_view text);

// What was probably meant by "10 sec", "5 minutes" or "1.5s"; nothing if that cannot be told.
[[nodiscard]] std::optional<Millis> GuessDuration(std::string_view text);

// "1m30s", "250ms", "0s"; ParseDuration() reads it.
[[nodiscard]] std::string FormatDuration(Millis duration);

}  // namespace oxherd
