// One command and its answer, whatever happens to the daemon in between.
#pragma once

#include <functional>
#include <optional>

#include "cli/connection/connection.h"
#include "cli/places.h"
#include "control/message.h"

namespace oxherd::cli {

// How long a connection that was lost is tried again.
constexpr Millis kReconnectFor{5000};

struct Exchange {
  const Places& places;
  const control::Request& request;
  Instant deadline;
  // Called for Accepted (once) and for each Progress.
  std::function<void(const control::FromDaemon&)> on_message;
};

// Sends the request and blocks until its Reply, which may be one of our own: ExitCode::kLost when
// the deadline passed or the connection could not be restored (the command goes on),
// ExitCode::kNotDone when the daemon's answer cannot be read. When the daemon dies, its successor
// is asked to go on.
[[nodiscard]] control::Reply Run(const Exchange& exchange, Connection connection);

// Random and not zero. Source: getrandom(2).
[[nodiscard]] RequestId NewRequestId();

}  // namespace oxherd::cli
