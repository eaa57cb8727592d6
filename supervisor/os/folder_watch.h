// Wakes up when something in a folder is made, written or renamed.
#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace oxherd::os {

class FolderWatch {
 public:
  // Watches the folders; one that is not there is left out. Source: inotify(7).
  [[nodiscard]] static Result<FolderWatch> Open(std::span<const std::string> folders);

  enum class Woken { kChange, kOther, kDeadline };
  // Blocks until something has changed since the last call, or `other` (a descriptor, or -1) is
  // readable, or the deadline has passed.
  [[nodiscard]] Woken Wait(int other, Instant deadline);
  // Readable from a change until the next Wait().
  [[nodiscard]] int descriptor() const { return inotify_.get(); }

 private:
  explicit FolderWatch(Fd inotify) : inotify_(std::move(inotify)) {}
  Fd inotify_;
};

}  // namespace oxherd::os
