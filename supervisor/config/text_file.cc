#include "config/text_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "config/oxfile.h"

namespace oxherd {

namespace {

class OpenFile {
 public:
  explicit OpenFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> SystemError(int number) {
  return std::unexpected(Error{ErrnoText(number), number});
}

Status CheckKind(const struct stat& facts) {
  if (S_ISREG(facts.st_mode)) return {};
  if (S_ISDIR(facts.st_mode)) return MakeError("is a directory, not a file");
  if (S_ISFIFO(facts.st_mode)) return MakeError("is a FIFO, not a regular file");
  return MakeError("is not a regular file");
}

}  // namespace

Result<std::string> ReadTextFile(const std::string& path) {
  if (path.contains('\0')) return MakeError("a path cannot hold a NUL character");
  const OpenFile file(path);
  if (file.fd() < 0) return SystemError(errno);
  struct stat facts{};
  if (fstat(file.fd(), &facts) != 0) return SystemError(errno);
  OXHERD_TRY(CheckKind(facts));

  std::string text;
  while (text.size() <= kMaxConfigBytes) {
    constexpr std::size_t kChunk = std::size_t{64} * 1024;
    const std::size_t before = text.size();
    text.resize(before + kChunk);
    const ssize_t count = read(file.fd(), text.data() + before, kChunk);
    const int number = errno;
    text.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
    if (count < 0 && number != EINTR) return SystemError(number);
    if (count == 0) return text;
  }
  return MakeError(
      fmt::format("is larger than {} MiB; this is no configuration", kMaxConfigBytes >> 20U));
}

}  // namespace oxherd
