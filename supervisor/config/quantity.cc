#include "config/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>

namespace oxherd {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t millis;
};

constexpr std::array<Unit, 5> kUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

constexpr std::int64_t kMost = 1000LL * 86'400'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

template <typename Predicate>
std::string_view TakeWhile(std::string_view& text, Predicate predicate) {
  const auto end = std::ranges::find_if_not(text, predicate);
  const auto taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return taken;
}

std::optional<std::int64_t> Number(std::string_view digits) {
  if (digits.empty() || digits.size() > 12) return std::nullopt;
  std::int64_t number = 0;
  for (const char digit : digits) number = number * 10 + (digit - '0');
  return number;
}

}  // namespace

std::optional<Millis> ParseDuration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  auto next_unit = kUnits.begin();
  while (!text.empty()) {
    const auto number = Number(TakeWhile(text, IsDigit));
    const std::string_view name = TakeWhile(text, IsLetter);
    const auto* unit = std::find_if(next_unit, kUnits.end(),
                                    [name](const Unit& known) { return known.name == name; });
    if (!number || unit == kUnits.end()) return std::nullopt;
    if (*number > kMost / unit->millis) return std::nullopt;
    total += *number * unit->millis;
    if (total > kMost) return std::nullopt;
    next_unit = unit + 1;
  }
  return Millis(total);
}

std::optional<Millis> GuessDuration(std::string_view text) {
  const auto is_space = [](char c) { return c == ' '; };
  TakeWhile(text, is_space);
  const auto number = Number(TakeWhile(text, IsDigit));
  if (!number || *number > kMost) return std::nullopt;
  std::int64_t tenths = 0;
  if (text.size() > 1 && text[0] == '.' && IsDigit(text[1])) {
    tenths = text[1] - '0';
    text.remove_prefix(2);
  }
  TakeWhile(text, is_space);
  const std::string_view word = TakeWhile(text, IsLetter);
  TakeWhile(text, is_space);
  if (!text.empty() || word.empty()) return std::nullopt;

  constexpr std::array<Unit, 10> kSpellings = {{{"milliseconds", 1},
                                                {"msecs", 1},
                                                {"ms", 1},
                                                {"seconds", 1000},
                                                {"secs", 1000},
                                                {"minutes", 60'000},
                                                {"mins", 60'000},
                                                {"hours", 3'600'000},
                                                {"hrs", 3'600'000},
                                                {"days", 86'400'000}}};
  for (const Unit& unit : kSpellings) {
    const bool starts = std::ranges::equal(
        word, unit.name.substr(0, word.size()),
        [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
    if (!starts || word == "m") continue;
    if (*number > kMost / unit.millis) return std::nullopt;
    return Millis(*number * unit.millis + tenths * unit.millis / 10);
  }
  return std::nullopt;
}

std::string FormatDuration(Millis duration) {
  std::int64_t rest = duration.count();
  if (rest <= 0) return "0s";
  std::string text;
  for (const Unit& unit : kUnits) {
    if (rest >= unit.millis) text += fmt::format("{}{}", rest / unit.millis, unit.name);
    rest %= unit.millis;
  }
  return text;
}

}  // namespace oxherd
