#include "config/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "config/command.h"
#include "config/nearest.h"
#include "config/quantity.h"

namespace oxherd {

namespace {

// PATH_MAX without the NUL, and what execve(2) takes as one argument.
constexpr std::size_t kMaxPath = 4095;
constexpr std::size_t kMaxText = std::size_t{128} * 1024 - 1;

std::string InUnit(Millis duration, TimeUnit unit) {
  const auto count = unit == TimeUnit::kMillis ? duration.count() : duration.count() / 1000;
  return fmt::format("{}", count);
}

// "0 to 86400000 (1d)".
std::string RangeText(const DurationRange& range) {
  const bool whole = range.unit == TimeUnit::kMillis || range.least.count() % 1000 == 0;
  const std::string least =
      whole ? InUnit(range.least, range.unit) : fmt::format("\"{}\"", FormatDuration(range.least));
  return fmt::format("{} to {} ({})", least, InUnit(range.most, range.unit),
                     FormatDuration(range.most));
}

void NotADuration(const Reading& reading, const std::string& text, TimeUnit unit) {
  const Millis meant = GuessDuration(text).value_or(Millis(10000));
  reading.Error(fmt::format("{} is not a duration; write {} or \"{}\"",
                            Describe(reading.value).substr(sizeof("the string")),
                            InUnit(meant, unit), FormatDuration(meant)));
}

std::string QuotedList(std::initializer_list<std::string_view> words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
    list += fmt::format("\"{}\"", words.begin()[i]);
  }
  return list;
}

std::optional<Command> ReadArgumentVector(const Reading& reading, const Array& items) {
  if (items.empty()) {
    reading.Error("an empty array; write [\"program\", \"argument\"]");
    return std::nullopt;
  }
  Command command;
  std::vector<Expandable> expandables;
  for (const Value& item : items) {
    auto argument = ReadString(reading, item);
    if (!argument) return std::nullopt;
    expandables.push_back({*argument, item.position});
    command.argv.push_back(std::move(*argument));
  }
  if (command.argv.front().empty()) {
    reading.Error("the program's name is empty");
    return std::nullopt;
  }
  reading.draft().expandables.insert_or_assign(std::string(reading.mark), std::move(expandables));
  return command;
}

}  // namespace

void Reading::WrongType(const Value& found, std::string_view expected) const {
  const auto* text = found.As<std::string>();
  const bool number = text != nullptr && !text->empty() &&
                      std::ranges::all_of(*text, [](char c) { return c >= '0' && c <= '9'; });
  const bool quoted = text != nullptr && (number || *text == "true" || *text == "false");
  Error(found.position, fmt::format("found {}, expected {}{}", Describe(found), expected,
                                    quoted ? "; remove the quotes" : ""));
}

std::optional<std::string> ReadString(const Reading& reading, const Value& value) {
  const auto* text = value.As<std::string>();
  if (text == nullptr) {
    reading.WrongType(value, "a string in quotes");
    return std::nullopt;
  }
  if (text->contains('\0')) {
    reading.Error(value.position, "a NUL character cannot be passed on; remove \\u0000");
    return std::nullopt;
  }
  if (text->size() > kMaxText) {
    reading.Error(value.position, fmt::format("longer than {} bytes", kMaxText));
    return std::nullopt;
  }
  return *text;
}

std::optional<std::string> ReadString(const Reading& reading) {
  return ReadString(reading, reading.value);
}

std::optional<std::int64_t> ReadInteger(const Reading& reading, std::int64_t least,
                                        std::int64_t most) {
  const auto* number = reading.value.As<std::int64_t>();
  if (number == nullptr) {
    reading.WrongType(reading.value, fmt::format("a whole number from {} to {}", least, most));
    return std::nullopt;
  }
  if (*number < least || *number > most) {
    reading.Error(fmt::format("{} is out of range; write {} to {}", *number, least, most));
    return std::nullopt;
  }
  return *number;
}

std::optional<bool> ReadBoolean(const Reading& reading) {
  const auto* value = reading.value.As<bool>();
  if (value == nullptr) {
    reading.WrongType(reading.value, "true or false");
    return std::nullopt;
  }
  return *value;
}

std::optional<Millis> ReadDuration(const Reading& reading, DurationRange range) {
  Millis duration{0};
  if (const auto* number = reading.value.As<std::int64_t>()) {
    // Bounded before it is multiplied.
    constexpr std::int64_t kBound = 1'000'000'000'000;
    const std::int64_t bounded = std::clamp(*number, -kBound, kBound);
    duration = Millis(range.unit == TimeUnit::kMillis ? bounded : bounded * 1000);
  } else if (const auto* text = reading.value.As<std::string>()) {
    const auto parsed = ParseDuration(*text);
    if (!parsed) {
      NotADuration(reading, *text, range.unit);
      return std::nullopt;
    }
    duration = *parsed;
  } else {
    reading.WrongType(reading.value, range.unit == TimeUnit::kMillis
                                         ? "milliseconds (10000) or a string (\"10s\")"
                                         : "seconds (10) or a string (\"10s\")");
    return std::nullopt;
  }
  if (duration < range.least || duration > range.most) {
    const auto* text = reading.value.As<std::string>();
    const std::string found = text != nullptr
                                  ? fmt::format("\"{}\"", *text)
                                  : fmt::format("{}", *reading.value.As<std::int64_t>());
    reading.Error(fmt::format("{} is out of range; write {}", found, RangeText(range)));
    return std::nullopt;
  }
  return duration;
}

std::optional<std::string> ReadPath(const Reading& reading, const Value& value) {
  auto text = ReadString(reading, value);
  if (!text) return std::nullopt;
  if (text->empty() || text->size() > kMaxPath) {
    reading.Error(value.position, text->empty() ? "an empty path" : "the path is too long");
    return std::nullopt;
  }
  if (*text == "~" || text->starts_with("~/")) {
    if (reading.place.options.home_dir.empty()) {
      reading.Error(value.position, "\"~\" is not known here; write the whole path");
      return std::nullopt;
    }
    text->replace(0, 1, reading.place.options.home_dir);
  }
  const std::filesystem::path path = std::filesystem::path(reading.place.folder) / *text;
  std::string normal = path.lexically_normal().string();
  if (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

std::optional<Command> ReadCommand(const Reading& reading) {
  // Whatever was inherited no longer counts.
  reading.draft().expandables.erase(std::string(reading.mark));
  if (const auto* items = reading.value.As<Array>()) return ReadArgumentVector(reading, *items);
  if (reading.value.As<std::string>() == nullptr) {
    reading.WrongType(reading.value, "a string or an array of strings");
    return std::nullopt;
  }
  const auto line = ReadString(reading);
  if (!line) return std::nullopt;
  auto command = ParseCommand(*line);
  if (!command) {
    reading.Error(std::move(command).error().message);
    return std::nullopt;
  }
  return std::move(*command);
}

std::optional<std::size_t> ReadChoice(const Reading& reading,
                                      std::initializer_list<std::string_view> words) {
  const auto* text = reading.value.As<std::string>();
  if (text == nullptr) {
    reading.WrongType(reading.value, QuotedList(words));
    return std::nullopt;
  }
  const auto* found = std::ranges::find(words, std::string_view(*text));
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const auto nearest = Nearest(*text, {words.begin(), words.size()});
  const std::string mend = nearest ? fmt::format("did you mean \"{}\"?", *nearest)
                                   : fmt::format("write {}", QuotedList(words));
  reading.Error(fmt::format("{} is not known; {}",
                            Describe(reading.value).substr(sizeof("the string")), mend));
  return std::nullopt;
}

}  // namespace oxherd
