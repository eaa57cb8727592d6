#include "daemon/arguments.h"

#include <string_view>

#include "base/number.h"

namespace oxherd {

Result<Arguments> ParseArguments(std::span<char* const> words) {
  Arguments arguments;
  for (std::size_t i = 1; i < words.size(); i += 2) {
    const std::string_view option = words[i];
    if (i + 1 == words.size()) return MakeError(std::string(option) + " needs a value");
    const char* const value = words[i + 1];
    if (option == "--state") {
      arguments.state_folder = value;
    } else if (option == "--runtime") {
      arguments.runtime_folder = value;
    } else if (option == "--logs") {
      arguments.logs_folder = value;
    } else if (option == "--check-image") {
      const int number = ParseNumber<int>(value).value_or(-1);
      if (number < 3) return MakeError("--check-image needs a descriptor");
      arguments.check_image = number;
    } else if (option == "--run") {
      arguments.run_files.emplace_back(value);
    } else if (option == "--exit-with") {
      arguments.run_rules.exit_with = value;
    } else if (option == "--on-failure") {
      arguments.run_rules.keep_going = std::string_view(value) == "go-on";
    } else if (option == "--oxfile" || option == "--named-oxfile") {
      arguments.own_oxfile = OwnOxfile{.path = value, .is_named = option == "--named-oxfile"};
    } else if (option == "--profile") {
      arguments.profile = value;
    } else if (option == "--only") {
      arguments.only.emplace_back(value);
    } else {
      return MakeError("\"" + std::string(option) + "\" is not understood");
    }
  }
  if (arguments.state_folder.empty()) return MakeError("--state DIR is missing");
  if (arguments.runtime_folder.empty()) return MakeError("--runtime DIR is missing");
  if (arguments.logs_folder.empty()) arguments.logs_folder = arguments.state_folder + "/logs";
  return arguments;
}

std::vector<std::string> WordsFor(const Arguments& arguments) {
  std::vector<std::string> words;
  const auto add = [&](const char* option, const std::string& value) {
    words.emplace_back(option);
    words.push_back(value);
  };
  add("--logs", arguments.logs_folder);
  for (const std::string& file : arguments.run_files) add("--run", file);
  if (const auto& own = arguments.own_oxfile) {
    add(own->is_named ? "--named-oxfile" : "--oxfile", own->path);
  }
  if (arguments.profile) add("--profile", *arguments.profile);
  if (!arguments.run_rules.exit_with.empty()) add("--exit-with", arguments.run_rules.exit_with);
  if (arguments.run_rules.keep_going) add("--on-failure", "go-on");
  for (const std::string& name : arguments.only) add("--only", name);
  return words;
}

}  // namespace oxherd
