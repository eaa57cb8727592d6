// A rotated log as a gzip file that can be read from any place of it.
//
// It is a row of gzip members, each of at most 64 KiB of the log, so that zcat(1) reads it as a
// whole and we only what is asked for. Each member names, in the extra field of its header
// (RFC 1952, 2.3.1.1: "OX"), its own length, how much of the log it holds, and the inode of the
// file that was compressed: the log's time index (os/log_index.h) goes on by that, and stays where
// it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

// How much of a log is in one member: what a reader has in memory at a time.
constexpr std::size_t kGzipMemberBytes = std::size_t{64} * 1024;

// "x.log.2.gz" for "x.log.2".
[[nodiscard]] std::string GzipPath(const std::string& log_path);

// Writes what is in `log` into `gzip`, which is empty, gives it the same time of change, and waits
// until it is on the disk (fsync(2)). Needs some 400 KiB, whatever the log's size. Asks `goes_on`
// before each member; false: it ends with ECANCELED. A log that changes meanwhile: EAGAIN. Blocks
// for the disk. Source: zlib's deflate(3).
[[nodiscard]] SystemStatus CompressLog(const Fd& log, const Fd& gzip,
                                       const std::function<bool()>& goes_on);

class GzipLog {
 public:
  // Reads the members' headers, not what is in them. A file that CompressLog() has not made, or not
  // finished, is an error: EBADMSG. Blocks for the disk.
  [[nodiscard]] static SystemResult<GzipLog> Open(const Fd& file);

  // Of the log that was compressed.
  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] std::uint64_t log_inode() const { return log_inode_; }

  // As ReadAt() in os/log_file.h, of the log that is in `file`; keeps the member that was read
  // last. Damaged: EBADMSG.
  [[nodiscard]] SystemResult<std::size_t> ReadAt(const Fd& file, std::uint64_t offset,
                                                 std::span<char> buffer);

 private:
  struct Member {
    std::uint64_t at = 0;      // in the gzip file
    std::uint64_t begin = 0;   // in the log
    std::uint32_t length = 0;  // in the gzip file
    std::uint32_t size = 0;    // in the log
  };
  [[nodiscard]] SystemStatus Unpack(const Fd& file, const Member& member);

  std::vector<Member> members_;
  std::uint64_t log_inode_ = 0;
  std::vector<char> unpacked_;
  std::uint64_t unpacked_begin_ = 0;
};

}  // namespace oxherd::os
