#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "os/fd.h"

namespace oxherd::os {
namespace {

Status WriteAll(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = Try([&] { return ::write(file, bytes.data(), bytes.size()); });
    if (written < 0) return ErrnoError("write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status WriteAndSync(int folder, const std::string& name, std::string_view bytes,
                    const std::string& path) {
  const Fd file(Try([&] {
    return ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
  }));
  if (!file) return ErrnoError("write " + path);
  OXHERD_TRY(WriteAll(file.get(), bytes, path));
  if (Try([&] { return ::fsync(file.get()); }) < 0) return ErrnoError("fsync " + path);
  return {};
}

}  // namespace

Status ReplaceFile(const std::string& directory, const std::string& name, std::string_view bytes) {
  const std::string path = directory + "/" + name;
  const Fd folder(
      Try([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!folder) return ErrnoError("write " + path);
  const std::string building = "." + name + ".new";
  if (Status written = WriteAndSync(folder.get(), building, bytes, path); !written) {
    ::unlinkat(folder.get(), building.c_str(), 0);
    return written;
  }
  if (Try([&] { return ::renameat(folder.get(), building.c_str(), folder.get(), name.c_str()); }) <
      0) {
    auto failure = ErrnoError("replace " + path);
    ::unlinkat(folder.get(), building.c_str(), 0);
    return failure;
  }
  if (Try([&] { return ::fsync(folder.get()); }) < 0) return ErrnoError("fsync " + directory);
  return {};
}

Status SyncDirectory(const std::string& path) {
  const Fd folder(Try([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!folder) return ErrnoError("open " + path);
  if (Try([&] { return ::fsync(folder.get()); }) < 0) return ErrnoError("fsync " + path);
  return {};
}

Result<std::string> ReadFile(const std::string& path, std::size_t most) {
  const Fd file(
      Try([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  if (!file) return ErrnoError(path);
  struct stat about{};
  if (Try([&] { return ::fstat(file.get(), &about); }) < 0) return ErrnoError(path);
  if (S_ISDIR(about.st_mode)) return ErrnoError(path, EISDIR);
  if (!S_ISREG(about.st_mode)) return MakeError(path + ": is not a regular file");
  std::string text;
  // One byte more than allowed shows that there is more. Files in /proc have no size of their own.
  while (text.size() <= most) {
    const std::size_t before = text.size();
    text.resize(std::min(most + 1, before + std::max<std::size_t>(4096, before)));
    const ssize_t size =
        Try([&] { return ::read(file.get(), text.data() + before, text.size() - before); });
    if (size < 0) return ErrnoError("read " + path);
    text.resize(before + static_cast<std::size_t>(size));
    if (size == 0) return text;
  }
  return MakeError(path + ": is longer than " + std::to_string(most) + " bytes");
}

Status MakePrivateDirectory(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (Try([&] { return ::mkdir(above.c_str(), 0700); }) < 0 && errno != EEXIST) {
      // A directory that is there may say something else first, e.g. EROFS.
      struct stat there{};
      const int number = errno;
      if (::stat(above.c_str(), &there) != 0) return ErrnoError("make " + above, number);
    }
  }
  if (Try([&] { return ::mkdir(path.c_str(), 0700); }) < 0 && errno != EEXIST) {
    return ErrnoError("make " + path);
  }
  struct stat about{};
  if (Try([&] { return ::lstat(path.c_str(), &about); }) < 0) return ErrnoError(path);
  if (S_ISLNK(about.st_mode)) return MakeError(path + ": is a symlink; name the directory itself");
  if (!S_ISDIR(about.st_mode)) return ErrnoError(path, ENOTDIR);
  if (about.st_uid != ::geteuid()) return MakeError(path + ": belongs to somebody else");
  if ((about.st_mode & 0022) != 0) {
    return MakeError(path + ": others may write in it; chmod go-w it");
  }
  return {};
}

}  // namespace oxherd::os
