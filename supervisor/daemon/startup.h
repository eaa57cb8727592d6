// How a daemon finds out where it stands: what the keeper knows, what was saved, what is wanted.
//
// Three ways lead to a state: the image (a daemon before us died), state.json with the world (the
// image cannot be used), state.json with files read again (nothing runs: a boot).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "core/supervisor.h"
#include "daemon/arguments.h"
#include "daemon/commands/spec_sources.h"
#include "daemon/keeper_link.h"
#include "daemon/store/image.h"

namespace oxherd {

// Everything the keeper told before the loop runs.
struct KeeperWorld {
  keeper::Hello hello;
  std::vector<KeeperReport> records;  // WorldRecord and WorldHeld
  std::vector<KeeperReport> news;     // single reports that came meanwhile, in order
  Token highest;
};

// Says World and waits for the end of the answer; kPatience at most for each report.
[[nodiscard]] Result<KeeperWorld> AskKeeper(KeeperLink& link);

enum class Origin : std::uint8_t {
  kImage,
  kWorld,  // state.json as it is, and the world
  kBoot,   // state.json, and the files it names
  kRun,    // the files of `oxherd run`
};

struct StartState {
  State state;
  std::optional<State> mistrusted;  // what the image holds, where it is not gone on with
  Origin origin = Origin::kBoot;
  std::vector<std::string> warnings;  // for the log and for `daemon status`
  std::vector<std::string> errors;    // of Oxfiles, rendered
  std::optional<SupervisorSettings> settings;
};

// The state to go on with, not joined with the world yet. `image` may be null. For kRun with an
// invalid file, `errors` is not empty and the state has no services.
[[nodiscard]] StartState FindState(const Arguments& arguments, const Surroundings& surroundings,
                                   const KeeperWorld& world, Image* image);

// The keeper's facts as the core takes them. Hooks are told apart by the state.
[[nodiscard]] World WorldFor(const StartState& start, const KeeperWorld& world, Instant now);

}  // namespace oxherd
