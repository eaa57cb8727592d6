#include "config/syntax_hint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

namespace oxherd {

namespace {

bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

bool IsBareKey(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The value without a comment after it, as far as this can be told of what is no TOML.
std::string_view WithoutComment(std::string_view value) {
  return Trim(value.substr(0, value.find(" #")));
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::optional<std::string> ExplainBareWord(std::string_view key, std::string_view value) {
  const std::string lower = Lower(value);
  if (value == "true" || value == "false" || value == "inf" || value == "nan") return std::nullopt;
  if (lower == "true" || lower == "yes" || lower == "on") {
    return fmt::format("\"{}\" is not TOML; write {} = true", value, key);
  }
  if (lower == "false" || lower == "no" || lower == "off") {
    return fmt::format("\"{}\" is not TOML; write {} = false", value, key);
  }
  if (lower == "null" || lower == "none" || lower == "nil") {
    return fmt::format("TOML has no {}; leave the key out", value);
  }
  return fmt::format("text needs quotes; write {} = \"{}\"", key, value);
}

bool IsUnclosed(std::string_view value) {
  if (value.empty() || (value.front() != '"' && value.front() != '\'')) return false;
  const char quote = value.front();
  bool open = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && quote == '"') {
      ++i;
    } else if (value[i] == quote) {
      open = !open;
    }
  }
  return open;
}

std::optional<std::string> ExplainKeyValue(std::string_view key, std::string_view value) {
  if (!IsBareKey(key)) return std::nullopt;
  if (value.empty()) return fmt::format("\"{}\" has no value; write {} = …", key, key);
  if (IsUnclosed(value)) {
    return fmt::format("the string is not closed; add {} at its end", value.front());
  }
  if (IsLetter(value.front()) || value.front() == '/' || value.front() == '.' ||
      value.front() == '$' || value.front() == '~') {
    return ExplainBareWord(key, value);
  }
  const bool number = std::isdigit(static_cast<unsigned char>(value.front())) != 0;
  const bool unit = std::ranges::any_of(value, IsLetter);
  if (number && unit && value.find_first_of(":-\"'[{") == std::string_view::npos) {
    return fmt::format("\"{}\" is not a number; write {} = \"{}\"", value, key, value);
  }
  return std::nullopt;
}

std::optional<std::string> ExplainLine(std::string_view line) {
  const std::string_view text = Trim(line);
  if (text.starts_with("[")) {
    const std::string_view header = WithoutComment(text);
    if (header.find(']') == std::string_view::npos && header.find('=') == std::string_view::npos) {
      return fmt::format("the table's name is not closed; write {}]", header);
    }
    return std::nullopt;
  }
  const std::size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    return ExplainKeyValue(Trim(text.substr(0, equals)), WithoutComment(text.substr(equals + 1)));
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && IsBareKey(Trim(text.substr(0, colon)))) {
    return fmt::format("this is not TOML; write {} = …, not \":\"", Trim(text.substr(0, colon)));
  }
  if (IsBareKey(WithoutComment(text))) {
    return fmt::format("\"{}\" has no value; write {} = …", WithoutComment(text),
                       WithoutComment(text));
  }
  return std::nullopt;
}

// toml++: "Error while parsing key-value pair: cannot redefine existing string 'x'".
std::string WithoutPrefix(std::string_view message) {
  const std::size_t prefix = message.find(": ");
  if (message.starts_with("Error while parsing ") && prefix != std::string_view::npos) {
    message.remove_prefix(prefix + 2);
  }
  return std::string(message);
}

}  // namespace

std::size_t BrokenColumn(std::string_view line, std::size_t column) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos || equals + 1 >= column) return column;
  const std::size_t value = line.find_first_not_of(" \t", equals + 1);
  const bool bare = value != std::string_view::npos && IsBareKey(Trim(line.substr(0, equals))) &&
                    !std::string_view("[{\"'").contains(line[value]);
  return bare ? value + 1 : column;
}

std::string ExplainSyntax(std::string_view parser_message, std::string_view line) {
  const std::string plain = WithoutPrefix(parser_message);
  if (plain.find("cannot redefine existing") != std::string::npos) {
    const std::size_t quote = plain.find('\'');
    const std::size_t end = plain.rfind('\'');
    if (quote != std::string::npos && end > quote) {
      return fmt::format("\"{}\" is defined twice; keep one of the two",
                         plain.substr(quote + 1, end - quote - 1));
    }
  }
  if (plain.find("escape sequence") != std::string::npos) {
    return "in \"…\" a backslash begins an escape such as \\n; write it twice, or use '…'";
  }
  if (const auto explained = ExplainLine(line)) return *explained;
  if (plain.find("unescaped control characters") != std::string::npos) {
    return "a string is not closed in its line; add its quote, or use \"\"\"…\"\"\" for several "
           "lines";
  }
  return "not TOML: " + plain;
}

}  // namespace oxherd
