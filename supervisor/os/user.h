// Users and groups as the system's databases know them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

struct UserFacts {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  // all of the user's, `gid` among them
  std::string home;
  std::string shell;
};

// By name, or by number where no user has that name. A number that no user has is an error too. May
// block: the databases may be on the network. Source: getpwnam_r(3), getgrouplist(3).
[[nodiscard]] Result<UserFacts> FindUser(const std::string& name_or_id);

// A group's number, by name or number. As above. Source: getgrnam_r(3).
[[nodiscard]] Result<std::uint32_t> FindGroup(const std::string& name_or_id);

// While it lives this thread opens and makes files as that user, without root's rights over files.
// For root alone. Source: setfsuid(2), setgroups(2); both are made for this thread only.
// They nest.
class ActingAs {
 public:
  ActingAs(std::uint32_t uid, std::uint32_t gid, const std::vector<std::uint32_t>& groups);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;

  // Whether the kernel has done all of it. Where it has not, no process can become that user
  // either.
  [[nodiscard]] bool holds() const { return holds_; }

 private:
  std::uint32_t uid_before_ = 0;
  std::uint32_t gid_before_ = 0;
  std::vector<std::uint32_t> groups_before_;
  bool holds_ = false;
};

// fchown(2).
[[nodiscard]] SystemStatus GiveTo(const Fd& file, std::uint32_t uid, std::uint32_t gid);

// This thread opens files with root's rights.
[[nodiscard]] bool ActsAsRoot();

}  // namespace oxherd::os
