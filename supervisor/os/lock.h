// The home lock: whoever holds it is the supervisor of this home, and says in it how to be found.
//
// An open file description lock (fcntl(2), F_OFD_SETLK): it belongs to the descriptor, lives on in
// every copy of it, and ends with the last one, however its holders die. What the file says counts
// only while the lock is held.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "os/fd.h"

namespace oxherd::os {

// What a lock file says of its holder.
struct LockText {
  Pid pid;
  std::string socket;  // full path of the control socket

  friend bool operator==(const LockText&, const LockText&) = default;
};

// Takes the lock, making the file (0600) if need be; never waits. Nothing: somebody else holds it.
[[nodiscard]] Result<std::optional<Fd>> TakeLock(const std::string& path);
// Writes the holder's words into the lock it holds.
[[nodiscard]] Status WriteLock(int lock, const LockText& text);

// Who holds the lock at `path`; nothing if nobody does or there is no such file. The text may be
// empty for an instant after the lock was taken: pid 0.
[[nodiscard]] Result<std::optional<LockText>> ReadLock(const std::string& path);

}  // namespace oxherd::os
