#include "config/json_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace oxherd {

namespace {

using Json = nlohmann::ordered_json;

// As deep as the document, which the parser has bounded.
Value Convert(const Json& json) {
  Value value{{}, DateOrTime{}};
  if (json.is_object()) {
    Table table;
    for (const auto& [key, member] : json.items()) {
      if (!member.is_null()) table.entries.push_back({key, {}, Convert(member)});
    }
    value.content = std::move(table);
  } else if (json.is_array()) {
    Array items;
    for (const Json& member : json) {
      if (!member.is_null()) items.push_back(Convert(member));
    }
    value.content = std::move(items);
  } else if (json.is_string()) {
    value.content = json.get_ref<const std::string&>();
  } else if (json.is_boolean()) {
    value.content = json.get<bool>();
  } else if (json.is_number_integer() && (!json.is_number_unsigned() ||
                                          std::in_range<std::int64_t>(json.get<std::uint64_t>()))) {
    value.content = json.get<std::int64_t>();
  } else if (json.is_number()) {
    value.content = json.get<double>();
  }
  return value;
}

Position PositionAt(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  Position position;
  position.line = static_cast<std::uint32_t>(std::ranges::count(before, '\n') + 1);
  position.column = static_cast<std::uint32_t>(before.size() - line_start + 1);
  return position;
}

}  // namespace

std::expected<Value, TextProblem> ReadJson(std::string_view text) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth < kMaxJsonDepth; };
  try {
    return Convert(Json::parse(text, shallow, true, true));
  } catch (const Json::parse_error& error) {
    std::string message = error.what();
    const std::size_t reason = message.find(": ");
    if (reason != std::string::npos) message.erase(0, reason + 2);
    const std::size_t byte = error.byte == 0 ? 0 : error.byte - 1;
    return std::unexpected(TextProblem{PositionAt(text, byte), "is not JSON: " + message});
  } catch (const std::exception& error) {  // out of memory
    return std::unexpected(TextProblem{{1, 1}, error.what()});
  }
}

}  // namespace oxherd
