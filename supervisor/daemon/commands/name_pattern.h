// Names for several services on the command line, `/regex/` and `@namespace`, and what is said of a
// name that nobody has.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace oxherd {

// Whether what was typed is one of the two; else it is a name of another kind.
[[nodiscard]] bool IsForSeveral(std::string_view typed);

struct KnownName {
  std::string name;
  std::string name_space;
};

// The names among `known` that `typed` means, each once and in their order: those in which the
// expression (ready_pattern.h) is found, or those of the namespace. An error: it is no expression,
// or nobody is meant.
[[nodiscard]] Result<std::vector<std::string>> NamesMeant(std::string_view typed,
                                                          std::span<const KnownName> known);

// `no service "ap1"; did you mean "api"?`
[[nodiscard]] std::string ExplainUnknownName(std::string_view typed,
                                             std::span<const std::string_view> known);

}  // namespace oxherd
