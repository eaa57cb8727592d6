// The manual page oxherd(1) lists every command that there is.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "cli/verbs.h"

namespace oxherd::cli {
namespace {

constexpr std::string_view kBegin = ".\\\" <commands>\n";
constexpr std::string_view kEnd = ".\\\" </commands>";

std::string CommandsAsRoff() {
  std::string text;
  for (const VerbEntry& entry : Verbs()) {
    text += ".TP\n.B " + std::string(entry.name);
    std::string also;
    for (const std::string_view alias : entry.aliases) {
      if (!alias.empty()) also += (also.empty() ? "" : ", ") + std::string(alias);
    }
    if (!also.empty()) text += "\\fR (" + also + ")";
    text += "\n";
    for (const char c : entry.summary) text += c == '-' ? "\\-" : std::string(1, c);
    text += ".\n";
  }
  return text;
}

TEST_CASE("the page oxherd(1) lists every command, as --help does") {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/packaging/man/oxherd.1");
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  const std::size_t begin = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const std::size_t from = begin + kBegin.size();
  INFO("put this between the marks:\n" << CommandsAsRoff());
  CHECK(page.substr(from, end - from) == CommandsAsRoff());
}

}  // namespace
}  // namespace oxherd::cli
