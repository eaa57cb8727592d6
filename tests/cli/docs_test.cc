// Commands that the pages name in the text: each is one, with flags that there are.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cli/command_line/options.h"
#include "cli/command_line/verbs.h"

namespace oxherd::cli {
namespace {

namespace fs = std::filesystem;

// As a shell takes a line apart, as far as the pages use that.
std::vector<std::string> WordsOf(const std::string& line) {
  std::vector<std::string> words(1);
  char quote = 0;
  for (const char c : line) {
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (quote == 0 && std::string_view("\n#|<>;&").contains(c)) {
      break;
    } else if (quote == 0 && c == ' ') {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// The words of each `oxherd …` between backticks, and of each line of a block that begins with it.
std::vector<std::vector<std::string>> CommandsIn(const std::string& text) {
  std::vector<std::vector<std::string>> commands;
  for (const std::string_view mark : {"`oxherd ", "$ oxherd "}) {
    for (std::size_t at = 0; (at = text.find(mark, at)) != text.npos;) {
      at += mark.size();
      const std::size_t end = text.find(mark.front() == '`' ? '`' : '\n', at);
      std::string line = text.substr(at, end - at);
      // Between backticks a line may be broken.
      std::ranges::replace(line, '\n', ' ');
      commands.push_back(WordsOf(line));
    }
  }
  return commands;
}

// `oxherd import` is the name of a command, not something to be typed.
bool IsOnlyNamed(const std::vector<std::string>& words) {
  const auto is_it = [&](const VerbEntry& entry) {
    return entry.name == words.front() || entry.name.starts_with(words.front() + " ");
  };
  return words.size() == 1 && std::ranges::any_of(Verbs(), is_it);
}

TEST_CASE("every command that a page names can be typed") {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(OXHERD_SOURCE_DIR)) {
    const std::string path = entry.path().string();
    const bool is_ours = !path.contains("/build/") && !path.contains("/node_modules/");
    if (!is_ours || entry.path().extension() != ".md") continue;
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const std::vector<std::string>& words : CommandsIn(text)) {
      if (IsOnlyNamed(words)) continue;
      std::string typed = path + ": oxherd";
      for (const std::string& word : words) typed += " " + word;
      CAPTURE(typed);
      const auto parsed = ParseWords(words);
      CHECK_MESSAGE((parsed.has_value() || parsed.error().code == 0), parsed.error().text);
      ++count;
    }
  }
  CHECK(count > 20);
}

}  // namespace
}  // namespace oxherd::cli
