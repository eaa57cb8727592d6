// JSON text to plain values; the one place of config/ that calls nlohmann-json.
#pragma once

#include <expected>
#include <string_view>

#include "config/text_check.h"
#include "config/value.h"

namespace oxherd {

// The value, or where the text stops being JSON. Comments are taken, as PM2 takes them; null is
// nothing, and what is nested deeper than kMaxJsonDepth is left out. Values have no positions.
// Never throws.
constexpr int kMaxJsonDepth = 32;
[[nodiscard]] std::expected<Value, TextProblem> ReadJson(std::string_view text);

}  // namespace oxherd
