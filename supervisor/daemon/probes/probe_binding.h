// Whether what answered on a port is the asked instance: the socket that listens there must belong
// to a process of its tree.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "daemon/probes/probes.h"

namespace oxherd {

struct Binding {
  enum class Kind : std::uint8_t {
    kOurs,     // every socket that listens there, as far as our instances are concerned
    kForeign,  // somebody else's; `generation` and `pid` if it is another instance of ours
    kUnknown,  // the kernel did not say, or the instance is gone
  };
  Kind kind = Kind::kUnknown;
  Generation generation{};
  Pid pid{};
};

// Looks who listens on `port`. Reads the kernel's tables and /proc: a fraction of a millisecond
// where the main process holds the socket, else 15 µs for each process of the machine. Where a
// process of the instance does not let us look, it is believed unless another instance of ours
// holds the socket.
[[nodiscard]] Binding WhoAnswers(const ProbeQuestion& question, std::uint16_t port,
                                 const std::vector<LiveInstance>& live);

}  // namespace oxherd
