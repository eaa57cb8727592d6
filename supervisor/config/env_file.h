// Reads env files: `KEY=value`, one a line, as dotenv, Docker and sh have them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"

namespace oxherd {

struct EnvFileEntry {
  std::string name;
  std::string value;  // with `${NAME}` still in it; what is literal is escaped (environment.h)
  Position position;  // of the value
};

struct EnvFileProblem {
  Position position;
  std::string name;     // of the variable, where it is one; empty otherwise
  std::string message;  // repeats nothing of the file: it holds secrets
};

struct EnvFile {
  std::vector<EnvFileEntry> entries;     // in order; a name may come twice, later wins
  std::vector<EnvFileProblem> problems;  // all of them; none: the file is good
};

// Lines are `KEY=value`, `export KEY=value`, blank, or `# comment`. Values: bare (to the end of the
// line or ` #`), 'as it is', or "with \n \t \" \\ \$ escapes"; quoted ones may go over several
// lines.
// `${NAME}` counts in bare and in "…" values, and nothing else does. CRLF and a byte order mark are
// accepted. Pure.
[[nodiscard]] EnvFile ParseEnvFile(std::string_view text);

// [A-Za-z_][A-Za-z0-9_.-]*: what may be a variable's name in env files and tables.
[[nodiscard]] bool IsEnvironmentName(std::string_view name);

}  // namespace oxherd
