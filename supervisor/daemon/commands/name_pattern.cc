#include "daemon/commands/name_pattern.h"

#include <algorithm>
#include <utility>

#include "config/nearest.h"
#include "config/ready_pattern.h"

namespace oxherd {
namespace {

bool IsPattern(std::string_view typed) {
  return typed.size() >= 3 && typed.starts_with('/') && typed.ends_with('/');
}

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

Error NobodyIn(std::string_view typed, std::span<const KnownName> known) {
  std::vector<std::string_view> there;
  for (const KnownName& each : known) {
    if (!each.name_space.empty()) there.push_back(each.name_space);
  }
  std::string text = "no service has the namespace \"" + std::string(typed.substr(1)) + "\"";
  if (const auto nearest = Nearest(typed.substr(1), there)) {
    text += "; did you mean @" + std::string(*nearest) + "?";
  } else {
    text += "; the key namespace gives it one";
  }
  return {.message = std::move(text)};
}

}  // namespace

bool IsForSeveral(std::string_view typed) {
  return IsPattern(typed) || (typed.size() >= 2 && typed.starts_with('@'));
}

Result<std::vector<std::string>> NamesMeant(std::string_view typed,
                                            std::span<const KnownName> known) {
  std::vector<std::string> names;
  if (typed.starts_with('@')) {
    for (const KnownName& each : known) {
      if (each.name_space == typed.substr(1)) AddOnce(names, each.name);
    }
    if (names.empty()) return std::unexpected(NobodyIn(typed, known));
    return names;
  }
  OXHERD_TRY_ASSIGN(const ReadyPattern expression,
                    ReadyPattern::Compile(typed.substr(1, typed.size() - 2)));
  for (const KnownName& each : known) {
    if (expression.Matches(each.name)) AddOnce(names, each.name);
  }
  if (names.empty())
    return MakeError("no service matches " + std::string(typed) + "; see oxherd list");
  return names;
}

std::string ExplainUnknownName(std::string_view typed, std::span<const std::string_view> known) {
  std::string text = "no service \"" + std::string(typed) + "\"";
  if (const auto nearest = Nearest(typed.substr(0, typed.find('/')), known)) {
    return text + "; did you mean \"" + std::string(*nearest) + "\"?";
  }
  return text + (known.empty() ? "; no service is known here yet" : "; see oxherd list");
}

}  // namespace oxherd
