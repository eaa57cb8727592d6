#include "cli/logs/filter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <utility>

namespace oxherd::cli {
namespace {

constexpr std::size_t kMaxSearched = std::size_t{16} * 1024;

struct Named {
  std::string_view name;
  LogLevel level;
};
constexpr std::array kNames = {
    Named{"trace", LogLevel::kTrace},    Named{"debug", LogLevel::kDebug},
    Named{"info", LogLevel::kInfo},      Named{"notice", LogLevel::kInfo},
    Named{"warn", LogLevel::kWarn},      Named{"warning", LogLevel::kWarn},
    Named{"err", LogLevel::kError},      Named{"error", LogLevel::kError},
    Named{"fatal", LogLevel::kFatal},    Named{"critical", LogLevel::kFatal},
    Named{"crit", LogLevel::kFatal},     Named{"panic", LogLevel::kFatal},
    Named{"emergency", LogLevel::kFatal}};

bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool IsCapital(char c) { return c >= 'A' && c <= 'Z'; }

// The value behind "level": in a line of JSON.
std::optional<LogLevel> LevelInJson(std::string_view line) {
  const auto key = line.find("\"level\"");
  if (key == std::string_view::npos) return std::nullopt;
  line.remove_prefix(key + 7);
  const auto value = line.find_first_not_of(" :");
  if (value == std::string_view::npos) return std::nullopt;
  line.remove_prefix(value);
  if (line.front() == '"') {
    line.remove_prefix(1);
    return LevelFromName(line.substr(0, line.find('"')));
  }
  int number = 0;  // pino's and bunyan's: 10 to 60
  if (std::from_chars(line.data(), line.data() + line.size(), number).ec != std::errc{}) {
    return std::nullopt;
  }
  return static_cast<LogLevel>(std::clamp(number / 10 - 1, 0, 5));
}

}  // namespace

std::optional<LogLevel> LevelFromName(std::string_view name) {
  for (const Named& one : kNames) {
    const bool same = std::ranges::equal(one.name, name, [](char known, char typed) {
      return known == std::tolower(static_cast<unsigned char>(typed));
    });
    if (same) return one.level;
  }
  return std::nullopt;
}

std::optional<LogLevel> LevelOf(std::string_view line) {
  line = line.substr(0, 1024);
  const auto text = line.find_first_not_of(' ');
  if (text != std::string_view::npos && line[text] == '{') {
    if (const auto level = LevelInJson(line)) return level;
  }
  for (std::size_t i = 0; i < line.size();) {
    if (!IsLetter(line[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < line.size() && IsLetter(line[end])) ++end;
    const std::string_view word = line.substr(i, end - i);
    const bool bracketed = i > 0 && (line[i - 1] == '[' || line[i - 1] == '<') &&
                           end < line.size() && (line[end] == ']' || line[end] == '>');
    if (bracketed || std::ranges::all_of(word, IsCapital)) {
      if (const auto level = LevelFromName(word)) return level;
    }
    i = end;
  }
  return std::nullopt;
}

Result<LinePattern> LinePattern::Make(const std::string& pattern) {
  LinePattern made;
  if (pattern.find_first_of("^$\\.*+?()[]{}|") == std::string::npos) {
    made.literal_ = pattern;
    return made;
  }
  auto compiled = ReadyPattern::Compile(pattern);
  if (!compiled) return std::unexpected(std::move(compiled).error().In("--grep"));
  made.expression_ = std::move(*compiled);
  return made;
}

bool LinePattern::Matches(std::string_view line) const {
  if (expression_) return expression_->Matches(line);
  return line.substr(0, kMaxSearched).find(literal_) != std::string_view::npos;
}

bool LogFilter::Takes(const os::LogLine& line, os::LogStream stream) const {
  if (since && line.burst && line.burst->wall < *since) return false;
  if (least) {
    const auto unsaid = stream == os::LogStream::kErr ? LogLevel::kWarn : LogLevel::kInfo;
    if (LevelOf(line.text).value_or(unsaid) < *least) return false;
  }
  return !pattern || pattern->Matches(line.text);
}

bool LogFilter::IsContinuation(const os::LogLine& line) {
  return line.text.starts_with(' ') || line.text.starts_with('\t');
}

bool LogOwner::Owns(const os::LogLine& line) const {
  if (!line.burst) return takes_unknown;
  return line.burst->service == service && line.burst->slot == slot;
}

}  // namespace oxherd::cli
