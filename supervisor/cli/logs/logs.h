// `oxherd logs`: finds the logs that were asked for, with the daemon or without it, and shows them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/logs/cursor.h"
#include "cli/session.h"
#include "control/message.h"

namespace oxherd::cli {

// What was typed, done; the exit code.
[[nodiscard]] int ShowLogs(const Session& session);

// ---- Its parts. ----

// The logs of these instances, those of one instance next to each other, and of each what
// `options` (--out, --err) asks for.
[[nodiscard]] std::vector<LogSource> SourcesOf(const std::vector<control::Row>& rows,
                                               const LogOptions& options);

// The instances whose logs lie in the daemon's folder, for names such as "api", "api/0" and "all"
// (none: all); for when no daemon can be asked.
[[nodiscard]] std::vector<control::Row> RowsInFolder(const std::string& logs_folder,
                                                     const std::vector<std::string>& names);

}  // namespace oxherd::cli
