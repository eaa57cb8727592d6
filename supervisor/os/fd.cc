#include "os/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

namespace oxherd::os {
namespace {

constexpr int kWholeSeal = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr int kFixedSeal = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

}  // namespace

void Fd::Reset(int number) {
  if (number_ >= 0 && number_ != number) {
    const int before = errno;
    ::close(number_);  // also after EINTR the descriptor is gone: close(2)
    errno = before;
  }
  number_ = number;
}

SystemResult<Fd> Duplicate(int fd, int at_least) {
  const int number = Try([=] { return ::fcntl(fd, F_DUPFD_CLOEXEC, at_least); });
  if (number < 0) return LastErrno();
  return Fd(number);
}

SystemResult<Fd> OpenAnew(int fd, int flags) {
  constexpr std::string_view kFolder = "/proc/self/fd/";
  std::array<char, 32> path{};
  std::memcpy(path.data(), kFolder.data(), kFolder.size());
  std::to_chars(path.data() + kFolder.size(), path.data() + path.size() - 1, fd);
  const int number = Try([&] { return ::open(path.data(), flags | O_CLOEXEC | O_NOCTTY); });
  if (number < 0) return LastErrno();
  return Fd(number);
}

std::string PathOfOpen(int fd) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  if (size <= 0 || static_cast<std::size_t>(size) == path.size()) return "";
  return std::string(path.data(), static_cast<std::size_t>(size));
}

SystemResult<Pipe> MakePipe(PipeReading reading) {
  std::array<int, 2> ends{};
  if (Try([&] { return ::pipe2(ends.data(), O_CLOEXEC); }) < 0) return LastErrno();
  Pipe pipe{.read_end = Fd(ends[0]), .write_end = Fd(ends[1])};
  if (reading == PipeReading::kDoesNotBlock) {
    if (SystemStatus set = SetBlocking(ends[0], Blocking::kDoesNotBlock); !set) {
      return std::unexpected(set.error());
    }
  }
  return pipe;
}

SystemResult<std::size_t> PipeRoom(int pipe) {
  const int bytes = Try([=] { return ::fcntl(pipe, F_GETPIPE_SZ); });
  if (bytes < 0) return LastErrno();
  return static_cast<std::size_t>(bytes);
}

SystemStatus SetPipeRoom(int pipe, std::size_t bytes) {
  if (Try([=] { return ::fcntl(pipe, F_SETPIPE_SZ, static_cast<int>(bytes)); }) < 0) {
    return LastErrno();
  }
  return {};
}

SystemStatus SetBlocking(int fd, Blocking blocking) {
  const int flags = Try([=] { return ::fcntl(fd, F_GETFL); });
  if (flags < 0) return LastErrno();
  const int wanted = blocking == Blocking::kDoesNotBlock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (Try([=] { return ::fcntl(fd, F_SETFL, wanted); }) < 0) return LastErrno();
  return {};
}

Result<Fd> MakeMemfd(const std::string& name) {
  const int number =
      Try([&] { return ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING); });
  if (number < 0) return ErrnoError("memory for " + name);
  return Fd(number);
}

Result<Fd> MakeSealedMemfd(const std::string& name, std::span<const std::byte> bytes) {
  OXHERD_TRY_ASSIGN(Fd file, MakeMemfd(name));
  while (!bytes.empty()) {
    const ssize_t written = Try([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
    if (written < 0) return ErrnoError("memory for " + name);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (Try([&] { return ::fcntl(file.get(), F_ADD_SEALS, kWholeSeal); }) < 0) {
    return ErrnoError("seal " + name);
  }
  return file;
}

Result<Fd> CopyMemfd(int memfd, const std::string& name) {
  OXHERD_TRY_ASSIGN(Fd copy, MakeMemfd(name));
  const off_t size = ::lseek(memfd, 0, SEEK_END);
  if (size < 0 || ::ftruncate(copy.get(), size) != 0) return ErrnoError("copy " + name);
  std::vector<char> buffer(std::size_t{1} << 18);
  off_t at = 0;
  while (at < size) {
    const off_t data = ::lseek(memfd, at, SEEK_DATA);
    if (data < 0) break;  // ENXIO: nothing but a hole follows
    const off_t hole = ::lseek(memfd, data, SEEK_HOLE);
    for (at = data; at < hole;) {
      const auto part = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(hole - at));
      const ssize_t got = Try([&] { return ::pread(memfd, buffer.data(), part, at); });
      if (got <= 0) return ErrnoError("copy " + name);
      const auto length = static_cast<std::size_t>(got);
      if (Try([&] { return ::pwrite(copy.get(), buffer.data(), length, at); }) != got) {
        return ErrnoError("copy " + name);
      }
      at += got;
    }
  }
  return copy;
}

bool IsSealed(int fd) {
  const int seals = Try([=] { return ::fcntl(fd, F_GET_SEALS); });
  return seals >= 0 && (seals & kFixedSeal) == kFixedSeal;
}

SystemResult<Mapping> Mapping::Open(int fd, std::size_t most) {
  struct stat about{};
  if (Try([&] { return ::fstat(fd, &about); }) < 0) return LastErrno();
  const auto size = static_cast<std::size_t>(about.st_size);
  if (size == 0 || size > most) return std::unexpected(Errno{EFBIG});
  void* start = FailureIsDue() ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (start == MAP_FAILED) return LastErrno();
  return Mapping(std::span(static_cast<const std::byte*>(start), size));
}

Mapping::~Mapping() {
  if (bytes_.empty()) return;
  // munmap takes a pointer to what may be changed, though it changes nothing in it.
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace oxherd::os
