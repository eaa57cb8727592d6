// Asks the kernel which socket of a pool is at which place (os/listen_pool.h), where nobody
// remembers it.
//
// There is no call for that. But a listening socket names the largest segment that it takes
// (TCP_MAXSEG, tcp(7)) to each client in its SYN-ACK: every socket is given another one, a probe of
// each place (os/steering.h) reads whose it got, and all are as they were again. The sizes are
// above what a network carries, so clients that come meanwhile see no difference. Programs see a
// connection that ends at once.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "os/listen_pool.h"

namespace oxherd::os {

// The indexes in `sockets` of those that listen, by place; some may be -1, or shut down. All must
// be of the one pool, which was steered once. Nothing where that cannot be had for certain: a queue
// is full, none listens, a Unix socket, more than kMaxPoolWidth. Blocks for 200 ms in all at most.
[[nodiscard]] std::optional<std::vector<std::size_t>> AskOrder(const PoolAddress& address,
                                                               std::span<const int> sockets);

}  // namespace oxherd::os
