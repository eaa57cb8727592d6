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
#include "os/log_file.h"
#include "os/log_index.h"

namespace oxherd {
namespace {

std::string NameOf(const std::string& path, std::uint64_t number) {
  return path + "." + std::to_string(number);
}

bool Exists(const std::string& path) {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0;
}

Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoError("rename log \"" + from + "\" to \"" + to + "\"");
  }
  // The index may be missing; then a stale one under the new name is foreign by its inode.
  (void)rename(os::LogIndexPath(from).c_str(), os::LogIndexPath(to).c_str());
  return {};
}

void Remove(const std::string& path) {
  (void)unlink(path.c_str());
  (void)unlink(os::LogIndexPath(path).c_str());
}

// "7" -> 7; nothing for what is no number that a rotation gives.
std::optional<std::uint64_t> RotationNumber(std::string_view text) {
  const auto number = ParseNumber<std::uint64_t>(text);
  return number == 0U ? std::nullopt : number;
}

// The numbers of all rotated files of this log.
std::vector<std::uint64_t> RotatedNumbers(const std::string& path) {
  std::vector<std::uint64_t> numbers;
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string prefix = (slash == std::string::npos ? path : path.substr(slash + 1)) + ".";
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), &closedir);
  if (!entries) return numbers;
  while (const dirent* entry = readdir(entries.get())) {  // NOLINT(concurrency-mt-unsafe): own DIR
    std::string_view name(entry->d_name);
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    if (const auto number = RotationNumber(name)) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

Writing::Writing(const std::optional<RunAs>& writer) {
  if (writer) acting_.emplace(writer->uid, writer->gid, writer->groups);
}

void GrantAccess(const os::Fd& log, const LogRules& rules) {
  if (rules.access == os::LogAccess{}) return;
  os::GrantAccess(log, rules.access, rules.writer ? rules.writer->uid : ::geteuid());
}

Status RotateLog(const std::string& path, const LogRules& rules) {
  std::uint64_t gap = 1;
  while (Exists(NameOf(path, gap)) && (rules.max_files == 0 || gap < rules.max_files)) ++gap;
  // Here nothing is called path.gap, or it is the oldest one, which goes.
  for (std::uint64_t number = gap; number > 1; --number) {
    OXHERD_TRY(Rename(NameOf(path, number - 1), NameOf(path, number)));
  }
  return Rename(path, NameOf(path, 1));
}

void PruneRotated(const std::string& path, const LogRules& rules, WallTime now) {
  if (rules.max_files == 0 && rules.max_days == 0) return;
  for (const std::uint64_t number : RotatedNumbers(path)) {
    const std::string name = NameOf(path, number);
    const bool surplus = rules.max_files != 0 && number > rules.max_files;
    bool aged = false;
    if (!surplus && rules.max_days != 0) {
      const auto facts = os::FactsOf(name);
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
      std::string name = NameOf(path, number);
      const auto facts = os::FactsOf(name);
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
