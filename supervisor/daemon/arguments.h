// The daemon's command line; written by the keeper and `oxherd`, not by people.
//
// oxherd-daemon --state DIR --runtime DIR [--logs DIR] [--run OXFILE]...
//   [--oxfile OXFILE | --named-oxfile OXFILE]
//   [--profile NAME] [--only SERVICE]... [--exit-with SERVICE] [--on-failure go-on]
//   [--check-image N]
// The keeper gives the first two (keeper/inheritance.h), the rest is what follows "--" on its own
// command line.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "daemon/run_end.h"

namespace oxherd {

// The Oxfile that a daemon reads by itself, at a boot and at SIGHUP, whether or not a service came
// from it before; there need be none. `oxherd daemon run` names it.
struct OwnOxfile {
  std::string path;  // absolute
  // Somebody has named it: root reads it though others could change it.
  bool is_named = false;
};

struct Arguments {
  std::string state_folder;    // state.json
  std::string runtime_folder;  // the control socket; for showing
  std::string logs_folder;     // DIR/logs of the state folder unless it is given
  // `oxherd run`: in the foreground, with exactly the services of these files and no state.json;
  // what instances print is written to standard output, and to a file only where the Oxfile names
  // one.
  std::vector<std::string> run_files;
  std::optional<OwnOxfile> own_oxfile;
  RunRules run_rules = {};                  // of `oxherd run`
  std::optional<std::string> profile = {};  // of `oxherd run`: --env
  std::vector<std::string> only = {};       // of `oxherd run`: these services, if any is named
  // Only to say whether this program can go on from the image open there (daemon/upgrade.h).
  std::optional<int> check_image = {};

  [[nodiscard]] bool is_foreground() const { return !run_files.empty(); }
  [[nodiscard]] std::string socket_path() const { return runtime_folder + "/control.sock"; }
};

// An error says what is wrong with the line.
[[nodiscard]] Result<Arguments> ParseArguments(std::span<char* const> words);

// What follows "--" on the command line of a keeper whose daemon is to have these arguments. That
// keeper gives the folders of state and runtime itself.
[[nodiscard]] std::vector<std::string> WordsFor(const Arguments& arguments);

}  // namespace oxherd
