// packaging/oxfile.schema.json, by which editors complete and check an Oxfile: made from the same
// table of keys as the parser, so that the two cannot drift apart.
#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>

#include "config/keys.h"

namespace oxherd {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// The words of `"service" or "oneshot"`; empty where other values are taken too.
std::string WordsOf(std::string_view type) {
  std::string words;
  while (type.starts_with('"')) {
    const std::size_t end = type.find('"', 1);
    words += (words.empty() ? "" : ", ") + std::string(type.substr(0, end + 1));
    type.remove_prefix(end + 1);
    for (const std::string_view between : {", ", " or "}) {
      if (type.starts_with(between)) type.remove_prefix(between.size());
    }
  }
  return type.empty() ? words : "";
}

// What the key takes, in the words of JSON Schema; what is left open the parser checks.
std::string TypeOf(const Key& key) {
  const std::string_view type = key.type;
  if (const std::string words = WordsOf(type); !words.empty()) return "\"enum\": [" + words + "]";
  if (type == "boolean") return "\"type\": \"boolean\"";
  if (type == "duration") return "\"type\": [\"integer\", \"string\"]";
  if (type == "table") return "\"type\": \"object\"";
  if (type == "string" || type == "path" || type == "regular expression") {
    return "\"type\": \"string\"";
  }
  return "";
}

std::string Property(const Key& key) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTables = {
      {{"health_check", "health_check"},
       {"limits", "limits"},
       {"logs", "logs"},
       {"webhook", "webhook"}}};
  std::string text = "        " + Quoted(key.name) + ": {";
  const std::string_view main = key.same_as.empty() ? key.name : key.same_as;
  for (const auto& [name, definition] : kTables) {
    if (main == name && key.type == "table") {
      text += "\"$ref\": \"#/$defs/" + std::string(definition) + "\", ";
    }
  }
  if (main == "profiles") {
    text += "\"additionalProperties\": {\"$ref\": \"#/$defs/process\"}, ";
  }
  const std::string type = TypeOf(key);
  if (!type.empty() && !text.contains("$ref\": \"#/$defs/l") &&
      !text.contains("health_check\", ") && !text.contains("webhook\", ")) {
    text += type + ", ";
  }
  std::string meaning =
      key.same_as.empty() ? std::string(key.meaning) : "the same as " + std::string(key.same_as);
  if (key.same_as.empty() && !key.fallback.empty()) {
    meaning += "; default: " + std::string(key.fallback);
  }
  return text + "\"description\": " + Quoted(meaning) + "}";
}

// Keys that nobody reads yet are left out: a file cannot have them.
std::string Properties(std::initializer_list<Section> sections) {
  std::string text;
  for (const Section section : sections) {
    for (const Key& key : KeysOf(section)) {
      if (key.read != nullptr) text += (text.empty() ? "" : ",\n") + Property(key);
    }
  }
  return text;
}

std::string Definition(const std::string& name, std::initializer_list<Section> sections) {
  return "    " + Quoted(name) +
         ": {\n      \"type\": \"object\",\n      \"additionalProperties\": false,\n"
         "      \"properties\": {\n" +
         Properties(sections) + "\n      }\n    }";
}

std::string Schema() {
  return "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
         "  \"title\": \"Oxfile\",\n"
         "  \"description\": \"What Oxherd keeps running: man 5 Oxfile\",\n"
         "  \"type\": \"object\",\n  \"additionalProperties\": false,\n  \"properties\": {\n"
         "    \"processes\": {\"type\": \"object\", \"additionalProperties\": "
         "{\"$ref\": \"#/$defs/process\"}},\n"
         "    \"defaults\": {\"$ref\": \"#/$defs/process\"},\n"
         "    \"logging\": {\"$ref\": \"#/$defs/logging\"},\n"
         "    \"supervisor\": {\"$ref\": \"#/$defs/supervisor\"},\n"
         "    \"include\": {\"type\": [\"string\", \"array\"]},\n"
         "    \"version\": {\"const\": 1},\n    \"deploy\": {\"type\": \"object\"},\n"
         "    \"apps\": {\"type\": \"array\", \"items\": {\"type\": \"object\"}}\n  },\n"
         "  \"$defs\": {\n" +
         Definition("process", {Section::kProcess}) + ",\n" +
         Definition("health_check", {Section::kHealthCheck}) + ",\n" +
         Definition("limits", {Section::kLimits}) + ",\n" + Definition("logs", {Section::kLogs}) +
         ",\n" + Definition("webhook", {Section::kWebhook}) + ",\n" +
         Definition("logging", {Section::kLogs, Section::kLogging}) + ",\n" +
         Definition("supervisor", {Section::kSupervisor}) + "\n  }\n}\n";
}

TEST_CASE("oxfile.schema.json is what the table of keys says") {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/packaging/oxfile.schema.json");
  std::stringstream text;
  text << file.rdbuf();
  const bool is_equal = text.str() == Schema();
  if (!is_equal) std::ofstream("oxfile.schema.json") << Schema();
  CHECK_MESSAGE(is_equal, "copy ./oxfile.schema.json, just written, to packaging/");
  for (const Key& key : KeysOf(Section::kTop)) {
    CHECK_MESSAGE(Schema().contains("    \"" + std::string(key.name) + "\": {"), key.name);
  }
}

}  // namespace
}  // namespace oxherd
