// What a request names: services, single instances of them, and the specs that came with it.
//
// Internal to core/request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/state.h"

namespace oxherd {

// A service, or one instance of it.
struct Target {
  std::string service;
  std::optional<SlotIndex> slot;
};

// What is named; without a name, every service of the Oxfile that came along (for a start: those
// with `autostart`).
[[nodiscard]] std::vector<Target> TargetsOf(const event::Request& request);

// The services among `targets`, each once, in their order.
[[nodiscard]] std::vector<std::string> NamesOf(const std::vector<Target>& targets);

// The instance of `service` that is named; none if it is the whole service.
[[nodiscard]] std::optional<SlotIndex> SlotOf(const std::vector<Target>& targets,
                                              const std::string& service);

// Null if the request brought none for `name`.
[[nodiscard]] SpecPtr SpecFor(const event::Request& request, std::string_view name);

// An item that has failed before it began.
[[nodiscard]] RequestItem FailedItem(const std::string& service, Verb verb, Failure::Kind kind,
                                     Verb by);

}  // namespace oxherd
