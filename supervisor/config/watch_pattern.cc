#include "config/watch_pattern.h"

namespace oxherd {

std::optional<std::string> GlobFromPattern(std::string_view pattern) {
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  if (pattern.ends_with('$')) pattern.remove_suffix(1);
  std::string glob;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (c == '\\' && (next == '.' || next == '/' || next == '-' || next == '_')) {
      glob += next;
      ++i;
    } else if (c == '.' && next == '*') {
      glob += '*';
      ++i;
    } else if (std::string_view("\\()|+^$").contains(c)) {
      return std::nullopt;
    } else {
      glob += c;
    }
  }
  if (glob.empty()) return std::nullopt;
  return glob;
}

}  // namespace oxherd
