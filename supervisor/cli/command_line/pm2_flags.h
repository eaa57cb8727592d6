// Flags of PM2's that have no equal here, and what is there instead.
#pragma once

#include <optional>
#include <string_view>

namespace oxherd::cli {

// "oxherd logs -f follows" for "--attach"; nothing for what is no flag of PM2's.
[[nodiscard]] std::optional<std::string_view> InsteadOfPm2Flag(std::string_view flag);

}  // namespace oxherd::cli
