// TOML text to plain values; the one place that calls toml++.
#pragma once

#include <expected>
#include <string_view>
#include <vector>

#include "config/text_check.h"
#include "config/value.h"

namespace oxherd {

// The document, or what is wrong with its syntax. After a line that cannot be read the lines after
// it are still tried, so that several broken lines are reported together. Never throws. CRLF and a
// byte order mark are accepted.
[[nodiscard]] std::expected<Table, std::vector<TextProblem>> ReadToml(std::string_view text);

}  // namespace oxherd
