// The environment of an instance, and `${NAME}` in what it is started with.
//
// Later wins: the base, env files and `env` (both in Spec::env, in that order), ours. A value may
// name what was set before it, and ours: ${PORT}, ${OXHERD_SERVICE}. `${INSTANCE}` is the number of
// the instance, `${3000 + INSTANCE}` adds to it, `$${` is a literal `${`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "core/spec.h"

namespace oxherd {

// Which process this is.
struct SpawnIdentity {
  SlotIndex slot = 0;
  Generation generation;
  Token token;
};

// True for the variables that an auto-started daemon takes from its caller, and nothing else: PATH,
// HOME, USER, LOGNAME, SHELL, LANG, LC_*, TZ. `${…}` of one that is not set is empty, not an error.
[[nodiscard]] bool IsBaseName(std::string_view name);

// True for the variables that Oxherd sets for every instance and that nothing overrides.
[[nodiscard]] bool IsOwnName(std::string_view name);

// The part of a caller's environment that IsBaseName() lets through.
[[nodiscard]] std::vector<EnvEntry> BaseEnvironment(std::span<const EnvEntry> caller);

// The complete environment, sorted by name, each name once. Ours, which nothing overrides:
// OXHERD_SERVICE, OXHERD_INSTANCE_ID and OXMGR_INSTANCE_ID and NODE_APP_INSTANCE (the slot),
// OXHERD_GENERATION, OXHERD_TOKEN (decimal numbers); PORT from listen or port_base, and
// PYTHONUNBUFFERED=1 unless something sets them (a base PORT does not count: ours wins over it).
// Hooks take the same; a check command gets OXHERD_PID added by the caller. An error names the
// variable: `env.URL:
// ${HOST} is not set`; it says no value.
[[nodiscard]] Result<std::vector<EnvEntry>> BuildEnvironment(const Spec& spec,
                                                             const SpawnIdentity& identity,
                                                             std::span<const EnvEntry> base);

// `text` with every `${…}` replaced. `environment` is what BuildEnvironment() returned (sorted).
[[nodiscard]] Result<std::string> Expand(std::string_view text,
                                         std::span<const EnvEntry> environment, SlotIndex slot);

// The argument vector to exec. In a line for the shell only `${INSTANCE}` and `${N + INSTANCE}` are
// replaced: the rest is the shell's, which has the same variables.
[[nodiscard]] Result<std::vector<std::string>> ExpandCommand(const Command& command,
                                                             std::span<const EnvEntry> environment,
                                                             SlotIndex slot);

}  // namespace oxherd
