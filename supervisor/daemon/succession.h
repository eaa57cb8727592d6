// What the daemon does when its keeper is gone: it becomes the next keeper, with all that it has.
#pragma once

#include "base/error.h"
#include "daemon/arguments.h"
#include "daemon/duplicates.h"
#include "keeper/succession.h"
#include "os/fd.h"

namespace oxherd {

// Home and image: what a keeper needs besides processes and sockets.
struct Belongings {
  os::Fd lock;
  os::Fd control_socket;
  os::Fd image;
};

// What the keeper has written down last, with the numbers of our own descriptors.
[[nodiscard]] Result<keeper::Estate> EstateFor(const Arguments& arguments,
                                               const Duplicates& duplicates,
                                               const Belongings& belongings);

// Execs the keeper in place of this process, which is then nobody's child but init's. Returns only
// what failed.
[[nodiscard]] Error BecomeKeeper(const Arguments& arguments, const keeper::Estate& estate);

}  // namespace oxherd
