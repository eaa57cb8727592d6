#include "config/toml_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace oxherd {

std::string TomlString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string TomlKey(std::string_view key) {
  constexpr std::string_view kBare =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const bool bare = !key.empty() && key.find_first_not_of(kBare) == std::string_view::npos;
  return bare ? std::string(key) : TomlString(key);
}

std::string TomlValue(const Value& value) {
  if (const auto* text = value.As<std::string>()) return TomlString(*text);
  if (const auto* flag = value.As<bool>()) return *flag ? "true" : "false";
  if (const auto* number = value.As<std::int64_t>()) return std::to_string(*number);
  if (const auto* number = value.As<double>()) {
    return std::isfinite(*number) ? fmt::format("{:#}", *number) : "0.0";
  }
  std::string list;
  if (const auto* items = value.As<Array>()) {
    for (const Value& item : *items) list += (list.empty() ? "" : ", ") + TomlValue(item);
    return "[" + list + "]";
  }
  if (const auto* table = value.As<Table>()) {
    for (const Entry& entry : table->entries) {
      list += (list.empty() ? " " : ", ") + TomlKey(entry.key) + " = " + TomlValue(entry.value);
    }
    return "{" + list + " }";
  }
  return "\"\"";
}

std::string Literal(std::string_view text) {
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') literal += '$';
    literal += text[i];
  }
  return literal;
}

}  // namespace oxherd
