// Starts the daemon: in the background where a command needs one, or in place of this process.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/connection/connection.h"
#include "cli/places.h"
#include "core/spec.h"

namespace oxherd::cli {

// The program beside this one, in ../lib/oxherd or ../libexec/oxherd.
[[nodiscard]] Result<std::string> FindProgram(std::string_view name);

// Makes the folders, starts a keeper and connects as soon as somebody serves the home: ours, or one
// that was quicker. Blocks for 5 s at most. `environment` is the caller's; the daemon gets what
// config/environment.h calls its base.
[[nodiscard]] std::expected<Connection, NotConnected> StartDaemon(
    const Places& places, const std::vector<EnvEntry>& environment);

// This process becomes the keeper, in the foreground. `daemon_words` go to the daemon
// (daemon/arguments.h). Returns only if that fails.
[[nodiscard]] Error BecomeKeeper(const Places& places,
                                 const std::vector<std::string>& daemon_words);

}  // namespace oxherd::cli
