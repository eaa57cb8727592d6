// Users and groups as the system's databases know them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

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

}  // namespace oxherd::os
