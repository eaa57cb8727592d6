#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>

namespace oxherd {

namespace {

constexpr std::size_t kShownCharacters = 40;

std::string Shortened(const std::string& text) {
  std::string shown = text.substr(0, kShownCharacters);
  // Not in the middle of a character of several bytes.
  while (shown.size() < text.size() && !shown.empty() &&
         (static_cast<unsigned char>(text[shown.size()]) & 0xC0U) == 0x80U) {
    shown.pop_back();
  }
  std::ranges::replace_if(
      shown, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return shown.size() < text.size() ? shown + "…" : shown;
}

struct Describer {
  std::string operator()(const std::string& text) const {
    return fmt::format("the string \"{}\"", Shortened(text));
  }
  std::string operator()(std::int64_t number) const { return fmt::format("the number {}", number); }
  std::string operator()(double number) const { return fmt::format("the number {}", number); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const Array&) const { return "an array"; }
  std::string operator()(const Table&) const { return "a table"; }
  std::string operator()(const DateOrTime&) const { return "a date or time"; }
};

}  // namespace

const Entry* Table::Find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &*found;
}

std::string Describe(const Value& value) { return std::visit(Describer{}, value.content); }

}  // namespace oxherd
