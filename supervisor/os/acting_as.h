// A thread of root's that opens and makes files as somebody else.
#pragma once

#include <cstdint>
#include <vector>

#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

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
