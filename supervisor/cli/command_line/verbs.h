// The verbs: what each is called, what it is for, and which options it takes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "cli/command_line/options.h"
#include "control/pm2_list.h"

namespace oxherd::cli {

// Which options a verb takes, as bits.
enum Takes : std::uint32_t {
  kNothing = 0,
  kNames = 1U << 0U,
  kFiles = 1U << 2U,
  kTimeout = 1U << 3U,
  kNoWait = 1U << 4U,
  kDryRun = 1U << 5U,
  kForce = 1U << 6U,
  kOnly = 1U << 7U,
  kDependents = 1U << 8U,
  kUpdateEnv = 1U << 9U,
  kKeep = 1U << 10U,
  kParallel = 1U << 11U,
  kFor = 1U << 12U,
  kLogFlags = 1U << 13U,
  kFollowFlags = 1U << 14U,  // of `daemon logs`
  kName = 1U << 15U,         // at least one is required
  kOfInstance = 1U << 16U,   // of `instance`
  kUserManager = 1U << 17U,  // --user
  kForUser = 1U << 18U,      // -u USER
  kShell = 1U << 19U,        // of `completion`
  kProfile = 1U << 20U,      // --env
  kSource = 1U << 21U,       // of `import`: a file or pm2, and --out
  kWatch = 1U << 22U,        // of `list`
  kRunFlags = 1U << 29U,     // of `run`: --keep-going, --exit-with
  kTo = 1U << 27U,           // of `rollback`
  kReveal = 1U << 28U,       // of `env`
  kPrune = 1U << 26U,        // of `apply`
  kProgram = 1U << 30U,      // a program may be typed, with flags of its own
  kArguments = 1U << 31U,    // `-- WORDS`
};

struct VerbEntry {
  Verb verb;
  std::string_view name;
  std::array<std::string_view, 3> aliases;
  std::uint32_t takes;
  std::string_view summary;
};

// In the order in which help lists them.
[[nodiscard]] std::span<const VerbEntry> Verbs();

// By name, by alias, or by what PM2 calls it (jlist, startOrReload, resurrect); null if there is
// none. "daemon stop" is one name.
[[nodiscard]] const VerbEntry* FindVerb(std::string_view name);

// For PM2's names of `list` that mean its own array: jlist, prettylist.
[[nodiscard]] std::optional<control::Pm2Form> Pm2FormOf(std::string_view name);

}  // namespace oxherd::cli
