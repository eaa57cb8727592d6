// Files that are read whole or replaced whole, and directories that are ours alone.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace oxherd::os {

// Replaces `name` in `directory` in one step: temporary file, fsync, rename, fsync of the
// directory. Blocks as long as the disk does. After a failure the old file is as it was. Made with
// mode 0600.
[[nodiscard]] Status ReplaceFile(const std::string& directory, const std::string& name,
                                 std::string_view bytes);

// Waits until the names in it are on the disk. fsync(2).
[[nodiscard]] Status SyncDirectory(const std::string& path);

// The whole of a regular file, read once. Anything else than a regular file, and one longer than
// `most` bytes, is an error; it does not block on a pipe or a device.
[[nodiscard]] Result<std::string> ReadFile(const std::string& path, std::size_t most);

// Makes the directory and those above it that are missing, each with mode 0700. One that is there
// must be a directory, ours, no symlink, and closed to the writing of others; its mode is left
// alone.
[[nodiscard]] Status MakePrivateDirectory(const std::string& path);

}  // namespace oxherd::os
