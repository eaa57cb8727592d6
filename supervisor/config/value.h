// A TOML document as plain values with positions, in the order of the file; free of toml++.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace oxherd {

// Where something stands, line and column from 1, columns in characters. 0: nowhere.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t file = 0;  // 0: the Oxfile; else an included one, as ErrorList numbers them
  friend auto operator<=>(const Position&, const Position&) = default;
};

struct Entry;
struct Value;

struct Table {
  std::vector<Entry> entries;  // in the order of the file
  [[nodiscard]] const Entry* Find(std::string_view key) const;
};

using Array = std::vector<Value>;

// A date or a time: no key of ours takes one, so only that it is one matters.
struct DateOrTime {};

struct Value {
  Position position;
  std::variant<std::string, std::int64_t, double, bool, Array, Table, DateOrTime> content;

  template <typename T>
  [[nodiscard]] const T* As() const {
    return std::get_if<T>(&content);
  }
};

struct Entry {
  std::string key;
  Position position;  // of the key
  Value value;
};

// "a string", "an integer", … as it is said in errors; strings and numbers with their value, cut
// short: `the string "10 sec"`.
[[nodiscard]] std::string Describe(const Value& value);

}  // namespace oxherd
