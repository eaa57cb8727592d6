// Finds the rules of a time zone on this machine, by its IANA name.
#pragma once

#include <string>

#include "base/error.h"
#include "core/time_zone.h"

namespace oxherd {

// "Europe/Berlin" from $TZDIR or /usr/share/zoneinfo; empty: the machine's own, which is what $TZ
// names, else /etc/localtime, else UTC, and that never fails. "UTC" needs no file. Blocks on the
// disk. The error says what is wrong and how to mend it, without the name. Source: tzset(3).
[[nodiscard]] Result<TimeZone> LoadTimeZone(const std::string& name);

}  // namespace oxherd
