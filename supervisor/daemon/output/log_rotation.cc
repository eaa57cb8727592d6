#include "daemon/output/log_rotation.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/number.h"
#include "os/gzip_log.h"
#include "os/log_file.h"
#include "os/log_index.h"

namespace oxherd {
namespace {

bool IsThere(const std::string& path) {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0;
}

// Plain or compressed.
bool Exists(const std::string& path) { return IsThere(path) || IsThere(os::GzipPath(path)); }

Status RenameOne(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return ErrnoError("rename log \"" + from + "\" to \"" + to + "\"");
}

// Beside the log itself, "x.log.gz" would be somebody else's.
enum class Forms : std::uint8_t { kPlain, kAny };

Status Rename(const std::string& from, const std::string& to, Forms forms) {
  const std::string packed = os::GzipPath(from);
  const bool is_packed = forms == Forms::kAny && IsThere(packed);
  if (!is_packed || IsThere(from)) OXHERD_TRY(RenameOne(from, to));
  if (is_packed) OXHERD_TRY(RenameOne(packed, os::GzipPath(to)));
  // The index may be missing; then a stale one under the new name is foreign by its inode.
  (void)std::rename(os::LogIndexPath(from).c_str(), os::LogIndexPath(to).c_str());
  return {};
}

void Remove(const std::string& path) {
  (void)unlink(path.c_str());
  (void)unlink(os::GzipPath(path).c_str());
  (void)unlink(os::LogIndexPath(path).c_str());
}

// "7" and "7.gz" -> 7; nothing for what is no number that a rotation gives.
std::optional<std::uint64_t> RotationNumber(std::string_view text) {
  if (text.ends_with(".gz")) text.remove_suffix(3);
  const auto number = ParseNumber<std::uint64_t>(text);
  return number == 0U ? std::nullopt : number;
}

// Of the plain file and the compressed one, where both are there.
std::optional<os::FileFacts> FactsOfRotated(const std::string& path) {
  const auto plain = os::FactsOf(path);
  const auto packed = os::FactsOf(os::GzipPath(path));
  if (!plain && !packed) return std::nullopt;
  os::FileFacts facts = plain ? *plain : *packed;
  if (plain && packed) facts.size += packed->size;
  return facts;
}

}  // namespace

std::string RotatedPath(const std::string& path, std::uint64_t number) {
  return path + "." + std::to_string(number);
}

std::string PartialGzipPath(const std::string& path) { return path + ".gz.part"; }

std::vector<std::uint64_t> RotatedNumbers(const std::string& path) {
  std::set<std::uint64_t> numbers;
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string prefix = (slash == std::string::npos ? path : path.substr(slash + 1)) + ".";
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), &closedir);
  if (!entries) return {};
  while (const dirent* entry = readdir(entries.get())) {  // NOLINT(concurrency-mt-unsafe): own DIR
    std::string_view name(entry->d_name);
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    if (const auto number = RotationNumber(name)) numbers.insert(*number);
  }
  return {numbers.begin(), numbers.end()};
}

Writing::Writing(const std::optional<RunAs>& writer) {
  if (writer) acting_.emplace(writer->uid, writer->gid, writer->groups);
}

void GrantAccess(const os::Fd& log, const LogRules& rules) {
  if (rules.access == os::LogAccess{}) return;
  os::GrantAccess(log, rules.access, rules.writer ? rules.writer->uid : ::geteuid());
}

Status RotateLog(const std::string& path, const LogRules& rules) {
  std::uint64_t gap = 1;
  while (Exists(RotatedPath(path, gap)) && (rules.max_files == 0 || gap < rules.max_files)) ++gap;
  // Here nothing is called path.gap, or it is the oldest one, which goes.
  Remove(RotatedPath(path, gap));
  for (std::uint64_t number = gap; number > 1; --number) {
    OXHERD_TRY(Rename(RotatedPath(path, number - 1), RotatedPath(path, number), Forms::kAny));
  }
  return Rename(path, RotatedPath(path, 1), Forms::kPlain);
}

void PruneRotated(const std::string& path, const LogRules& rules, WallTime now) {
  if (rules.max_files == 0 && rules.max_days == 0) return;
  for (const std::uint64_t number : RotatedNumbers(path)) {
    const std::string name = RotatedPath(path, number);
    const bool surplus = rules.max_files != 0 && number > rules.max_files;
    bool aged = false;
    if (!surplus && rules.max_days != 0) {
      const auto facts = FactsOfRotated(name);
      aged = facts && now - facts->modified > std::chrono::days(rules.max_days);
    }
    if (surplus || aged) Remove(name);
  }
}

void KeepTotal(const std::set<std::string>& paths, std::uint64_t max_bytes) {
  struct Rotated {
    std::string name;
    std::uint64_t bytes = 0;
    WallTime modified;
    std::uint64_t number = 0;
  };
  std::vector<Rotated> rotated;
  std::uint64_t total = 0;
  for (const std::string& path : paths) {
    if (const auto facts = os::FactsOf(path)) total += facts->size;
    for (const std::uint64_t number : RotatedNumbers(path)) {
      std::string name = RotatedPath(path, number);
      const auto facts = FactsOfRotated(name);
      if (!facts) continue;
      total += facts->size;
      rotated.push_back({std::move(name), facts->size, facts->modified, number});
    }
  }
  // The clock of files is coarse: of one log the higher number is the older.
  std::ranges::sort(rotated, [](const Rotated& one, const Rotated& other) {
    if (one.modified != other.modified) return one.modified < other.modified;
    return one.number > other.number;
  });
  for (const Rotated& oldest : rotated) {
    if (total <= max_bytes) return;
    Remove(oldest.name);
    total -= oldest.bytes;
  }
}

}  // namespace oxherd
