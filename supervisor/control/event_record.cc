#include "control/event_record.h"

#include <nlohmann/json.hpp>

#include "control/json_fields.h"
#include "control/words.h"

namespace oxherd::control {

std::string EventRecord::Subject() const {
  if (service.empty()) return "daemon";
  return slot ? service + "/" + std::to_string(*slot) : service;
}

std::string EncodeEvent(const EventRecord& event) {
  nlohmann::ordered_json object = {
      {"v", 1}, {"number", event.number}, {"time", TimeText(event.unix_ms)}, {"kind", event.kind}};
  if (!event.service.empty()) object["service"] = event.service;
  if (event.slot) object["instance"] = *event.slot;
  if (event.generation.is_set()) object["generation"] = event.generation.number();
  object["text"] = event.text;
  if (event.failed) object["failed"] = true;
  if (event.out_of_memory) object["out_of_memory"] = true;
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

std::optional<EventRecord> DecodeEvent(std::string_view line) {
  const auto object = ParseObject(line);
  if (!object) return std::nullopt;
  std::string problem;
  const Fields fields(*object, problem);
  EventRecord event;
  std::string time;
  fields.Read("number", event.number);
  fields.Read("time", time);
  fields.Read("kind", event.kind);
  fields.Read("service", event.service);
  fields.Read("instance", event.slot);
  fields.Read("generation", event.generation);
  fields.Read("text", event.text);
  fields.Read("failed", event.failed);
  fields.Read("out_of_memory", event.out_of_memory);
  const auto unix_ms = TimeFromText(time);
  if (!problem.empty() || !unix_ms || event.number == 0) return std::nullopt;
  event.unix_ms = *unix_ms;
  return event;
}

}  // namespace oxherd::control
