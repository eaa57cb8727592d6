// A program where a service could stand: `oxherd start server.js -i 2`, `oxherd run "npm start"`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line/options.h"
#include "cli/session.h"

namespace oxherd::cli {

// What a typed word is in the file system.
struct WordFacts {
  bool is_file = false;
  bool is_folder = false;
  bool is_executable = false;
  bool is_on_path = false;
};

// What `start WORD` means where no service is called so.
enum class Meaning : std::uint8_t {
  kService,     // an unknown one, for all that can be seen
  kScript,      // a file that an interpreter runs
  kExecutable,  // a file that runs by itself
  kLine,        // for the shell
  kOnPath,
  kMissing,  // it looks like a file, and there is none
  kFolder,
  kNotExecutable,  // a file that nothing is known to run
};
[[nodiscard]] Meaning MeaningOf(const std::string& word, const WordFacts& facts,
                                bool has_interpreter);

// If a program was typed: its Oxfile is written below the state folder (`run`: for this run), and
// `options` (of the session) then names it and the service. Nothing: go on; else all is said, and
// this is the exit code. May start the daemon, as it must know whether the name is free.
[[nodiscard]] std::optional<int> TakeProgram(const Session& session, Options& options);

// Removes what TakeProgram() wrote for services that are no more. Failures do no harm.
void ForgetPrograms(const Places& places, const std::vector<std::string>& names);

}  // namespace oxherd::cli
