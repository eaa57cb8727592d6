// Steering: where new connections go, what is still watched while it drains, and which queues
// nobody will ever serve.
#pragma once

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// A queue without an owner is emptied after this, again and again.
constexpr Millis kSweepEvery = Seconds(1);
// After connections were last steered to a socket: how long until the last half-open one has
// arrived or has died (five SYN-ACKs take 63 s: net.ipv4.tcp_synack_retries, tcp(7)).
constexpr Millis kHalfOpenLasts = Seconds(65);

// A program that shuts a socket of its may be about to end, or listen again. After this it is
// replaced: before the clients who wait meanwhile are swept.
constexpr Millis kDeafFor{500};
static_assert(kDeafFor < kSweepEvery);

// At the end of a turn: says what has changed since the last one, and sweeps the queues whose time
// has come.
void SteerAll(Context& context);

// Clients may have come, or be on their way, to sockets where they were not sent.
void ExpectStrays(Context& context, Traffic& traffic, const std::vector<SocketNumber>& sockets);

// Emptied by the daemon: nobody lives who accepts from this socket, and others do, or nobody will.
[[nodiscard]] bool IsLost(const Context& context, const Service& service, const Pool& pool,
                          SocketNumber socket);

// Notes the queues whose time has come. Whether they are swept is decided at the end of the turn:
// an owner may still come in it.
void NoteDueSweeps(Context& context, Service& service);

}  // namespace oxherd
