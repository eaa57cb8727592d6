#include "daemon/commands/name_pattern.h"

#include <algorithm>
#include <utility>

#include "config/nearest.h"
#include "config/ready_pattern.h"

namespace oxherd {

std::optional<std::string_view> PatternIn(std::string_view typed) {
  if (typed.size() < 3 || !typed.starts_with('/') || !typed.ends_with('/')) return std::nullopt;
  return typed.substr(1, typed.size() - 2);
}

Result<std::vector<std::string>> MatchNames(std::string_view pattern,
                                            std::span<const std::string> names) {
  OXHERD_TRY_ASSIGN(const ReadyPattern expression, ReadyPattern::Compile(pattern));
  std::vector<std::string> matches;
  for (const std::string& name : names) {
    if (!expression.Matches(name)) continue;
    if (std::ranges::find(matches, name) == matches.end()) matches.push_back(name);
  }
  if (matches.empty()) {
    return MakeError("no service matches /" + std::string(pattern) + "/; see oxherd list");
  }
  return matches;
}

std::string ExplainUnknownName(std::string_view typed, std::span<const std::string_view> known) {
  std::string text = "no service \"" + std::string(typed) + "\"";
  if (const auto nearest = Nearest(typed.substr(0, typed.find('/')), known)) {
    return text + "; did you mean \"" + std::string(*nearest) + "\"?";
  }
  return text + (known.empty() ? "; no service is known here yet" : "; see oxherd list");
}

}  // namespace oxherd
