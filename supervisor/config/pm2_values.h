// How PM2 writes ports, counts, sizes and words; internal to pm2_import.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/value.h"

namespace oxherd {

// false, "", "false", or an empty list: what is not wanted.
[[nodiscard]] bool IsOffInPm2(const Value& value);

// PORT in an app's env; empty: not there, or no port.
[[nodiscard]] std::string Pm2Port(const Table& env);

// `instances` as an Oxfile takes it: "max" in quotes, or a number; empty: one.
[[nodiscard]] std::string Pm2Count(const Value& value);

// "300M", "1G", "500K", or bytes.
[[nodiscard]] std::optional<std::int64_t> Pm2Megabytes(const Value& value);

// Arguments: an array as it is, a line cut at its blanks. `${` stands for itself.
[[nodiscard]] std::vector<std::string> Pm2Words(const Value& value);

// A value for a comment, cut short.
[[nodiscard]] std::string Pm2Shown(const Value& value);

}  // namespace oxherd
