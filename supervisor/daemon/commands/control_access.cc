#include "daemon/commands/control_access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"

namespace oxherd {
namespace {

constexpr mode_t kPermissions = 07777;

// Through a descriptor that stands for the file itself, whatever its name leads to a moment later.
Status Set(const std::string& path, mode_t type, std::optional<std::uint32_t> group, mode_t mode) {
  const os::Fd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat about{};
  if (!file || ::fstat(file.get(), &about) != 0) return ErrnoError(path);
  if ((about.st_mode & S_IFMT) != type) return MakeError(path + " is not what it should be");
  if (about.st_uid != ::geteuid()) return MakeError(path + " belongs to somebody else");
  if (group && about.st_gid != *group &&
      ::fchownat(file.get(), "", static_cast<uid_t>(-1), *group, AT_EMPTY_PATH) != 0) {
    return ErrnoError("give " + path + " to the group");
  }
  if ((about.st_mode & kPermissions) == mode) return {};
  const std::string self = "/proc/self/fd/" + std::to_string(file.get());
  if (::chmod(self.c_str(), mode) != 0) return ErrnoError("let the group into " + path);
  return {};
}

}  // namespace

Status LetConnect(const ControlPlaces& places, std::optional<std::uint32_t> group) {
  constexpr mode_t kFolder = 0700;
  constexpr mode_t kSocket = 0600;
  constexpr mode_t kPassing = 0010;
  constexpr mode_t kConnecting = 0060;
  const mode_t folder = group ? kFolder | kPassing : kFolder;
  // The socket first: while the folders are shut nobody sees it half done.
  OXHERD_TRY(Set(places.socket, S_IFSOCK, group, group ? kSocket | kConnecting : kSocket));
  OXHERD_TRY(Set(places.runtime_folder, S_IFDIR, group, folder));
  if (!places.runtime_folder.starts_with(places.state_folder + "/")) return {};
  return Set(places.state_folder, S_IFDIR, group, folder);
}

}  // namespace oxherd
