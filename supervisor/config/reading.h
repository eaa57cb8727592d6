// One value of an Oxfile on its way into a draft: what it is, where it stands, and how to complain.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/draft.h"
#include "config/error_list.h"
#include "config/oxfile.h"
#include "config/value.h"

namespace oxherd {

// Where values of one table go.
struct Place {
  std::string path;    // "processes.api.health_check", for messages
  std::string prefix;  // "health_check." for marks; empty in the process itself
  Layer layer = Layer::kOwn;
  Draft& draft;
  SupervisorSettings& supervisor;
  ErrorList& errors;
  const ReadOptions& options;
  const std::string& folder;  // of the Oxfile, absolute
  bool in_profile = false;    // these are the keys of a [.profiles.NAME]
};

struct Reading {
  const Place& place;
  std::string_view name;  // the key as written
  std::string_view mark;  // what it is the word for, with the prefix: "health_check.endpoint"
  const Value& value;

  [[nodiscard]] Draft& draft() const { return place.draft; }
  [[nodiscard]] std::string Path() const { return place.path + "." + std::string(name); }
  // At the value, or at a part of it.
  void Error(std::string message) const { Error(value.position, std::move(message)); }
  void Error(Position position, std::string message) const {
    place.errors.Add(position, Path(), std::move(message));
  }
  // `found the string "yes", expected true or false`.
  void WrongType(const Value& found, std::string_view expected) const;
};

using Reader = void (*)(const Reading&);

enum class TimeUnit : std::uint8_t { kMillis, kSeconds };  // of a bare number

struct DurationRange {
  TimeUnit unit = TimeUnit::kMillis;
  Millis least{0};
  Millis most = std::chrono::hours(24);
};

// Each reads the value, or reports what is wrong with it and returns nothing.
[[nodiscard]] std::optional<std::string> ReadString(const Reading& reading);
[[nodiscard]] std::optional<std::string> ReadString(const Reading& reading, const Value& value);
[[nodiscard]] std::optional<std::int64_t> ReadInteger(const Reading& reading, std::int64_t least,
                                                      std::int64_t most);
[[nodiscard]] std::optional<bool> ReadBoolean(const Reading& reading);
[[nodiscard]] std::optional<Millis> ReadDuration(const Reading& reading, DurationRange range);
// An absolute path; relative ones are relative to the Oxfile's folder.
[[nodiscard]] std::optional<std::string> ReadPath(const Reading& reading, const Value& value);
// A line or an array; its `${…}` are checked later.
[[nodiscard]] std::optional<Command> ReadCommand(const Reading& reading);
// One of `words`, which are in the order in which they are listed in messages; its index.
[[nodiscard]] std::optional<std::size_t> ReadChoice(const Reading& reading,
                                                    std::initializer_list<std::string_view> words);

// The same, into a place. What could not be read leaves it as it is.
template <typename Number>
void ReadInto(const Reading& reading, Number& target, std::int64_t least, std::int64_t most) {
  if (const auto number = ReadInteger(reading, least, most)) target = static_cast<Number>(*number);
}
template <typename Target>
void ReadDurationInto(const Reading& reading, Target& target, DurationRange range) {
  if (const auto duration = ReadDuration(reading, range)) target = *duration;
}
inline void ReadInto(const Reading& reading, bool& target) {
  if (const auto value = ReadBoolean(reading)) target = *value;
}
inline void ReadCommandInto(const Reading& reading, Command& target) {
  if (auto command = ReadCommand(reading)) target = std::move(*command);
}
template <typename Enum>
void ReadChoiceInto(const Reading& reading, Enum& target,
                    std::initializer_list<std::string_view> words,
                    std::initializer_list<Enum> values) {
  if (const auto index = ReadChoice(reading, words)) target = values.begin()[*index];
}

}  // namespace oxherd
