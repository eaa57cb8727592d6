#include "keeper/arguments.h"

#include <string_view>

#include "base/number.h"

namespace oxherd::keeper {
namespace {

Status CheckComplete(const Arguments& arguments) {
  if (arguments.state.empty()) return MakeError("--state DIR is missing");
  if (arguments.runtime.empty()) return MakeError("--runtime DIR is missing");
  if (arguments.daemon.empty()) return MakeError("--daemon PATH is missing");
  return {};
}

Result<int> NumberOf(std::string_view text) {
  const int number = ParseNumber<int>(text).value_or(-1);
  if (number < 3) return MakeError("\"" + std::string(text) + "\" is no descriptor");
  return number;
}

std::string* ValueFor(Arguments& arguments, std::string_view option) {
  if (option == "--state") return &arguments.state;
  if (option == "--runtime") return &arguments.runtime;
  if (option == "--daemon") return &arguments.daemon;
  return nullptr;
}

}  // namespace

Result<Arguments> ParseArguments(std::span<char* const> words) {
  Arguments arguments;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--") {
      arguments.daemon_arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                        words.end());
      break;
    }
    if (word == "--foreground") {
      arguments.ground = Ground::kForeground;
      continue;
    }
    if (word == "--estate") {
      if (++i == words.size()) return MakeError("--estate needs a value");
      OXHERD_TRY_ASSIGN(arguments.estate, NumberOf(words[i]));
      continue;
    }
    std::string* value = ValueFor(arguments, word);
    if (value == nullptr) return MakeError("\"" + std::string(word) + "\" is not understood");
    if (++i == words.size()) return MakeError(std::string(word) + " needs a value");
    *value = words[i];
  }
  OXHERD_TRY(CheckComplete(arguments));
  return arguments;
}

}  // namespace oxherd::keeper
