#include "control/target.h"

#include "base/number.h"

namespace oxherd::control {
std::optional<Target> ParseTarget(std::string_view typed,
                                  const std::function<bool(std::string_view)>& is_service) {
  if (is_service(typed))
    return Target{.kind = Target::Kind::kService, .service = std::string(typed)};
  if (typed == "all") return Target{.kind = Target::Kind::kAll};
  const std::size_t cut = typed.find_last_of("/:-");
  if (cut != std::string_view::npos && is_service(typed.substr(0, cut))) {
    if (const auto slot = ParseNumber<SlotIndex>(typed.substr(cut + 1))) {
      return Target{.kind = Target::Kind::kInstance,
                    .service = std::string(typed.substr(0, cut)),
                    .slot = *slot};
    }
  }
  if (const auto id = ParseNumber<std::uint32_t>(typed)) {
    return Target{.kind = Target::Kind::kId, .id = *id};
  }
  return std::nullopt;
}

}  // namespace oxherd::control
