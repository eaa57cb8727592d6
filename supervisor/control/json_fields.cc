#include "control/json_fields.h"

#include "control/wire.h"

namespace oxherd::control {
namespace {

// nlohmann's parser is no recursion, but each bracket costs it memory: count before it starts.
bool IsNestedTooDeeply(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxNesting) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<Json> ParseObject(std::string_view text) {
  if (IsNestedTooDeeply(text)) return MakeError("the message is nested too deeply");
  Json object = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return MakeError("the message is no JSON object");
  return object;
}

const Json* Fields::Find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const Json* Fields::Object(const char* key) const {
  const Json* field = Find(key);
  if (field == nullptr) return nullptr;
  if (field->is_object()) return field;
  Complain(key, "is no object");
  return nullptr;
}

void Fields::Complain(const char* key, std::string_view what) const {
  if (!problem_.empty()) return;
  problem_ = "\"";
  problem_ += key;
  problem_ += "\" ";
  problem_ += what;
}

void Fields::Read(const char* key, std::string& value) const {
  const Json* field = Find(key);
  if (field == nullptr) return;
  const auto* text = field->get_ptr<const std::string*>();
  if (text == nullptr) return Complain(key, "is no text");
  value = *text;
}

void Fields::Read(const char* key, bool& value) const {
  const Json* field = Find(key);
  if (field == nullptr) return;
  if (!field->is_boolean()) return Complain(key, "is neither true nor false");
  value = field->get<bool>();
}

void Fields::Read(const char* key, std::vector<std::string>& value) const {
  const Json* field = Find(key);
  if (field == nullptr) return;
  if (!field->is_array()) return Complain(key, "is no array");
  value.clear();
  for (const Json& element : *field) {
    const auto* text = element.get_ptr<const std::string*>();
    if (text == nullptr) return Complain(key, "holds what is no text");
    value.push_back(*text);
  }
}

}  // namespace oxherd::control
