// Reads a log with its time index: lines with who printed them and when, from the end of a file of
// any size, in memory and time that do not grow with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/fd.h"
#include "os/gzip_log.h"
#include "os/log_file.h"
#include "os/log_index.h"

namespace oxherd::os {

// Longer lines are cut into pieces of this size.
constexpr std::size_t kMaxLineBytes = std::size_t{64} * 1024;

struct LogLine {
  std::string text;          // without its newline; bytes as they are
  std::uint64_t offset = 0;  // of its first byte
  std::uint64_t end = 0;     // behind its newline
  enum class End : std::uint8_t {
    kNewline,
    kCut,   // longer than kMaxLineBytes: goes on in the next one
    kOpen,  // the last of the file, not ended yet
  };
  End ended_by = End::kNewline;
  std::optional<LogBurst> burst;  // nothing: the index does not know
};

// One log file, opened once: it goes on with that file when the name is given to another one.
class LogReader {
 public:
  // Blocks for the disk, as all its functions.
  [[nodiscard]] static Result<LogReader> Open(const std::string& path);
  // A rotated log, plain or compressed (os/gzip_log.h), by its plain name.
  [[nodiscard]] static Result<LogReader> OpenRotated(const std::string& path);

  // Of the file, which may be a compressed one.
  [[nodiscard]] const FileFacts& facts() const { return facts_; }
  // Whether both hold the same log, one of them perhaps compressed.
  [[nodiscard]] bool HasSameLog(const LogReader& other) const;
  // The size of the log now.
  [[nodiscard]] std::uint64_t Size() const;
  [[nodiscard]] const LogIndex& index() const { return index_; }
  // Looks for an index again: it may have been made since Open().
  void ReopenIndex();

  // The lines of the last block that ends at `end` (a line's end, or the file's), newest first, and
  // `next`: where the block before it ends; 0 when there is none. At least one line, unless `end`
  // is 0.
  struct Block {
    std::vector<LogLine> lines;
    std::uint64_t next = 0;
  };
  [[nodiscard]] Result<Block> ReadBack(std::uint64_t end);

  // The lines from `begin` (a line's begin) on, oldest first, one block at most. Without a newline
  // at the end: kOpen, and the caller asks for it again when there is more. Empty: nothing there.
  [[nodiscard]] Result<std::vector<LogLine>> ReadOn(std::uint64_t begin);

  // The newest lines that `wanted` takes, oldest first: at most `count`, found in the last `bytes`
  // bytes. `wanted` sees them newest first and ends the search with kEnough.
  enum class Take : std::uint8_t { kYes, kNo, kEnough };
  [[nodiscard]] Result<std::vector<LogLine>> LastLines(
      std::size_t count, std::uint64_t bytes, const std::function<Take(const LogLine&)>& wanted);

  // The burst that the byte at this offset belongs to.
  [[nodiscard]] std::optional<LogBurst> BurstAt(std::uint64_t offset);

 private:
  [[nodiscard]] SystemResult<std::size_t> Read(std::uint64_t offset, std::span<char> buffer);
  // Of the log itself, whatever file it is in.
  [[nodiscard]] std::uint64_t log_inode() const;

  std::string path_;
  Fd file_;
  std::optional<GzipLog> gzip_;
  FileFacts facts_;
  LogIndex index_;
  // The burst found last, and up to where it reaches (0: it was the last of `found_count_`): lines
  // are asked for one after the other.
  std::optional<LogBurst> found_;
  std::uint64_t found_end_ = 0;
  std::uint64_t found_count_ = 0;
};

}  // namespace oxherd::os
