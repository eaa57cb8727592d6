// A Procfile (Heroku, foreman), said as an Oxfile.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/text_check.h"

namespace oxherd {

struct ProcfileSource {
  std::string name;                         // for the first line: "Procfile"
  std::string folder = {};                  // that its commands run in; empty: that of the Oxfile
  std::vector<std::string> env_files = {};  // that stand beside it, as foreman reads ".env"
};

struct ProcfileImport {
  std::string text;                   // the Oxfile
  std::vector<std::string> warnings;  // what a person must look at, one line each
  std::vector<TextProblem> problems;  // lines that are none; what is made of the others is given
};

// Each `name: command` becomes a service; `release` a oneshot before all others. The first that
// uses $PORT (else web) gets foreman's port, 5000, from the supervisor, the next ones 5100, 5200….
[[nodiscard]] ProcfileImport OxfileFromProcfile(std::string_view text,
                                                const ProcfileSource& source);

// A name that a service may have, made of any text: "@me/my app" is "my-app".
[[nodiscard]] std::string ServiceNameFrom(std::string_view wanted);

}  // namespace oxherd
