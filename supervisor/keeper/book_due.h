// What the parts of the book share and nobody else needs: the bits of what is due, and how long
// things take.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <variant>

#include "base/time.h"
#include "keeper/book.h"
#include "keeper/protocol.h"

namespace oxherd::keeper {

// What the living daemon has still to hear about a record; kDueWorld stands for all the others.
enum DueBit : std::uint8_t {
  kDueWorld = 1,
  kDueFailed = 2,
  kDueStarted = 4,
  kDueKillFired = 8,
  kDueExited = 16,
  kDueGone = 32,
};

constexpr Place kNoPlace = std::numeric_limits<Place>::max();
constexpr std::uint8_t kUnreadableRequest = 255;

// A daemon is hung when it leaves two asks in a row unanswered, each for this long.
constexpr Duration kBeatEvery = Seconds(5);
constexpr int kBeatsMissedByTheHung = 2;
// An ask during which the keeper itself was this late proves nothing.
constexpr Duration kKeeperWasLate = Millis(500);
// From SIGABRT to SIGKILL for a hung daemon: time for a core dump.
constexpr Duration kTimeToAbort = Seconds(2);
// The wait before a start, by the number of crashes in a row.
constexpr std::array<Duration, 8> kBackOff = {Seconds(0), Millis(100), Seconds(1),  Seconds(2),
                                              Seconds(4), Seconds(8),  Seconds(16), Seconds(30)};
// As many crashes as the ring holds within this time: the image is under suspicion. A daemon that
// lived that long clears itself.
constexpr Duration kCrashWindow = Seconds(60);
// With so many crashes in a row nobody is there to stop things gently.
constexpr std::uint32_t kCrashesToGiveUp = 2;
// How long a leaving keeper waits for its daemon and its trees.
constexpr Duration kTimeToLeave = Seconds(10);

template <typename Wanted, std::size_t kIndex = 0>
constexpr std::uint8_t RequestIndex() {
  if constexpr (std::is_same_v<std::variant_alternative_t<kIndex, Request>, Wanted>) {
    return kIndex;
  } else {
    return RequestIndex<Wanted, kIndex + 1>();
  }
}

}  // namespace oxherd::keeper
