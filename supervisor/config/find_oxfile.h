// Which Oxfile a command means when it names none.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "base/error.h"

namespace oxherd {

// What the file system says of a path.
struct FileFacts {
  uid_t owner = 0;
  mode_t permissions = 0;  // as in stat(2), without the type
  bool is_directory = false;
  dev_t device = 0;
  ino_t inode = 0;
};

struct OxfileSearch {
  std::optional<std::string> named;  // -c PATH
  std::string folder;                // where the command was typed; absolute
  std::string home;                  // from the passwd entry, not $HOME; absolute
  uid_t uid = 0;
  // For tests; stat(2) where it is empty. Nothing: no such file.
  std::function<std::optional<FileFacts>(const std::string& path)> look;
};

struct FoundOxfile {
  std::string path;  // absolute
  std::string note;  // "oxfile.toml is there too and was not read"; or empty
};

// -c PATH; else Oxfile.toml or oxfile.toml in `folder`; else ~/.config/oxherd/Oxfile.toml, for root
// /etc/oxherd/Oxfile.toml. Nothing if there is none. Fails if -c names what does not exist, and if
// root would read a file that somebody else may change: it, and its folder, must be root's and not
// writable by others, unless it is named with -c. Blocks as stat(2) does.
[[nodiscard]] Result<std::optional<FoundOxfile>> FindOxfile(const OxfileSearch& search);

// The user's own: ~/.config/oxherd/Oxfile.toml, for root /etc/oxherd/Oxfile.toml.
[[nodiscard]] std::string OwnOxfilePath(uid_t uid, const std::string& home);

}  // namespace oxherd
