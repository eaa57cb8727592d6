#include "os/log_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <memory>
#include <utility>

#include "os/acting_as.h"

namespace oxherd::os {
namespace {

FileFacts FactsFrom(const struct stat& status) {
  FileFacts facts;
  facts.device = status.st_dev;
  facts.inode = status.st_ino;
  facts.size = static_cast<std::uint64_t>(status.st_size);
  facts.modified = WallTime(Seconds(status.st_mtim.tv_sec) + Duration(status.st_mtim.tv_nsec));
  return facts;
}

std::string Naming(const std::string& path) { return "open log \"" + path + "\""; }

std::string FolderOf(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// mkdir -p, each new one 0700.
Status MakeFolders(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT || folder == "/" || folder == ".") return ErrnoError(folder);
  OXHERD_TRY(MakeFolders(FolderOf(folder)));
  if (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return ErrnoError(folder);
}

// Others cannot change what is in it, or (sticky) only what is theirs.
bool IsTrusted(const struct stat& folder) {
  if (folder.st_uid != 0 && folder.st_uid != geteuid()) return false;
  return (folder.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (folder.st_mode & S_ISVTX) != 0;
}

// The folder `name` in `parent`, or a link of that name; made (0700) where it is missing.
Fd OpenOrMake(const Fd& parent, const std::string& name) {
  constexpr int kFlags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  Fd opened(openat(parent.get(), name.c_str(), kFlags));
  if (opened.get() >= 0 || errno != ENOENT) return opened;
  if (mkdirat(parent.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return opened;
  return Fd(openat(parent.get(), name.c_str(), kFlags));
}

// Every folder on the way is trusted; each is opened in the one before it, so that nobody can
// exchange one meanwhile. A link among them: ELOOP.
Result<Fd> WalkTrustedFolders(const std::string& whole) {
  Fd here(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t begin = 1; begin < whole.size();) {
    auto end = whole.find('/', begin);
    if (end == std::string::npos) end = whole.size();
    const std::string name = whole.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty()) continue;
    Fd next = OpenOrMake(here, name);
    struct stat status{};
    if (next.get() < 0 || fstat(next.get(), &status) != 0) return ErrnoError(whole);
    if (S_ISLNK(status.st_mode)) return ErrnoError(whole, ELOOP);
    if (!S_ISDIR(status.st_mode)) return ErrnoError(whole, ENOTDIR);
    if (!IsTrusted(status)) {
      return MakeError("another user can change the folder " + whole.substr(0, end) +
                       "; root writes no logs there");
    }
    here = std::move(next);
  }
  return here;
}

// As it is written, where there is no link on the way; else as the links say now.
Result<Fd> OpenTrustedFolder(const std::string& folder) {
  if (folder.starts_with('/')) {
    auto opened = WalkTrustedFolders(folder);
    if (opened || opened.error().number != ELOOP) return opened;
  }
  // What comes after the link is perhaps still to be made.
  if (access(folder.c_str(), F_OK) != 0 && errno == ENOENT) OXHERD_TRY(MakeFolders(folder));
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(folder.c_str(), nullptr),
                                                             &std::free);
  if (!resolved) return ErrnoError(folder);
  return WalkTrustedFolders(resolved.get());
}

Result<Fd> OpenAnyFolder(const std::string& folder) {
  Fd opened(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0) return ErrnoError(folder);
  return opened;
}

// Made where it is missing. No log can be put where this is not what it should be.
Result<Fd> OpenFolder(const std::string& folder) {
  if (ActsAsRoot()) return OpenTrustedFolder(folder);
  auto opened = OpenAnyFolder(folder);
  if (opened || opened.error().number != ENOENT) return opened;
  OXHERD_TRY(MakeFolders(folder));
  return OpenAnyFolder(folder);
}

Status CheckLogFile(const Fd& file) {
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return ErrnoError("fstat");
  if (S_ISCHR(status.st_mode) && IsNullDevice(file)) return {};
  if (S_ISDIR(status.st_mode)) return ErrnoError("", EISDIR);
  if (!S_ISREG(status.st_mode)) return MakeError("not a regular file");
  if (ActsAsRoot() && status.st_uid != 0) return MakeError("the file is another user's");
  return {};
}

Result<Fd> OpenFolderOf(const std::string& path) {
  const std::string folder = FolderOf(path);
  auto opened = path == "/dev/null" ? OpenAnyFolder(folder) : OpenFolder(folder);
  if (!opened) return std::unexpected(std::move(opened).error().In(Naming(path)));
  return opened;
}

constexpr int kOpenFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

Result<Fd> OpenIn(const Fd& folder, const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  Fd file(openat(folder.get(), name.c_str(), kOpenFlags, 0600));
  if (file.get() < 0) {
    const int number = errno;
    if (number == ELOOP) return MakeError(Naming(path) + ": it is a symbolic link");
    return ErrnoError(Naming(path), number);
  }
  if (auto fit = CheckLogFile(file); !fit) {
    if (fit.error().number != 0) return ErrnoError(Naming(path), fit.error().number);
    return std::unexpected(std::move(fit).error().In(Naming(path)));
  }
  return file;
}

SystemResult<std::size_t> Counted(ssize_t count) {
  if (count < 0) return LastErrno();
  return static_cast<std::size_t>(count);
}

}  // namespace

Result<FileFacts> FactsOf(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return ErrnoError(path);
  return FactsFrom(status);
}

Result<FileFacts> FactsOf(const Fd& file) {
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return ErrnoError("fstat");
  return FactsFrom(status);
}

Result<Fd> OpenLogFile(const std::string& path) {
  OXHERD_TRY_ASSIGN(const Fd folder, OpenFolderOf(path));
  return OpenIn(folder, path);
}

Result<LogFiles> OpenLogFiles(const std::string& first, const std::string& second) {
  LogFiles files;
  OXHERD_TRY_ASSIGN(const Fd folder, OpenFolderOf(first));
  OXHERD_TRY_ASSIGN(files.first, OpenIn(folder, first));
  if (second == first) return files;
  if (FolderOf(second) == FolderOf(first)) {
    OXHERD_TRY_ASSIGN(files.second, OpenIn(folder, second));
  } else {
    OXHERD_TRY_ASSIGN(files.second, OpenLogFile(second));
  }
  return files;
}

void GrantAccess(const Fd& file, const LogAccess& access, std::uint32_t owner) {
  constexpr mode_t kPermissions = 07777;
  struct stat status{};
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (status.st_uid != owner || status.st_nlink != 1) return;
  const bool has_group = !access.group || status.st_gid == *access.group;
  // The group before the permissions that it is to have.
  if (!has_group && fchown(file.get(), static_cast<uid_t>(-1), *access.group) != 0) return;
  if ((status.st_mode & kPermissions) != access.mode) (void)fchmod(file.get(), access.mode);
}

namespace {

// Readers of what is in a folder pass through it: for each r of the file an x. It is not listed.
void LetThrough(const std::string& folder, const LogAccess& access) {
  constexpr mode_t kReaders = 0044;
  const Fd opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!opened || fstat(opened.get(), &status) != 0 || status.st_uid != geteuid()) return;
  const mode_t wanted = (status.st_mode & 0777U) | ((access.mode & kReaders) >> 2U);
  if (access.group && status.st_gid != *access.group &&
      fchown(opened.get(), static_cast<uid_t>(-1), *access.group) != 0) {
    return;
  }
  if (wanted != (status.st_mode & 0777U)) (void)fchmod(opened.get(), wanted);
}

}  // namespace

void OpenTheWay(const std::string& top, const std::string& path, const LogAccess& access) {
  if (!path.starts_with(top + "/")) return;
  for (std::string folder = FolderOf(path);; folder = FolderOf(folder)) {
    LetThrough(folder, access);
    if (folder.size() <= top.size()) return;
  }
}

bool IsRegularFile(const Fd& file) {
  struct stat status{};
  return fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
}

bool IsNullDevice(const Fd& file) {
  struct stat status{};
  return fstat(file.get(), &status) == 0 && S_ISCHR(status.st_mode) &&
         status.st_rdev == makedev(1, 3);
}

SystemResult<std::size_t> MoveToFile(const Fd& pipe, const Fd& file, std::uint64_t offset,
                                     std::size_t limit) {
  auto at = static_cast<off64_t>(offset);
  return Counted(
      Try([&] { return splice(pipe.get(), nullptr, file.get(), &at, limit, SPLICE_F_NONBLOCK); }));
}

bool SpliceWakesWatchers() {
  utsname name{};
  if (uname(&name) != 0) return false;
  const std::string_view release(name.release);  // "6.1.0-18-amd64"
  unsigned major = 0;
  unsigned minor = 0;
  const char* const end = release.end();
  const auto dot = std::from_chars(release.begin(), end, major);
  if (dot.ec != std::errc{} || dot.ptr == end) return false;
  (void)std::from_chars(dot.ptr + 1, end, minor);
  return major > 6 || (major == 6 && minor >= 6);
}

SystemResult<std::size_t> Peek(const Fd& pipe, const Pipe& spare, std::span<char> buffer) {
  const ssize_t copied =
      Try([&] { return tee(pipe.get(), spare.write_end.get(), buffer.size(), SPLICE_F_NONBLOCK); });
  if (copied <= 0) return Counted(copied);
  std::size_t got = 0;
  while (got < static_cast<std::size_t>(copied)) {
    const auto more = TakeFrom(spare.read_end, buffer.subspan(got));
    if (!more) return more;
    got += *more;
  }
  return got;
}

SystemResult<std::size_t> TakeFrom(const Fd& pipe, std::span<char> buffer) {
  return Counted(Try([&] { return read(pipe.get(), buffer.data(), buffer.size()); }));
}

std::size_t BytesIn(const Fd& pipe) {
  int count = 0;
  if (ioctl(pipe.get(), FIONREAD, &count) != 0 || count < 0) return 0;
  return static_cast<std::size_t>(count);
}

SystemResult<std::size_t> ReadAt(const Fd& file, std::uint64_t offset, std::span<char> buffer) {
  std::size_t got = 0;
  while (got < buffer.size()) {
    const ssize_t count = Try([&] {
      return pread(file.get(), buffer.data() + got, buffer.size() - got,
                   static_cast<off_t>(offset + got));
    });
    if (count < 0) return LastErrno();
    if (count == 0) break;
    got += static_cast<std::size_t>(count);
  }
  return got;
}

SystemResult<std::size_t> WriteAt(const Fd& file, std::uint64_t offset, std::string_view bytes) {
  return Counted(Try(
      [&] { return pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); }));
}

SystemStatus CutTo(const Fd& file, std::uint64_t size) {
  if (Try([&] { return ftruncate(file.get(), static_cast<off_t>(size)); }) != 0) {
    return LastErrno();
  }
  return {};
}

}  // namespace oxherd::os
