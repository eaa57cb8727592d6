// "Did you mean": the known word nearest to a mistyped one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace oxherd {

// The candidate with the smallest edit distance (insert, delete, replace, swap neighbours; case
// does not count), if it is near enough to be meant: at most a third of the word, and at most 3
// edits.
[[nodiscard]] std::optional<std::string> Nearest(std::string_view word,
                                                 std::span<const std::string_view> candidates);

}  // namespace oxherd
