#include "config/config_error.h"

#include <fmt/format.h>

#include <algorithm>

namespace oxherd {

namespace {

// Longer source lines are cut to a window around the caret.
constexpr std::size_t kShownColumns = 120;

// One string per character of `line`; what a terminal would obey is shown as "?".
std::vector<std::string> Characters(const std::string& line) {
  std::vector<std::string> characters;
  for (const char byte : line) {
    const auto code = static_cast<unsigned char>(byte);
    if ((code & 0xC0U) == 0x80U && !characters.empty()) {
      characters.back() += byte;
    } else if (code == '\t') {
      characters.emplace_back(" ");
    } else {
      characters.emplace_back(code < 0x20 || code == 0x7F ? "?" : std::string(1, byte));
    }
  }
  // U+0080…U+009F are control characters too.
  for (std::string& character : characters) {
    if (character.size() == 2 && character[0] == '\xC2' &&
        static_cast<unsigned char>(character[1]) < 0xA0) {
      character = "?";
    }
  }
  return characters;
}

}  // namespace

std::string ConfigError::Line() const {
  std::string text = file;
  if (line != 0) text += fmt::format(":{}:{}", line, column);
  text += ": ";
  if (!key.empty()) text += key + ": ";
  text += message;
  // A message may repeat words of the file: one line, and nothing that a terminal would obey.
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return text;
}

std::string ConfigError::Render() const {
  std::string text = Line();
  if (line == 0 || source_line.empty()) return text;
  const std::vector<std::string> characters = Characters(source_line);
  const std::size_t caret = column == 0 ? 0 : column - 1;
  std::size_t first = 0;
  if (characters.size() > kShownColumns && caret > kShownColumns / 2) {
    first = std::min(caret - kShownColumns / 2, characters.size() - kShownColumns);
  }
  const std::size_t last = std::min(characters.size(), first + kShownColumns);
  text += "\n    ";
  for (std::size_t i = first; i < last; ++i) text += characters[i];
  text += "\n    " + std::string(std::min(caret - first, kShownColumns), ' ') + "^";
  return text;
}

std::string Render(std::span<const ConfigError> errors) {
  std::string text;
  for (const ConfigError& error : errors) text += error.Render() + "\n";
  return text;
}

}  // namespace oxherd
