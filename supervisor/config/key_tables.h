// The tables of keys, one per section; keys.h is how to ask them.
#pragma once

#include <span>

#include "config/keys.h"

namespace oxherd {

[[nodiscard]] std::span<const Key> ProcessKeys();
[[nodiscard]] std::span<const Key> HealthCheckKeys();
[[nodiscard]] std::span<const Key> LimitKeys();
[[nodiscard]] std::span<const Key> LogKeys();
[[nodiscard]] std::span<const Key> LoggingKeys();
[[nodiscard]] std::span<const Key> WebhookKeys();
[[nodiscard]] std::span<const Key> SupervisorKeys();
[[nodiscard]] std::span<const Key> TopKeys();
[[nodiscard]] std::span<const Key> AppKeys();
[[nodiscard]] std::span<const Key> AppLogKeys();

}  // namespace oxherd
