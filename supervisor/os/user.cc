#include "os/user.h"

#include <grp.h>
#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/number.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kMaxEntry = std::size_t{1} << 20;
constexpr int kMaxGroups = 65'536;

std::optional<std::uint32_t> NumberIn(std::string_view text) {
  const auto number = ParseNumber<std::uint32_t>(text);
  // All ones means "leave it as it is" to setresuid(2).
  return number == ~0U ? std::nullopt : number;
}

// Calls with a buffer that grows as long as it is too small; the errno, 0 where there is an entry
// or none.
template <typename Call>
int WithBuffer(std::vector<char>& buffer, Call call) {
  buffer.resize(16'384);
  for (;;) {
    const int number = call();
    if (number != ERANGE || buffer.size() >= kMaxEntry) return number;
    buffer.resize(buffer.size() * 4);
  }
}

// What getpw*_r say where there is no such entry, besides 0 (getpwnam(3), NOTES).
bool MeansNone(int number) {
  return number == 0 || number == ENOENT || number == ESRCH || number == EBADF || number == EPERM;
}

std::vector<std::uint32_t> GroupsOf(const passwd& entry) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
    if (count > kMaxGroups || static_cast<std::size_t>(count) <= groups.size()) break;
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

}  // namespace

Result<UserFacts> FindUser(const std::string& name_or_id) {
  std::vector<char> buffer;
  passwd entry{};
  passwd* found = nullptr;
  int number = WithBuffer(buffer, [&] {
    return ::getpwnam_r(name_or_id.c_str(), &entry, buffer.data(), buffer.size(), &found);
  });
  const auto id = NumberIn(name_or_id);
  if (found == nullptr && MeansNone(number) && id) {
    number = WithBuffer(
        buffer, [&] { return ::getpwuid_r(*id, &entry, buffer.data(), buffer.size(), &found); });
  }
  if (found == nullptr) {
    if (!MeansNone(number)) return ErrnoError("look up the user \"" + name_or_id + "\"", number);
    return MakeError("there is no user \"" + name_or_id + "\" on this machine");
  }
  return UserFacts{.name = entry.pw_name,
                   .uid = entry.pw_uid,
                   .gid = entry.pw_gid,
                   .groups = GroupsOf(entry),
                   .home = entry.pw_dir,
                   .shell = entry.pw_shell};
}

Result<std::uint32_t> FindGroup(const std::string& name_or_id) {
  std::vector<char> buffer;
  group entry{};
  group* found = nullptr;
  int number = WithBuffer(buffer, [&] {
    return ::getgrnam_r(name_or_id.c_str(), &entry, buffer.data(), buffer.size(), &found);
  });
  const auto id = NumberIn(name_or_id);
  if (found == nullptr && MeansNone(number) && id) {
    number = WithBuffer(
        buffer, [&] { return ::getgrgid_r(*id, &entry, buffer.data(), buffer.size(), &found); });
  }
  if (found != nullptr) return entry.gr_gid;
  if (!MeansNone(number)) return ErrnoError("look up the group \"" + name_or_id + "\"", number);
  return MakeError("there is no group \"" + name_or_id + "\" on this machine");
}

}  // namespace oxherd::os
