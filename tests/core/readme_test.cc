#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "core/instance.h"

namespace oxherd {
namespace {

constexpr std::string_view kBegin = "<!-- table -->\n";
constexpr std::string_view kEnd = "<!-- /table -->";

std::string TableAsMarkdown() {
  std::string table = "| state |";
  std::string rule = "|---|";
  for (std::size_t e = 0; e < kInstanceEventCount; ++e) {
    table += " " + std::string(Name(static_cast<InstanceEventKind>(e))) + " |";
    rule += "---|";
  }
  table += "\n" + rule + "\n";
  for (std::size_t s = 0; s < kStateCount; ++s) {
    table += "| " + std::string(Name(static_cast<StateKind>(s))) + " |";
    for (std::size_t e = 0; e < kInstanceEventCount; ++e) {
      const Cell& cell = kInstanceTable[s][e];
      const std::string words(cell.because);
      table += cell.kind == Cell::Kind::kHandled ? " " + words + " |" : " (" + words + ") |";
    }
    table += "\n";
  }
  return table;
}

TEST_SUITE("core: the table of states and events") {
  TEST_CASE("supervisor/README.md prints the table as it is") {
    std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/supervisor/README.md");
    std::stringstream text;
    text << file.rdbuf();
    const std::string readme = text.str();
    const std::size_t begin = readme.find(kBegin);
    const std::size_t end = readme.find(kEnd);
    REQUIRE(begin != std::string::npos);
    REQUIRE(end != std::string::npos);
    const std::size_t from = begin + kBegin.size();
    INFO("put this between the marks:\n" << TableAsMarkdown());
    CHECK(readme.substr(from, end - from) == TableAsMarkdown());
  }
}

}  // namespace
}  // namespace oxherd
