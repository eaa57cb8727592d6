// `/regex/` on the command line, and what is said of a name that nobody has.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace oxherd {

// The expression in "/…/"; nothing: a name of another kind.
[[nodiscard]] std::optional<std::string_view> PatternIn(std::string_view typed);

// Those of `names`, each once and in their order, in which the expression (ready_pattern.h) is
// found. An error: it is none, or none of them matches.
[[nodiscard]] Result<std::vector<std::string>> MatchNames(std::string_view pattern,
                                                          std::span<const std::string> names);

// `no service "ap1"; did you mean "api"?`
[[nodiscard]] std::string ExplainUnknownName(std::string_view typed,
                                             std::span<const std::string_view> known);

}  // namespace oxherd
