#include "config/ready_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <string>

namespace oxherd {

struct ReadyPattern::Expression {
  std::regex regex;
};

Result<ReadyPattern> ReadyPattern::Compile(std::string_view pattern) {
  if (pattern.empty()) return MakeError("an empty pattern matches every line; write some text");
  if (pattern.size() > kMaxPattern) {
    return MakeError(fmt::format("the pattern is longer than {} characters", kMaxPattern));
  }
  // libstdc++'s polynomial matcher: breadth first, so no pattern is exponential and none overflows
  // the stack; it refuses back references. A search would start it anew at each character, so what
  // may stand before the pattern is part of it, and it is matched once, from the beginning.
  constexpr auto kFlags = std::regex_constants::ECMAScript | std::regex_constants::optimize |
                          std::regex_constants::__polynomial;
  const std::string anywhere = "[^]*?(?:" + std::string(pattern) + ")";
  try {
    // By itself first: "a)|(b" would close our bracket.
    static_cast<void>(std::regex(pattern.begin(), pattern.end(), kFlags));
    return ReadyPattern(
        std::make_shared<const Expression>(Expression{std::regex(anywhere, kFlags)}));
  } catch (const std::exception& error) {
    return MakeError(
        fmt::format("not a regular expression ({}); write \\\\ before . ( [ * + ? that "
                    "stand for themselves",
                    error.what()));
  }
}

bool ReadyPattern::Matches(std::string_view line) const {
  line = line.substr(0, kMaxLine);
  try {
    return std::regex_search(line.begin(), line.end(), regex_->regex,
                             std::regex_constants::match_continuous);
  } catch (const std::exception&) {  // the matcher's own limits: no match
    return false;
  }
}

}  // namespace oxherd
