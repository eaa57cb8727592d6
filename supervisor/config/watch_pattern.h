// What PM2 and OxMgr ignore while they watch, as a glob.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace oxherd {

// "node_modules", "logs/*.log" and simple regular expressions, "\\.git" or ".*\\.tmp$", as a glob
// of watch_ignore; nothing for an expression that no glob stands for.
[[nodiscard]] std::optional<std::string> GlobFromPattern(std::string_view pattern);

}  // namespace oxherd
