// Reads a command line as sh would, as far as no shell is needed to understand it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace oxherd {

struct ShellWord {
  std::size_t offset = 0;       // in the line
  std::string raw;              // as written; an operator is a word of its own
  std::string value;            // quotes and backslashes removed; a literal `${` as `$${`
  bool starts_command = false;  // the first word, or the first after `&&`, `|`, `;`, `(`
};

// One line, cut at blanks and operators. What needs a shell is only recognised.
struct ShellLine {
  std::vector<ShellWord> words;
  bool has_expansion = false;  // variables, globs, ~, command substitution, a comment
  bool has_redirect = false;   // < >
  bool has_operator = false;   // | & ; ( ) newline: more than one simple command
};

// Fails on a quote that is not closed.
[[nodiscard]] Result<ShellLine> ReadShellLine(std::string_view line);

}  // namespace oxherd
