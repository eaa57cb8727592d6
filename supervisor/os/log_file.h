// A log file and the pipe that feeds it: opened without following links, filled by splice(2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace oxherd::os {

// Which file a path names, and how long it is.
struct FileFacts {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  WallTime modified{};

  [[nodiscard]] bool SameFile(const FileFacts& other) const {
    return device == other.device && inode == other.inode;
  }
};

// Of the file at `path` itself, never of what a link there points to. stat(2).
[[nodiscard]] Result<FileFacts> FactsOf(const std::string& path);
[[nodiscard]] Result<FileFacts> FactsOf(const Fd& file);

// Who may read a log besides its writer. A folder that is made for it lets the same people in.
struct LogAccess {
  std::uint16_t mode = 0600;           // of the file
  std::optional<std::uint32_t> group;  // unset: the writer's own
  friend bool operator==(const LogAccess&, const LogAccess&) = default;
};

// Opens a log for reading and writing; makes it (0600) and its folders (0700) where they are
// missing. Refused: a link, a folder, anything that is no regular file but /dev/null. Under root
// also a file of another user, and a path through a folder that another user can change: he could
// put a link to /etc/passwd there. The error says `open log "PATH": why`. Blocks for the disk.
[[nodiscard]] Result<Fd> OpenLogFile(const std::string& path);

// The same, for two files at once that are often in one folder: the way there is gone once. Where
// both paths are the same, `second` is empty.
struct LogFiles {
  Fd first;
  Fd second;
};
[[nodiscard]] Result<LogFiles> OpenLogFiles(const std::string& first, const std::string& second);

// Gives the file this access, if it is a regular file of `owner` that has one name only; whatever
// it had before. Else nothing happens. fchown(2), fchmod(2).
void GrantAccess(const Fd& file, const LogAccess& access, std::uint32_t owner);

// Lets the readers of a log reach it through the folders below `top` and through `top` itself,
// where they are ours; `path` is below it. Folders are only ever opened further by this.
void OpenTheWay(const std::string& top, const std::string& path, const LogAccess& access);

[[nodiscard]] bool IsRegularFile(const Fd& file);
// Whether it is /dev/null.
[[nodiscard]] bool IsNullDevice(const Fd& file);

// Moves up to `limit` bytes from a pipe to the file at `offset`. 0: every writer is gone and the
// pipe is empty. EAGAIN: nothing there now. Never waits for the pipe. splice(2).
[[nodiscard]] SystemResult<std::size_t> MoveToFile(const Fd& pipe, const Fd& file,
                                                   std::uint64_t offset, std::size_t limit);

// Whether MoveToFile() wakes those who watch the file (inotify(7)); before Linux 6.6 it may not.
[[nodiscard]] bool SpliceWakesWatchers();

// Copies what is in the pipe, up to the size of `buffer`, and leaves it there; may be less than
// what there is. `spare` is an empty pipe of the caller's, empty again afterwards. As MoveToFile.
// tee(2).
[[nodiscard]] SystemResult<std::size_t> Peek(const Fd& pipe, const Pipe& spare,
                                             std::span<char> buffer);

// Takes bytes out of a pipe that does not block. As MoveToFile. read(2).
[[nodiscard]] SystemResult<std::size_t> TakeFrom(const Fd& pipe, std::span<char> buffer);

// How many bytes are in the pipe now. ioctl(2): FIONREAD.
[[nodiscard]] std::size_t BytesIn(const Fd& pipe);

// pread(2): how much was there; less than asked only at the end of the file.
[[nodiscard]] SystemResult<std::size_t> ReadAt(const Fd& file, std::uint64_t offset,
                                               std::span<char> buffer);

// pwrite(2), once: how much was written, which may be less than asked.
[[nodiscard]] SystemResult<std::size_t> WriteAt(const Fd& file, std::uint64_t offset,
                                                std::string_view bytes);

// ftruncate(2).
[[nodiscard]] SystemStatus CutTo(const Fd& file, std::uint64_t size);

}  // namespace oxherd::os
