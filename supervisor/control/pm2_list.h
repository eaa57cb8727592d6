// What `pm2 jlist` prints, for the scripts that read it: PM2's array, filled with what is ours.
//
// Source: PM2 5 and 6, `pm2 jlist`, and the fields that PM2's documentation names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/message.h"

namespace oxherd::control {

enum class Pm2Form : std::uint8_t {
  kLine,      // jlist
  kIndented,  // prettylist
};

// One element for each instance, in the order of their ids. `now_unix_ms`: the wall clock.
// Environment variables, which PM2 shows to everybody who asks, are left out.
[[nodiscard]] std::string EncodePm2List(const std::vector<ServiceDetail>& services,
                                        std::int64_t now_unix_ms, Pm2Form form);

}  // namespace oxherd::control
