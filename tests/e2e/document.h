// A page of Markdown as something that can be run: its blocks of commands, and what hidden comments
// say of them.
//
//   <!-- docs: folder tests/docs/shop -->  the commands that follow are typed in a copy of it
//   <!-- docs: do COMMAND -->              a step that the reader is told in words
//   <!-- docs: exits 1 -->                 how the last command of the next block ends
//   <!-- docs: not run: WHY -->            the next block cannot be run by a test
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace oxherd::e2e {

struct TypedCommand {
  std::string text;
  std::string shown;  // what the page shows that it prints; may be empty
};

struct DocumentStep {
  enum class Kind { kFolder, kHidden, kBlock, kNotRun };
  Kind kind = Kind::kBlock;
  std::string text;                    // the folder, the hidden command, or why it is not run
  std::vector<TypedCommand> commands;  // kBlock, kNotRun
  int exit_code = 0;                   // of the last of them
  std::size_t line = 0;
};

// In the order of the page. A block is one between ``` whose first line begins with "$ ".
[[nodiscard]] std::vector<DocumentStep> ReadDocument(const std::string& text);

// The words of at least four letters in `shown` that are not in `printed`: numbers, times and paths
// differ from run to run.
[[nodiscard]] std::vector<std::string> WordsMissing(const std::string& shown,
                                                    const std::string& printed);

}  // namespace oxherd::e2e
