// What a NAME on the command line means: a service, one instance, an id from the list, or all.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace oxherd::control {

struct Target {
  enum class Kind : std::uint8_t {
    kAll,
    kService,   // `service`
    kInstance,  // `service` and `slot`
    kId,        // `id`: the number in the list's first column
  };
  Kind kind = Kind::kService;
  std::string service = {};
  SlotIndex slot = 0;
  std::uint32_t id = 0;
  friend bool operator==(const Target&, const Target&) = default;
};

// "all", "api", "api/0", "api:0", "api-0" where no service is called so, "3". Services win over
// everything else. Nothing: it can mean nothing here; the service it would be about is unknown.
// Whether the slot or the id exists is for the caller to see.
[[nodiscard]] std::optional<Target> ParseTarget(
    std::string_view typed, const std::function<bool(std::string_view)>& is_service);

}  // namespace oxherd::control
