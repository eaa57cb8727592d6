// What `oxherd status NAME` and `oxherd daemon status` show.
#pragma once

#include <cstdint>
#include <string>

#include "cli/render/terminal.h"
#include "control/message.h"

namespace oxherd::cli {

[[nodiscard]] std::string RenderStatus(const Screen& screen, const control::ServiceDetail& detail,
                                       std::int64_t now_unix_ms);

[[nodiscard]] std::string RenderDaemon(const control::DaemonDetail& daemon,
                                       std::int64_t now_unix_ms);

}  // namespace oxherd::cli
