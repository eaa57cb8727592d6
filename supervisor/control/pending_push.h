// Pushes that were accepted and are not done yet, as the file that keeps them has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "control/push_event.h"

namespace oxherd::control {

struct PendingPush {
  std::string service;
  PushEvent push;  // of kind kPush
};

// One line of JSON with its newline, and back. Of one service the earlier push comes first.
[[nodiscard]] std::string EncodePendingPushes(const std::vector<PendingPush>& pushes);
[[nodiscard]] Result<std::vector<PendingPush>> DecodePendingPushes(std::string_view line);

}  // namespace oxherd::control
