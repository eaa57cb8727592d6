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
  // "PID\nPATH\n": the last newline shows that all of it was written. Behind it may be the end of
  // a longer text that was there before.
  const std::size_t end_of_path = text.find('\n', 1);
  if (!text.starts_with('\n') || end_of_path == std::string_view::npos) return lock;
  lock.pid = Pid(pid);
  lock.socket = std::string(text.substr(1, end_of_path - 1));
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
  // In this order there is a whole text at every moment.
  const ssize_t written = Try([&] { return ::pwrite(lock, content.data(), content.size(), 0); });
  if (written < 0) return ErrnoError("write the lock");
  if (static_cast<std::size_t>(written) != content.size()) {
    return ErrnoError("write the lock", ENOSPC);
  }
  if (Try([&] { return ::ftruncate(lock, written); }) < 0) return ErrnoError("write the lock");
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
