// Writes values as TOML: what `import` and `init` print.
#pragma once

#include <string>
#include <string_view>

#include "config/value.h"

namespace oxherd {

// "…" with what TOML wants escaped.
[[nodiscard]] std::string TomlString(std::string_view text);

// A key, quoted where it must be.
[[nodiscard]] std::string TomlKey(std::string_view key);

// A value in one line; a table as { … }.
[[nodiscard]] std::string TomlValue(const Value& value);

// The text with `${` as `$${`: it stands for itself.
[[nodiscard]] std::string Literal(std::string_view text);

}  // namespace oxherd
