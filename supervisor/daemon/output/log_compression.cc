#include "daemon/output/log_compression.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>

#include "os/file.h"
#include "os/gzip_log.h"
#include "os/log_file.h"

namespace oxherd {
namespace {

constexpr std::uint64_t kFirstCompressed = 2;
// Services come first.
constexpr int kNiceness = 10;

std::string FolderOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// Somebody removed it: nobody wants it any more.
bool IsGone(const os::Fd& file) {
  struct stat status{};
  return fstat(file.get(), &status) != 0 || status.st_nlink == 0;
}

}  // namespace

// A plain file that is to be compressed.
struct LogCompression::Chosen {
  std::uint64_t number = 0;  // when it was found
  os::Fd file;
  os::FileFacts facts;
};

namespace {

// Under which number this file is now; nothing: it is gone.
std::optional<std::uint64_t> NumberOf(const std::string& path, const os::FileFacts& facts) {
  for (const std::uint64_t number : RotatedNumbers(path)) {
    const auto there = os::FactsOf(RotatedPath(path, number));
    if (there && there->SameFile(facts)) return number;
  }
  return std::nullopt;
}

}  // namespace

LogCompression::LogCompression(Trouble trouble) : trouble_(std::move(trouble)) {}

LogCompression::~LogCompression() { is_ending_ = true; }

void LogCompression::LookAfter(const std::string& path, const LogRules& rules) {
  const bool is_begun = os::FactsOf(PartialGzipPath(path)).has_value();
  const bool is_wanted =
      rules.compress && os::FactsOf(RotatedPath(path, kFirstCompressed)).has_value();
  if (!is_begun && !is_wanted) return;
  if (!thread_) {
    auto started = Background::Start("oxherd-gzip");
    if (!started) return trouble_(std::move(started).error().message + "; logs stay uncompressed");
    thread_ = std::move(*started);
    thread_->Post([] { (void)setpriority(PRIO_PROCESS, 0, kNiceness); });  // of this thread alone
  }
  thread_->Post([this, path, rules] { Compress(path, rules); });
}

void LogCompression::Compress(const std::string& path, const LogRules& rules) {
  const Writing writing(rules.writer);
  (void)unlink(PartialGzipPath(path).c_str());  // of a daemon that was killed
  std::set<std::uint64_t> left_alone;           // inodes
  while (rules.compress && !is_ending_) {
    // The oldest first: it is the last to get another name.
    std::optional<Chosen> chosen;
    for (const std::uint64_t number : RotatedNumbers(path)) {
      if (number < kFirstCompressed || (chosen && number < chosen->number)) continue;
      constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
      os::Fd file(open(RotatedPath(path, number).c_str(), kFlags));
      if (!file || !os::IsRegularFile(file)) continue;
      const auto facts = os::FactsOf(file);
      if (!facts || left_alone.contains(facts->inode)) continue;
      chosen = Chosen{.number = number, .file = std::move(file), .facts = *facts};
    }
    if (!chosen) return;
    left_alone.insert(chosen->facts.inode);
    if (auto done = CompressOne(path, rules, *chosen); done) {
      troubled_.erase(path);
    } else {
      (void)unlink(PartialGzipPath(path).c_str());
      const bool is_no_trouble = is_ending_ || IsGone(chosen->file);
      if (is_no_trouble || !troubled_.insert(path).second) return;
      return trouble_("compress log \"" + RotatedPath(path, chosen->number) +
                      "\": " + done.error().message + "; it stays as it is");
    }
  }
}

Status LogCompression::CompressOne(const std::string& path, const LogRules& rules,
                                   const Chosen& chosen) {
  const std::string part = PartialGzipPath(path);
  OXHERD_TRY_ASSIGN(const os::Fd gzip, os::OpenLogFile(part));
  if (auto emptied = os::CutTo(gzip, 0); !emptied) return os::ToError(part, emptied.error());
  GrantAccess(gzip, rules);
  const auto goes_on = [&] { return !is_ending_ && !IsGone(chosen.file); };
  if (auto packed = os::CompressLog(chosen.file, gzip, goes_on); !packed) {
    return os::ToError(part, packed.error());
  }
  {
    const std::lock_guard lock(names_);
    const auto number = NumberOf(path, chosen.facts);
    if (!number) return MakeError("it is gone");
    const std::string place = os::GzipPath(RotatedPath(path, *number));
    if (std::rename(part.c_str(), place.c_str()) != 0) return ErrnoError("rename to " + place);
  }
  OXHERD_TRY(os::SyncDirectory(FolderOf(path)));
  const std::lock_guard lock(names_);
  const auto number = NumberOf(path, chosen.facts);
  if (!number) return {};
  const std::string plain = RotatedPath(path, *number);
  if (os::FactsOf(os::GzipPath(plain)) && unlink(plain.c_str()) != 0) {
    return ErrnoError("remove " + plain);
  }
  return {};
}

}  // namespace oxherd
