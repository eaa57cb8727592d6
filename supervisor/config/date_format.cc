#include "config/date_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace oxherd {

namespace {

constexpr std::size_t kMaxFormat = 128;

// Longest first where one is the beginning of another.
constexpr std::array<std::pair<std::string_view, std::string_view>, 25> kPm2Words = {
    {{"YYYY", "%Y"}, {"YY", "%y"},   {"MMMM", "%B"}, {"MMM", "%b"}, {"MM", "%m"},
     {"M", "%-m"},   {"DDDD", "%j"}, {"DD", "%d"},   {"D", "%-d"},  {"dddd", "%A"},
     {"ddd", "%a"},  {"HH", "%H"},   {"H", "%-H"},   {"hh", "%I"},  {"h", "%-I"},
     {"mm", "%M"},   {"m", "%-M"},   {"ss", "%S"},   {"s", "%-S"},  {"SSS", "%3N"},
     {"ZZ", "%z"},   {"Z", "%z"},    {"A", "%p"},    {"a", "%P"},   {"X", "%s"}}};

// What strftime(3) of glibc converts, without its modifiers.
constexpr std::string_view kConversions = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";

Result<std::string> CheckStrftime(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    std::size_t end = i + 1;
    while (end < text.size() && std::string_view("-_0^#EO").contains(text[end])) ++end;
    if (text.substr(i, 3) == "%3N") {
      i += 2;
      continue;
    }
    if (end == text.size() || !kConversions.contains(text[end])) {
      return MakeError(fmt::format("\"{}\" is not known to strftime; see man strftime",
                                   text.substr(i, end - i + 1)));
    }
    i = end;
  }
  return std::string(text);
}

Result<std::string> FromPm2(std::string_view text) {
  std::string format;
  while (!text.empty()) {
    if (text.front() == '[') {  // [literal]
      const std::size_t close = text.find(']');
      if (close == std::string_view::npos) return MakeError("\"[\" is not closed; add \"]\"");
      format += text.substr(1, close - 1);
      text.remove_prefix(close + 1);
      continue;
    }
    const auto* word = std::ranges::find_if(
        kPm2Words, [text](const auto& known) { return text.starts_with(known.first); });
    if (word != kPm2Words.end()) {
      format += word->second;
      text.remove_prefix(word->first.size());
    } else if (std::isalpha(static_cast<unsigned char>(text.front())) != 0 && text.front() != 'T') {
      return MakeError(fmt::format(
          "\"{}\" is no part of a date; write \"%Y-%m-%d %H:%M:%S\" or \"YYYY-MM-DD HH:mm:ss\"",
          text.front()));
    } else {
      format += text.front();
      text.remove_prefix(1);
    }
  }
  return format;
}

}  // namespace

Result<std::string> ParseDateFormat(std::string_view text) {
  if (text.size() > kMaxFormat) {
    return MakeError(fmt::format("longer than {} characters", kMaxFormat));
  }
  return text.contains('%') ? CheckStrftime(text) : FromPm2(text);
}

}  // namespace oxherd
