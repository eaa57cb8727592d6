// Queues of a service's sockets: who may still arrive in one, and when it is to be looked at.
//
// A socket number has one queue at every address. Whom it waits for is the matter of steering.h.
#pragma once

#include <vector>

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// A queue without an owner is emptied after this, again and again.
constexpr Millis kSweepEvery = Seconds(1);
// After connections were last steered to a socket: how long until the last half-open one has
// arrived or has died (five SYN-ACKs take 63 s: net.ipv4.tcp_synack_retries, tcp(7)).
constexpr Millis kHalfOpenLasts = Seconds(65);

// Made if there is none yet.
[[nodiscard]] SocketQueue& QueueOf(Traffic& traffic, SocketNumber socket);

// Clients may have come, or be on their way, to sockets where they were not sent.
void ExpectStrays(const Context& context, Traffic& traffic,
                  const std::vector<SocketNumber>& sockets);

// Notes the queues whose time has come. Whether they are swept is decided at the end of the turn:
// an owner may still come in it.
void NoteDueSweeps(Context& context, Service& service);

}  // namespace oxherd
