// The time index beside each log (`x.log.idx`): when, and by whom, each burst of bytes was printed.
//
// The log itself stays raw; `logs` shows times, merges and cuts by time through the index. It is a
// file of records of one size. The first names the log it belongs to (by inode), each other one
// says from which offset of the log on the bytes are whose. Records are only appended, their
// offsets never go back, each checks itself. A log whose index is missing, foreign or broken is
// still readable, only without times. The daemon writes it (LogIndexWriter), CLI and daemon read it
// (LogIndex).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "os/fd.h"

namespace oxherd::os {

enum class LogStream : std::uint8_t { kOut, kErr };

// "<logs>/api/0.out.log", "….err.log": where output goes unless the Oxfile says otherwise.
[[nodiscard]] std::string DefaultLogPath(std::string_view logs_directory,
                                         const InstanceId& instance, LogStream stream);

// "x.log.idx" for "x.log", and "x.log.1.idx" for the rotated "x.log.1".
[[nodiscard]] std::string LogIndexPath(std::string_view log_path);

// A service in an index: 32 bits of a hash of its name, to tell apart those that share a file.
[[nodiscard]] std::uint32_t ServiceMark(std::string_view service);

// This boot: 32 bits of a hash of the kernel's boot id; 0 if there is none. Monotonic times compare
// only within one boot. Source: proc(5), /proc/sys/kernel/random/boot_id.
[[nodiscard]] std::uint32_t BootMark();

// Who printed a burst, and when it was moved to the log.
struct LogBurst {
  std::uint64_t offset = 0;  // in the log; up to the next record's
  LogStream stream = LogStream::kOut;
  SlotIndex slot = 0;
  Generation generation;
  Token token;
  std::uint32_t service = 0;  // ServiceMark
  std::uint32_t boot = 0;     // BootMark
  WallTime wall{};
  Instant monotonic{};

  friend bool operator==(const LogBurst&, const LogBurst&) = default;
};

constexpr std::size_t kLogRecordBytes = 56;
using LogRecordBytes = std::array<std::byte, kLogRecordBytes>;

[[nodiscard]] LogRecordBytes EncodeBurst(const LogBurst& burst);
// The record at the head of an index, for the log with this inode.
[[nodiscard]] LogRecordBytes EncodeIndexHead(std::uint64_t inode, WallTime created);
// Nothing for bytes that are no burst, whatever they are.
[[nodiscard]] std::optional<LogBurst> DecodeBurst(std::span<const std::byte> bytes);
struct LogIndexHead {
  std::uint64_t inode = 0;
  WallTime created{};
};
[[nodiscard]] std::optional<LogIndexHead> DecodeIndexHead(std::span<const std::byte> bytes);

// Reads an index where it is; memory does not grow with its size.
class LogIndex {
 public:
  LogIndex() = default;
  // The index of the log at `log_path`, which is the file with this inode. One that is missing,
  // foreign or unreadable is empty: reading never fails. Blocks for the disk.
  [[nodiscard]] static LogIndex Open(std::string_view log_path, std::uint64_t inode);

  // How many bursts there are now (it may grow while it is read).
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  // Nothing for one that is broken.
  [[nodiscard]] std::optional<LogBurst> At(std::uint64_t position) const;

  // The position of the burst that the byte at `offset` belongs to; nothing if that is not known.
  [[nodiscard]] std::optional<std::uint64_t> FindOffset(std::uint64_t offset) const;
  // The first burst at or after `wall`; count() if there is none. A clock that was set back in
  // between makes it one of several that fit.
  [[nodiscard]] std::uint64_t FindTime(WallTime wall) const;

 private:
  // `position`, or the nearest one before it, that is not broken.
  [[nodiscard]] std::optional<std::uint64_t> SoundAtOrBefore(std::uint64_t position,
                                                             LogBurst& burst) const;
  Fd file_;
  std::uint64_t inode_ = 0;
};

// Appends to an index. A failure to write stops it until the next Open: the log matters more.
class LogIndexWriter {
 public:
  LogIndexWriter() = default;
  // Opens or makes the index of a log (0600, O_NOFOLLOW). What belongs to another inode, reaches
  // beyond the log's size or does not end in a sound record is begun anew.
  static Result<LogIndexWriter> Open(std::string_view log_path, std::uint64_t inode,
                                     std::uint64_t log_size, WallTime now);

  [[nodiscard]] bool is_open() const { return file_.get() >= 0; }
  [[nodiscard]] const Fd& file() const { return file_; }
  // When the log was begun, as far as the index knows.
  [[nodiscard]] WallTime created() const { return created_; }

  // Notes that from burst.offset on bytes are of that burst. Left out, at no loss but of time
  // resolution: one within kFinest of the last by the same source; and any while the index is
  // larger than kSlack plus the log itself.
  static constexpr Duration kFinest = Millis(1);
  static constexpr std::uint64_t kSlack = std::uint64_t{256} * 1024;
  void Note(const LogBurst& burst);

 private:
  Fd file_;
  std::uint64_t size_ = 0;
  WallTime created_{};
  std::optional<LogBurst> last_;
};

}  // namespace oxherd::os
