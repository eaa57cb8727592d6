// The files that an Oxfile includes: its patterns made into a list of texts, or complaints.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "config/error_list.h"
#include "config/oxfile.h"
#include "config/value.h"

namespace oxherd {

struct IncludedFile {
  std::string path;    // as it is shown: below the Oxfile's own path
  std::string folder;  // absolute
  std::string absolute;
  std::string text;
  std::uint32_t number = 0;  // Position::file
};

// What `value`, the value of `include`, means: a file, or an array of them, with `*`, `?` and `[…]`
// in their last part, relative to `folder`. In the order of the patterns and by name within one;
// each file once, never the Oxfile itself, nothing for a pattern that fits none, but a file without
// wildcards must be there. What is wrong goes to the errors, at the pattern. `oxfile` is as the
// caller named it. A deque: the texts stay where they are.
[[nodiscard]] std::deque<IncludedFile> FindIncluded(const Value& value, const std::string& oxfile,
                                                    const std::string& folder,
                                                    const FileAccess& files, ErrorList& errors);

// Why root must not read this file, as somebody else may change it or its folder; empty: it may.
// Source: stat(2).
[[nodiscard]] std::string WhyUnsafeForRoot(const std::string& path);

}  // namespace oxherd
