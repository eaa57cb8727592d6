// What is done with a listening socket that several programs hold one after the other.
#pragma once

#include <optional>

#include "base/tcp_address.h"
#include "os/system_call.h"

namespace oxherd::os {

// Where the socket is bound: getsockname(2); nothing for a socket of another family.
[[nodiscard]] SystemResult<std::optional<TcpAddress>> BoundAddress(int socket);

// Takes back what the last program may have set on a socket that listens, and the next does not
// expect: O_NONBLOCK, TCP_DEFER_ACCEPT, a shorter backlog. One that does not listen (it was shut
// down) stays as it is. Does not block.
[[nodiscard]] SystemStatus RenewListening(int socket);

}  // namespace oxherd::os
