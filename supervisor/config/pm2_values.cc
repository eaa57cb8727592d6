#include "config/pm2_values.h"

#include <algorithm>
#include <charconv>

#include "base/number.h"
#include "config/shell_words.h"
#include "config/toml_text.h"

namespace oxherd {

namespace {

constexpr std::size_t kShown = 80;

std::string TextOf(const Value& value) {
  const auto* text = value.As<std::string>();
  return text == nullptr ? TomlValue(value) : *text;
}

}  // namespace

bool IsOffInPm2(const Value& value) {
  const auto* flag = value.As<bool>();
  const auto* items = value.As<Array>();
  const auto* text = value.As<std::string>();
  return (flag != nullptr && !*flag) || (items != nullptr && items->empty()) ||
         (text != nullptr && (text->empty() || *text == "false"));
}

std::string Pm2Port(const Table& env) {
  const Entry* entry = env.Find("PORT");
  if (entry == nullptr) return {};
  const std::string text = TextOf(entry->value);
  return ParseNumber<std::uint16_t>(text).value_or(0) != 0 ? text : std::string();
}

std::string Pm2Count(const Value& value) {
  const std::string text = TextOf(value);
  if (text == "max" || text == "0" || text == "-1") return "\"max\"";
  return ParseNumber<int>(text).value_or(1) > 1 ? text : std::string();
}

std::optional<std::int64_t> Pm2Megabytes(const Value& value) {
  constexpr double kKibi = 1024;
  double number = 0;
  char unit = 0;
  if (const auto* bytes = value.As<std::int64_t>()) {
    number = static_cast<double>(*bytes);
  } else if (const auto* text = value.As<std::string>()) {
    const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (failure != std::errc()) return std::nullopt;
    if (end != text->data() + text->size()) unit = *end;
  } else {
    return std::nullopt;
  }
  if (unit == 'G' || unit == 'g') number *= kKibi * kKibi * kKibi;
  if (unit == 'M' || unit == 'm') number *= kKibi * kKibi;
  if (unit == 'K' || unit == 'k') number *= kKibi;
  if (!(number >= 1) || number > kKibi * kKibi * kKibi * kKibi) return std::nullopt;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(number / (kKibi * kKibi)));
}

std::vector<std::string> Pm2Words(const Value& value) {
  std::vector<std::string> words;
  if (const auto* items = value.As<Array>()) {
    for (const Value& item : *items) words.push_back(Literal(TextOf(item)));
    return words;
  }
  const auto* line = value.As<std::string>();
  if (line == nullptr) return {TomlValue(value)};
  const auto read = ReadShellLine(*line);
  if (!read) return {Literal(*line)};
  for (const ShellWord& word : read->words) words.push_back(word.value);
  return words;
}

std::string Pm2Shown(const Value& value) {
  std::string text = TomlValue(value);
  if (text.size() <= kShown) return text;
  std::size_t size = kShown;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size) + "…";
}

}  // namespace oxherd
