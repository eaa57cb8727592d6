#include "keeper/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "os/file.h"

namespace oxherd::keeper {
namespace {

// Blocks of processes and of held descriptors take turns; what was never written is a hole.
constexpr std::size_t kMostBytes = std::size_t{32} << 20;

std::string PathIn(const std::string& runtime) { return runtime + "/" + kJournalName; }
std::string MarkIn(const std::string& state) { return state + "/keeper.running"; }
std::string NewPathIn(const std::string& runtime) { return PathIn(runtime) + ".new"; }

}  // namespace

Result<std::optional<Estate>> Journal::Read(const std::string& runtime) {
  const std::string path = PathIn(runtime);
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::nullopt;
  OXHERD_TRY_ASSIGN(const std::string bytes, os::ReadFile(path, kMostBytes));
  Result<Estate> estate = DecodeEstate(std::as_bytes(std::span(bytes)));
  if (!estate) return std::unexpected(std::move(estate).error().In(path));
  return std::move(*estate);
}

bool Journal::WasLeft(const std::string& state) {
  return ::access(MarkIn(state).c_str(), F_OK) == 0;
}

Status Journal::Begin(const Preamble& preamble) {
  const std::string path = NewPathIn(runtime_);
  ::unlink(path.c_str());
  file_.Reset(os::Try([&] {
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  }));
  if (!file_) return ErrnoError(path);
  PreambleBytes bytes;
  Encode(preamble, bytes);
  if (::pwrite(file_.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return ErrnoError("write " + path);
  }
  return {};
}

Status Journal::Publish() {
  if (::rename(NewPathIn(runtime_).c_str(), PathIn(runtime_).c_str()) != 0) {
    return ErrnoError("rename " + NewPathIn(runtime_));
  }
  // For when somebody clears the runtime directory away. Without it that is all that is missed.
  const os::Fd mark(os::Try([&] {
    return ::open(MarkIn(state_).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  }));
  return {};
}

void Journal::Put(std::uint64_t number, const Block& block) {
  if (!file_) return;
  const auto at = static_cast<off_t>(kPreambleBytes + number * kBlockBytes);
  const ssize_t written =
      os::Try([&] { return ::pwrite(file_.get(), block.data(), block.size(), at); });
  static_cast<void>(written);  // see Write()
}

void Journal::Write(Place place, const LeftProcess& process) {
  Block block;
  Encode(process, block);
  Put(std::uint64_t{place} * 2, block);
}

void Journal::WriteFree(Place place, Token last) {
  Block block;
  EncodeFree(last, block);
  Put(std::uint64_t{place} * 2, block);
}

void Journal::WriteHeld(Place place, const LeftHeld& held) {
  Block block;
  Encode(held, block);
  Put(std::uint64_t{place} * 2 + 1, block);
}

void Journal::WriteHeldFree(Place place) {
  Block block;
  EncodeFree(Token(), block);
  Put(std::uint64_t{place} * 2 + 1, block);
}

bool Journal::IsMissing() const {
  struct stat ours{};
  struct stat found{};
  if (!file_ || ::fstat(file_.get(), &ours) != 0) return true;
  if (::lstat(PathIn(runtime_).c_str(), &found) != 0) return true;
  return ours.st_ino != found.st_ino || ours.st_dev != found.st_dev;
}

void Journal::Remove() {
  file_.Reset();
  ::unlink(PathIn(runtime_).c_str());
  ::unlink(NewPathIn(runtime_).c_str());
  ::unlink(MarkIn(state_).c_str());
}

}  // namespace oxherd::keeper
