// Descriptors: one owner each, close-on-exec from the call that made them; pipes and memfds.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "os/system_call.h"

namespace oxherd::os {

// Owns one descriptor, or none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Reset(); }

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] explicit operator bool() const { return number_ >= 0; }
  // The number, which is the caller's to close from now on.
  [[nodiscard]] int Release() { return std::exchange(number_, -1); }
  // Closes what is owned, if anything, and owns `number`. errno stays as it is.
  void Reset(int number = -1);

 private:
  int number_ = -1;
};

// F_DUPFD_CLOEXEC: a duplicate numbered `at_least` or higher.
[[nodiscard]] SystemResult<Fd> Duplicate(int fd, int at_least = 3);

// The same file through a new open file description (/proc/self/fd/N, proc(5)); O_CLOEXEC is added.
// For a pipe: either end from the other.
[[nodiscard]] SystemResult<Fd> OpenAnew(int fd, int flags);

// The path that the kernel shows for an open file; empty if it shows none.
[[nodiscard]] std::string PathOfOpen(int fd);

struct Pipe {
  Fd read_end;
  Fd write_end;
};
enum class PipeReading { kBlocks, kDoesNotBlock };
// pipe2(2). `reading` is about the read end alone: the write end always blocks.
[[nodiscard]] SystemResult<Pipe> MakePipe(PipeReading reading);

// How many bytes a pipe can hold. F_GETPIPE_SZ, fcntl(2).
[[nodiscard]] SystemResult<std::size_t> PipeRoom(int pipe);
// EBUSY: it holds more. EPERM: a user without privilege has too much in pipes already. Nothing that
// is in it is lost. F_SETPIPE_SZ, fcntl(2).
[[nodiscard]] SystemStatus SetPipeRoom(int pipe, std::size_t bytes);

// memfd_create(2), empty, growing, not sealed. The name only shows in /proc.
[[nodiscard]] Result<Fd> MakeMemfd(const std::string& name);
// Another memfd with the same contents; what is a hole stays one.
[[nodiscard]] Result<Fd> CopyMemfd(int memfd, const std::string& name);
// A memfd that holds `bytes` and can never change again (F_SEAL_*, fcntl(2)).
[[nodiscard]] Result<Fd> MakeSealedMemfd(const std::string& name, std::span<const std::byte> bytes);
// True if it is a memfd that can neither be written nor change its size.
[[nodiscard]] bool IsSealed(int fd);

// Sets or clears O_NONBLOCK of the open file description.
enum class Blocking { kBlocks, kDoesNotBlock };
[[nodiscard]] SystemStatus SetBlocking(int fd, Blocking blocking);

// A file mapped for reading, private to us.
class Mapping {
 public:
  // mmap(2) of the whole file; an empty or larger one than `most` bytes fails with EFBIG.
  [[nodiscard]] static SystemResult<Mapping> Open(int fd, std::size_t most);
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit Mapping(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace oxherd::os
