// Steering: where new connections go, what is still watched while it drains, and which queues
// nobody will ever serve.
#pragma once

#include "core/context.h"
#include "core/socket_queue.h"
#include "core/state.h"

namespace oxherd {

// A program that shuts a socket of its may be about to end, or listen again. After this it is
// replaced: before the clients who wait meanwhile are swept.
constexpr Millis kDeafFor{500};
static_assert(kDeafFor < kSweepEvery);

// At the end of a turn: says what has changed since the last one, and sweeps the queues whose time
// has come.
void SteerAll(Context& context);

// Emptied by the daemon: nobody lives who accepts from this socket, and others do, or nobody will.
[[nodiscard]] bool IsLost(const Context& context, const Service& service, const Pool& pool,
                          SocketNumber socket);
}  // namespace oxherd
