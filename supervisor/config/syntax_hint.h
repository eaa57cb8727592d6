// Says in the user's words what a TOML parser dislikes about a line, and how to mend it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace oxherd {

// `parser_message` is toml++'s; `line` is the line it complains about, without its end.
[[nodiscard]] std::string ExplainSyntax(std::string_view parser_message, std::string_view line);

// Where to point in `line` for a complaint at `column`: a bare value is broken from its beginning.
[[nodiscard]] std::size_t BrokenColumn(std::string_view line, std::size_t column);

}  // namespace oxherd
