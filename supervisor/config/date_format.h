// The dates in front of log lines: strftime(3), or PM2's words for the same.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace oxherd {

// "%F %T" stays; "YYYY-MM-DD HH:mm:ss.SSS Z" becomes "%Y-%m-%d %H:%M:%S.%3N %z". The result is for
// strftime(3), but for "%3N", which stands for milliseconds (as in date(1)) and may come from the
// user too. Fails on letters that are no word of either.
[[nodiscard]] Result<std::string> ParseDateFormat(std::string_view text);

}  // namespace oxherd
