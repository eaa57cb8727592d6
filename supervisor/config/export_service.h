// Takes services out of an Oxfile, as an Oxfile of their own: what `export` prints.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace oxherd {

// The services `names` and what they depend on, of the Oxfile with this text; `folder` (absolute)
// is where it stands. What [defaults] say of them is said by themselves then, and relative paths
// are absolute: the result means the same in every folder. Comments and [logging] are left behind.
// Fails where a name is not defined in it. Pure.
[[nodiscard]] Result<std::string> ExportServices(std::string_view text, const std::string& folder,
                                                 std::span<const std::string> names);

}  // namespace oxherd
