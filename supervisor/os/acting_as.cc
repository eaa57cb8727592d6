#include "os/acting_as.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>

namespace oxherd::os {
namespace {

long SetOwnGroups(const std::vector<std::uint32_t>& groups) {
  // The system call, not the library's: that one sets all threads.
  return ::syscall(SYS_setgroups, groups.size(), groups.data());
}

}  // namespace

ActingAs::ActingAs(std::uint32_t uid, std::uint32_t gid, const std::vector<std::uint32_t>& groups) {
  const int count = std::max(::getgroups(0, nullptr), 0);
  groups_before_.resize(static_cast<std::size_t>(count));
  const bool knows_groups = ::getgroups(count, groups_before_.data()) == count;
  const bool has_groups = knows_groups && SetOwnGroups(groups) == 0;
  gid_before_ = static_cast<std::uint32_t>(::setfsgid(gid));
  uid_before_ = static_cast<std::uint32_t>(::setfsuid(uid));
  // They do not say whether they have; asked with what nobody has, they say what is set.
  holds_ = has_groups && ::setfsgid(static_cast<gid_t>(-1)) == static_cast<int>(gid) &&
           ::setfsuid(static_cast<uid_t>(-1)) == static_cast<int>(uid);
}

ActingAs::~ActingAs() {
  ::setfsuid(uid_before_);
  ::setfsgid(gid_before_);
  (void)SetOwnGroups(groups_before_);
}

SystemStatus GiveTo(const Fd& file, std::uint32_t uid, std::uint32_t gid) {
  if (Try([&] { return ::fchown(file.get(), uid, gid); }) != 0) return LastErrno();
  return {};
}

bool ActsAsRoot() { return ::setfsuid(static_cast<uid_t>(-1)) == 0; }

}  // namespace oxherd::os
