// Which events on_event_cmd hears of.
#include "daemon/errands/event_command.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace oxherd {
namespace {

control::EventRecord Event(const char* kind, SlotIndex slot = 0, bool out_of_memory = false) {
  control::EventRecord event;
  event.number = 7;
  event.kind = kind;
  event.service = "api";
  event.slot = slot;
  event.text = "said \"so\"";
  event.out_of_memory = out_of_memory;
  return event;
}

TEST_CASE("recovered is who was failed, unhealthy or out of memory, and is ready again") {
  EventNames names;
  CHECK(names.NameOf(Event("ready")).empty());
  CHECK(names.NameOf(Event("failed")) == "failed");
  CHECK(names.NameOf(Event("ready", 1)).empty());
  CHECK(names.NameOf(Event("ready")) == "recovered");
  CHECK(names.NameOf(Event("ready")).empty());
  CHECK(names.NameOf(Event("unhealthy")) == "unhealthy");
  CHECK(names.NameOf(Event("healthy_again")) == "recovered");
  CHECK(names.NameOf(Event("exited")).empty());
  CHECK(names.NameOf(Event("exited", 0, true)) == "oom");
  CHECK(names.NameOf(Event("ready")) == "recovered");
  CHECK(names.NameOf(Event("rolled_back")) == "rolled_back");
  CHECK(names.NameOf(Event("ready")).empty());
}

TEST_CASE("whoever was stopped by a person has not recovered when he is started again") {
  EventNames names;
  CHECK(names.NameOf(Event("failed")) == "failed");
  CHECK(names.NameOf(Event("stopped")).empty());
  CHECK(names.NameOf(Event("ready")).empty());
}

TEST_CASE("the input is one line of JSON with the name of the event in it") {
  const std::string input = EventInput(Event("exited", 0, true), "oom");
  CHECK(input.ends_with("}\n"));
  const auto json = nlohmann::json::parse(input);
  CHECK(json.at("event") == "oom");
  CHECK(json.at("kind") == "exited");
  CHECK(json.at("instance") == 0);
  CHECK(json.at("text") == "said \"so\"");
}

}  // namespace
}  // namespace oxherd
