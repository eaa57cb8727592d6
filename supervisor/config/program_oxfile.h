// The Oxfile of a program that was typed and not written down: what `oxherd start server.js` keeps.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/spec.h"

namespace oxherd {

// One flag, said as a key of a service.
struct ProgramSetting {
  std::string flag;   // as it was typed: "--stop-timeout"
  std::string key;    // "stop_timeout_ms", "health_check.endpoint"
  std::string value;  // TOML
};

struct TypedProgram {
  std::string name;
  std::string line;                // for the shell; empty: `words`
  std::vector<std::string> words;  // exec'd as they are
  std::string folder;              // absolute: its working_dir
  std::vector<ProgramSetting> settings;
  std::vector<std::string> env_files;  // absolute
  std::vector<EnvEntry> env;
};

// The text; `typed` is what was typed, for a comment. Values are taken over as they are: only
// ParseOxfile() says whether it holds.
[[nodiscard]] std::string OxfileFor(const TypedProgram& program, std::string_view typed);

// The keys of the one service in `one` that have other values in `other`, which defines it too:
// "instances", "env.PORT". Fails where one of them is no such text.
[[nodiscard]] Result<std::vector<std::string>> ChangedKeys(std::string_view one,
                                                           std::string_view other);

// An env file (env_file.h) of what a program gets from the shell in which it was typed: all but
// what belongs to the session (SSH_*, XDG_*, TERM, PWD, …), to PM2 or to us, and what the daemon
// knows by itself. What an env file cannot say is left out.
[[nodiscard]] std::string EnvFileFor(std::span<const EnvEntry> environment);

// What runs a file of this name, by its extension: {"python3", "-u"}. Empty: the file itself.
[[nodiscard]] std::vector<std::string> InterpreterOf(std::string_view file);

// A name for what is called so: its stem, without what no name may have. "./dist/server.js" is
// "server".
[[nodiscard]] std::string ServiceNameFor(std::string_view file);

}  // namespace oxherd
