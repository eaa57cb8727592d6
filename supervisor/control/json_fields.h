// Reads single fields of a JSON object: right type and range or the first problem is kept.
//
// Internal to control/: nlohmann-json stays in the .cc files of this folder and in this header.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace oxherd::control {

// Not ordered_json: that one takes quadratic time for an object with many keys.
using Json = nlohmann::json;

// The text as a JSON object; bounded in nesting, no throw.
[[nodiscard]] Result<Json> ParseObject(std::string_view text);

class Fields {
 public:
  // `problem` is shared by all Fields of one message, and keeps the first one.
  Fields(const Json& object, std::string& problem) : object_(object), problem_(problem) {}

  // A field that is missing or null leaves the value as it is; one that is wrong sets the problem.
  void Read(const char* key, std::string& value) const;
  void Read(const char* key, bool& value) const;
  void Read(const char* key, std::vector<std::string>& value) const;
  template <typename Number>
    requires std::is_arithmetic_v<Number>
  void Read(const char* key, Number& value) const {
    if (const Json* field = Find(key)) ReadNumber(key, *field, value);
  }
  template <typename Tag, typename Number>
  void Read(const char* key, Id<Tag, Number>& value) const {
    Number number{};
    Read(key, number);
    value = Id<Tag, Number>(number);
  }
  template <typename Value>
  void Read(const char* key, std::optional<Value>& value) const {
    if (Find(key) == nullptr) return;
    Value inner{};
    Read(key, inner);
    value = std::move(inner);
  }
  // A word from a table (message.h), which must know it.
  template <typename Value, typename FromName>
  void ReadWord(const char* key, Value& value, FromName from_name) const {
    std::string word;
    Read(key, word);
    if (word.empty()) return;
    if (const auto known = from_name(word)) {
      value = *known;
    } else {
      Complain(key, "is no word that is known here");
    }
  }
  // Each object of an array, through `read(Fields, item)`.
  template <typename Item, typename ReadItem>
  void ReadEach(const char* key, std::vector<Item>& items, ReadItem read) const {
    const Json* field = Find(key);
    if (field == nullptr) return;
    if (!field->is_array()) return Complain(key, "is no array");
    for (const Json& element : *field) {
      if (!element.is_object()) return Complain(key, "holds what is no object");
      read(Fields(element, problem_), items.emplace_back());
    }
  }
  // The object at `key`, or null.
  [[nodiscard]] const Json* Object(const char* key) const;
  // Null where it is missing or null.
  [[nodiscard]] const Json* Find(const char* key) const;
  void Complain(const char* key, std::string_view what) const;
  [[nodiscard]] Fields Inside(const Json& object) const { return {object, problem_}; }

 private:
  template <typename Number>
  void ReadNumber(const char* key, const Json& field, Number& value) const {
    if constexpr (std::is_floating_point_v<Number>) {
      if (!field.is_number()) return Complain(key, "is no number");
      value = field.get<Number>();
    } else if (field.is_number_unsigned()) {
      const auto number = field.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(std::numeric_limits<Number>::max())) {
        return Complain(key, "is too large");
      }
      value = static_cast<Number>(number);
    } else if (field.is_number_integer()) {
      const auto number = field.get<std::int64_t>();  // negative: else it were unsigned
      if (!std::is_signed_v<Number> ||
          number < static_cast<std::int64_t>(std::numeric_limits<Number>::min())) {
        return Complain(key, "is too small");
      }
      value = static_cast<Number>(number);
    } else {
      Complain(key, "is no whole number");
    }
  }

  const Json& object_;
  std::string& problem_;
};

}  // namespace oxherd::control
