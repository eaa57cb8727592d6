// Rotation: gives a full log the name `x.log.1`, moves older ones up by one, drops the oldest.
//
// The names say all: a crash between two steps leaves a gap in the numbers, which the next rotation
// fills. Time indexes (os/log_index.h) move along; one that is left behind is recognised by its
// inode and ignored. A rotated log may be compressed (daemon/output/log_compression.h):
// `x.log.3.gz`, and for a moment both; it counts once.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "core/spec.h"
#include "os/acting_as.h"
#include "os/log_file.h"

namespace oxherd {

// How much is kept of one log. 0 = no limit.
struct LogRules {
  std::uint64_t max_bytes = 0;       // of one file; kept to at line ends where there are any
  std::uint16_t max_files = 0;       // rotated ones
  std::uint16_t max_days = 0;        // of age
  bool compress = false;             // rotated ones
  std::optional<RunAs> writer = {};  // with whose rights it is opened and renamed; unset: ours
  os::LogAccess access = {};         // who else may read it; as it is, unless the Oxfile says so

  friend bool operator==(const LogRules&, const LogRules&) = default;
};

// While it lives this thread opens and renames logs with the rights of their writer.
class Writing {
 public:
  explicit Writing(const std::optional<RunAs>& writer);

 private:
  std::optional<os::ActingAs> acting_;
};

// Lets those read the log who may by its rules, where these say more than that it is private.
void GrantAccess(const os::Fd& log, const LogRules& rules);

// "x.log.3"; compressed, it has ".gz" behind that.
[[nodiscard]] std::string RotatedPath(const std::string& path, std::uint64_t number);
// What is being compressed, of this log.
[[nodiscard]] std::string PartialGzipPath(const std::string& path);
// The numbers of all rotated files of this log, plain or compressed, in no order.
[[nodiscard]] std::vector<std::uint64_t> RotatedNumbers(const std::string& path);

// Renames: afterwards nothing is called `path`. Blocks for the disk. An error leaves every line
// readable under some name.
[[nodiscard]] Status RotateLog(const std::string& path, const LogRules& rules);

// Removes rotated files beyond the rules, however many there are. What cannot be removed stays.
void PruneRotated(const std::string& path, const LogRules& rules, WallTime now);

// Removes rotated files, the oldest first, until all these logs together have at most `max_bytes`,
// or nothing but the files in use is left. Blocks for the disk.
void KeepTotal(const std::set<std::string>& paths, std::uint64_t max_bytes);

}  // namespace oxherd
