// The flags of `start PROGRAM` and `run PROGRAM`, most of which are keys of an Oxfile.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/command_line/options.h"

namespace oxherd::cli {

// Adds them, and --env, which is a profile where it is no NAME=VALUE.
void AddProgramFlags(CLI::App& app, Options& options);

}  // namespace oxherd::cli
