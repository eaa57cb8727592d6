#include "config/find_oxfile.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace oxherd {

namespace {

std::optional<FileFacts> LookAt(const std::string& path) {
  struct stat facts{};
  if (stat(path.c_str(), &facts) != 0) return std::nullopt;
  return FileFacts{facts.st_uid, facts.st_mode & 07777U, S_ISDIR(facts.st_mode), facts.st_dev,
                   facts.st_ino};
}

class Search {
 public:
  explicit Search(const OxfileSearch& search)
      : search_(search), look_(search.look ? search.look : LookAt) {}

  Result<std::optional<FoundOxfile>> Run() {
    if (search_.named) return Named(*search_.named);
    const std::string upper = search_.folder + "/Oxfile.toml";
    const std::string lower = search_.folder + "/oxfile.toml";
    const auto upper_facts = look_(upper);
    const auto lower_facts = look_(lower);
    if (upper_facts) {
      // On a file system that does not tell the two names apart they are one file.
      const bool both = lower_facts && (lower_facts->device != upper_facts->device ||
                                        lower_facts->inode != upper_facts->inode);
      return Safe({upper, both ? "oxfile.toml is there too and was not read" : ""});
    }
    if (lower_facts) return Safe({lower, ""});
    const std::string last = OwnOxfilePath(search_.uid, search_.home);
    if (look_(last)) return Safe({last, ""});
    return std::nullopt;
  }

 private:
  Result<std::optional<FoundOxfile>> Named(const std::string& name) {
    const std::string path =
        (std::filesystem::path(search_.folder) / name).lexically_normal().string();
    if (!look_(path)) {
      return std::unexpected(
          Error{fmt::format("there is no \"{}\"; -c names the Oxfile to read", path), ENOENT});
    }
    return FoundOxfile{path, ""};
  }

  Result<std::optional<FoundOxfile>> Safe(FoundOxfile found) {
    if (search_.uid != 0) return found;
    const std::string folder = std::filesystem::path(found.path).parent_path().string();
    for (const std::string& path : {found.path, folder}) {
      const auto facts = look_(path);
      if (!facts) return MakeError(fmt::format("\"{}\" has gone", path));
      std::string why;
      if (facts->owner != 0) why = fmt::format("belongs to user id {}", facts->owner);
      if ((facts->permissions & 022U) != 0) why = "can be written by others";
      if (why.empty()) continue;
      return std::unexpected(
          Error{fmt::format("\"{}\" {}: root reads \"{}\" only when it is named; write -c {}", path,
                            why, found.path, found.path),
                EPERM});
    }
    return found;
  }

  const OxfileSearch& search_;
  std::function<std::optional<FileFacts>(const std::string&)> look_;
};

}  // namespace

std::string OwnOxfilePath(uid_t uid, const std::string& home) {
  return uid == 0 ? "/etc/oxherd/Oxfile.toml" : home + "/.config/oxherd/Oxfile.toml";
}

Result<std::optional<FoundOxfile>> FindOxfile(const OxfileSearch& search) {
  return Search(search).Run();
}

}  // namespace oxherd
