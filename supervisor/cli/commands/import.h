// PM2's files where an Oxfile is wanted: `oxherd import`, and `oxherd start ecosystem.config.js`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/command_line/options.h"
#include "cli/session.h"

namespace oxherd::cli {

// By its name: *.config.js, .cjs or .mjs, ecosystem.js, or *.json.
[[nodiscard]] bool IsEcosystemFile(std::string_view name);

// `import FILE` and `import pm2`: prints an Oxfile, or writes it where --out says.
[[nodiscard]] int Import(const Session& session);

// Every ecosystem file among the Oxfiles that were named is made an Oxfile of, below the state
// folder, which `options` (of the session) then names in its place. Nothing: go on; else all is
// said, and this is the exit code. JavaScript is evaluated by node, for at most 10 s.
[[nodiscard]] std::optional<int> TakeEcosystemFiles(const Session& session, Options& options);

// "ecosystem.config.js:3:9: Error: no database": what node says of a file that it cannot evaluate,
// in one line. `path` is how node knows the file, `shown` how the user does.
[[nodiscard]] std::string LocateNodeError(std::string_view said, const std::string& path,
                                          const std::string& shown);

}  // namespace oxherd::cli
