// ParseNumber: a text that is a number and nothing else.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace oxherd {

// Nothing for an empty text, for one with anything before or after the digits (a sign is fine where
// Number has one), and for what Number cannot hold. Source: std::from_chars.
template <typename Number>
[[nodiscard]] std::optional<Number> ParseNumber(std::string_view text, int base = 10) {
  Number number{};
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, failure] = std::from_chars(begin, end, number, base);
  if (failure != std::errc{} || stop != end) return std::nullopt;
  return number;
}

}  // namespace oxherd
