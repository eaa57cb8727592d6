#include "os/lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

namespace oxherd::os {
namespace {

struct flock WholeFile() {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

LockText Parse(std::string_view text) {
  LockText lock;
  std::int32_t pid = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (failure != std::errc()) return lock;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  // "PID\nPATH\n": the last newline shows that all of it was written.
  if (!text.starts_with('\n') || !text.ends_with('\n') || text.size() < 2) return lock;
  lock.pid = Pid(pid);
  lock.socket = std::string(text.substr(1, text.size() - 2));
  return lock;
}

}  // namespace

Result<std::optional<Fd>> TakeLock(const std::string& path) {
  Fd file(Try([&] {
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
  }));
  if (!file) return ErrnoError(path);
  struct flock range = WholeFile();
  if (Try([&] { return ::fcntl(file.get(), F_OFD_SETLK, &range); }) < 0) {
    if (errno == EAGAIN || errno == EACCES) return std::nullopt;
    return ErrnoError("lock " + path);
  }
  return file;
}

Status WriteLock(int lock, const LockText& text) {
  const std::string content = std::to_string(text.pid.number()) + "\n" + text.socket + "\n";
  // A text that is true already is never gone, not even for a moment.
  std::array<char, 8192> there{};
  const ssize_t size = Try([&] { return ::pread(lock, there.data(), there.size(), 0); });
  if (size > 0 && std::string_view(there.data(), static_cast<std::size_t>(size)) == content) {
    return {};
  }
  if (Try([&] { return ::ftruncate(lock, 0); }) < 0) return ErrnoError("write the lock");
  const ssize_t written = Try([&] { return ::pwrite(lock, content.data(), content.size(), 0); });
  if (written < 0) return ErrnoError("write the lock");
  if (static_cast<std::size_t>(written) != content.size()) {
    return ErrnoError("write the lock", ENOSPC);
  }
  return {};
}

Result<std::optional<LockText>> ReadLock(const std::string& path) {
  const Fd file(Try([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW); }));
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    return ErrnoError(path);
  }
  struct flock range = WholeFile();
  if (Try([&] { return ::fcntl(file.get(), F_OFD_GETLK, &range); }) < 0) {
    return ErrnoError("ask who holds " + path);
  }
  if (range.l_type == F_UNLCK) return std::nullopt;
  std::array<char, 8192> text{};
  const ssize_t size = Try([&] { return ::pread(file.get(), text.data(), text.size(), 0); });
  if (size < 0) return ErrnoError("read " + path);
  return Parse(std::string_view(text.data(), static_cast<std::size_t>(size)));
}

}  // namespace oxherd::os
