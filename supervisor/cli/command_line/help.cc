// `oxherd --help`: every command, by what one wants to do.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/command_line/options.h"
#include "cli/command_line/verbs.h"

namespace oxherd::cli {
namespace {

struct HelpGroup {
  std::string_view title;
  Verb first;  // up to the next group's
};

// In the order of Verbs().
constexpr auto kHelpGroups = std::to_array<HelpGroup>({
    {"Change what runs", Verb::kStart},
    {"Look", Verb::kList},
    {"One service", Verb::kInstance},
    {"Files", Verb::kValidate},
    {"The daemon", Verb::kPing},
    {"After a reboot", Verb::kStartup},
    {"The rest", Verb::kSave},
});

constexpr std::size_t kNameColumns = 30;
constexpr std::size_t kHelpColumns = 79;

// "  name   summary", the summary's further lines below its first.
std::string HelpLine(const std::string& name, std::string_view summary) {
  std::string text = fmt::format("  {:<{}} ", name, kNameColumns);
  const std::size_t most = kHelpColumns - text.size();
  while (summary.size() > most) {
    const std::size_t space = summary.rfind(' ', most);
    if (space == std::string_view::npos) break;
    text += std::string(summary.substr(0, space)) + "\n" + std::string(kNameColumns + 3, ' ');
    summary.remove_prefix(space + 1);
  }
  return text + std::string(summary) + "\n";
}

}  // namespace

std::string HelpText() {
  std::string text =
      "oxherd keeps the processes of an Oxfile.toml running.\n\nUsage: oxherd COMMAND "
      "[NAME...]\n";
  for (const VerbEntry& entry : Verbs()) {
    const auto* group = std::ranges::find(kHelpGroups, entry.verb, &HelpGroup::first);
    if (group != kHelpGroups.end()) text += fmt::format("\n{}\n", group->title);
    std::string name(entry.name);
    for (const std::string_view alias : entry.aliases) {
      if (!alias.empty()) name += ", " + std::string(alias);
    }
    text += HelpLine(name, entry.summary);
  }
  text +=
      "\nNAME is a service, an instance (api/0), an id from the list, or all; none means\n"
      "what the Oxfile defines; /regex/ is every service that matches. -c FILE names the\n"
      "Oxfile, --json prints one JSON object. PM2's jlist, desc, startOrReload, resurrect\n"
      "and the like work too. oxherd COMMAND --help tells more.\n";
  return text;
}

}  // namespace oxherd::cli
