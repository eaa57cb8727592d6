// Finds `${…}` in text: the names that are to be replaced, and what is no name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace oxherd {

// A piece of a text: literal, a variable, or the number of the instance plus something.
struct TextPart {
  enum class Kind : std::uint8_t { kLiteral, kName, kInstance };
  Kind kind = Kind::kLiteral;
  std::string text;         // kLiteral: the characters; kName: the name
  std::int64_t addend = 0;  // kInstance
};

// `a${B}c` is "a", B, "c". `$${` is a literal `${`. Fails on a `${` that is not closed, and on what
// is neither a name nor `INSTANCE` with a number added.
[[nodiscard]] Result<std::vector<TextPart>> SplitPlaceholders(std::string_view text);

// `${` written so that SplitPlaceholders() finds none.
[[nodiscard]] std::string EscapePlaceholders(std::string_view text);

// The length of `${INSTANCE}` or `${N + INSTANCE}` at the start of `text`; 0 if there is none.
[[nodiscard]] std::size_t InstancePlaceholderLength(std::string_view text);

// [A-Za-z_][A-Za-z0-9_]*
[[nodiscard]] bool IsVariableName(std::string_view text);

}  // namespace oxherd
