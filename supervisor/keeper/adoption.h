// What a new keeper goes on with: the processes of an estate that are still there and are surely
// the same, and what can be opened of them again.
//
// A process is ours if boot, pid and start time are what was written down, its user too, and its
// cgroup (where it has none: the OXHERD_TOKEN of its environment; where it has overwritten that:
// the session that it leads). One of which only boot, pid and start time hold is in doubt, and so
// is one whose start time could not be read: it is kept, told of, and never signalled.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "keeper/succession.h"
#include "os/fd.h"

namespace oxherd::keeper {

// What went on is no longer written in `left`'s numbers, but owned here.
struct Adopted {
  LeftProcess left;
  os::Fd pidfd;                           // none: the main process is gone
  std::array<os::Fd, kMaxAttached> held;  // as left.facts.held says
};
struct AdoptedHeld {
  HeldName name;
  os::Fd descriptor;
};
struct Inheritance {
  Preamble preamble;
  std::vector<Adopted> processes;
  std::vector<AdoptedHeld> held;
  Token highest;
  // Home and daemon, where they were left open.
  os::Fd lock;
  os::Fd control_socket;
  os::Fd image;
  os::Fd fetch_socket;
};

// Of an estate whose numbers are open descriptors: owns them, close-on-exec again.
[[nodiscard]] Inheritance TakeOver(Estate estate, Instant now);

// Of an estate without descriptors: from /proc. Nothing where it is of another boot. Slow: reads
// a few files for each process.
[[nodiscard]] std::optional<Inheritance> FindAgain(Estate estate, Instant now);

}  // namespace oxherd::keeper
