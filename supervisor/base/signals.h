// Signal names and numbers, as people write them in an Oxfile.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace oxherd {

// "SIGTERM", "TERM", "sigterm" or "15" -> 15; nothing for what is no signal of this system.
[[nodiscard]] std::optional<int> SignalNumber(std::string_view name);

// 15 -> "SIGTERM"; "signal 40" for one without a name.
[[nodiscard]] std::string SignalName(int number);

}  // namespace oxherd
