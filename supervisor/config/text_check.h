// Looks at the text of a file before a parser does: encoding, control characters, and what of TOML
// would be dangerous to toml++.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"

namespace oxherd {

struct TextProblem {
  Position position;
  std::string message;  // empty: the line says best what is wrong (ExplainSyntax)
};

// `text` without a byte order mark.
[[nodiscard]] std::string_view WithoutByteOrderMark(std::string_view text);

// Not UTF-8 (overlong forms, surrogates and values beyond U+10FFFF included), or with a NUL byte.
[[nodiscard]] std::optional<TextProblem> CheckEncoding(std::string_view text);

// Brackets and dotted keys may nest this deep; toml++ and we descend recursively.
constexpr std::uint32_t kMaxNesting = 32;

// What a line of TOML begins inside of: nothing, or brackets or a string of an earlier line.
enum class LineStart : std::uint8_t { kFresh, kContinued };

struct TomlOutline {
  std::vector<LineStart> lines;  // [0] is line 1
  std::vector<TextProblem> problems;
};

// Finds characters other than ASCII outside strings and comments (undefined behaviour in
// toml++ 3.3.0 on bytes such as CA 98), and nesting beyond kMaxNesting. `text` has passed
// CheckEncoding().
[[nodiscard]] TomlOutline OutlineToml(std::string_view text);

// Line `number` (from 1) of `text`, without its end.
[[nodiscard]] std::string_view LineOf(std::string_view text, std::uint32_t number);

}  // namespace oxherd
