// What the keeper's poller wakes it for: a kind, a place in the table, and enough of the token to
// notice that the place has another owner by now.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "keeper/book.h"

namespace oxherd::keeper {

struct WatchKey {
  enum class Kind : std::uint8_t {
    kSignals,
    kDaemonSocket,
    kDaemonStart,   // the report pipe of a daemon
    kProcessStart,  // the report pipe of the process at `place`
    kCgroup,        // cgroup.events of the process at `place`
    kInherited,     // the pidfd of the process at `place`, which is not our child
    kMember,        // the pidfd of one of its tree
    kFetchSocket,   // where preload libraries ask for listening sockets
  };

  Kind kind = Kind::kSignals;
  Place place = 0;
  std::uint32_t token_bits = 0;

  [[nodiscard]] static WatchKey Of(Kind kind, Place place, Token token) {
    return {.kind = kind, .place = place, .token_bits = static_cast<std::uint32_t>(token.number())};
  }
  [[nodiscard]] std::uint64_t Pack() const {
    return std::uint64_t{token_bits} | std::uint64_t{place & 0xFF'FFFF} << 32 |
           std::uint64_t{static_cast<std::uint8_t>(kind)} << 56;
  }
  [[nodiscard]] static WatchKey Unpack(std::uint64_t packed) {
    return {.kind = static_cast<Kind>(packed >> 56),
            .place = static_cast<Place>(packed >> 32 & 0xFF'FFFF),
            .token_bits = static_cast<std::uint32_t>(packed)};
  }
};

}  // namespace oxherd::keeper
