// What the documents show is valid, to the last key.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/config/reading.h"

namespace oxherd {
namespace {

namespace fs = std::filesystem;

std::string TextOf(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The blocks between "```toml" and "```".
std::vector<std::string> TomlBlocks(const std::string& text) {
  constexpr std::string_view kBegin = "```toml\n";
  std::vector<std::string> blocks;
  for (std::size_t at = 0; (at = text.find(kBegin, at)) != std::string::npos;) {
    at += kBegin.size();
    const std::size_t end = text.find("```", at);
    blocks.push_back(text.substr(at, end - at));
    at = end;
  }
  return blocks;
}

TEST_CASE("every block of TOML in a README is a valid Oxfile") {
  std::size_t blocks = 0;
  for (const auto& entry : fs::recursive_directory_iterator(OXHERD_SOURCE_DIR)) {
    const std::string path = entry.path().string();
    const bool is_ours = !path.contains("/build/") && !path.contains("/node_modules/");
    if (!is_ours || entry.path().extension() != ".md") continue;
    CAPTURE(path);
    Surroundings around;
    around.files["/srv/app/.env.production"] = "A=1\n";
    for (const std::string& block : TomlBlocks(TextOf(entry.path()))) {
      CHECK_FALSE(around.Read(block).specs.empty());
      ++blocks;
    }
  }
  CHECK(blocks >= 2);
}

TEST_CASE("the Oxfile of every example is valid where it stands") {
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(OXHERD_SOURCE_DIR "/examples")) {
    const std::string path = entry.path().string();
    if (path.contains("/node_modules/") || entry.path().filename() != "Oxfile.toml") continue;
    ReadOptions options;
    options.base_environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/home/ann"}};
    const ReadOutcome outcome = ReadOxfile(path, options);
    CHECK_MESSAGE(outcome.has_value(), path << "\n" << (outcome ? "" : Render(outcome.error())));
    ++files;
  }
  CHECK(files >= 9);
}

}  // namespace
}  // namespace oxherd
