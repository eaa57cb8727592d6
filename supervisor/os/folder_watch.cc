#include "os/folder_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "os/clock.h"

namespace oxherd::os {

Result<FolderWatch> FolderWatch::Open(std::span<const std::string> folders) {
  Fd inotify(Try([] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }));
  if (!inotify) return ErrnoError("watch folders");
  constexpr std::uint32_t kEvents =
      IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR;
  for (const std::string& folder : folders) {
    if (Try([&] { return ::inotify_add_watch(inotify.get(), folder.c_str(), kEvents); }) < 0 &&
        errno != ENOENT) {
      return ErrnoError("watch " + folder);
    }
  }
  return FolderWatch(std::move(inotify));
}

FolderWatch::Woken FolderWatch::Wait(int other, Instant deadline) {
  std::array<pollfd, 2> waiting{{{.fd = inotify_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = other, .events = POLLIN, .revents = 0}}};
  for (;;) {
    const std::int64_t left = std::clamp<std::int64_t>(ToMillis(deadline - Now()) + 1, 0, 60'000);
    const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (waiting[1].revents != 0) return Woken::kOther;
    if (waiting[0].revents != 0) {
      std::array<char, 4096> events{};
      while (::read(inotify_.get(), events.data(), events.size()) > 0) {
      }
      return Woken::kChange;
    }
    if (Now() >= deadline) return Woken::kDeadline;
  }
}

}  // namespace oxherd::os
