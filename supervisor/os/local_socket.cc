#include "os/local_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

namespace oxherd::os {
namespace {

// Clients wait here while no daemon is alive.
constexpr int kBacklog = 512;

Result<sockaddr_un> AddressIn(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  if (path.size() >= sizeof address.sun_path) {
    return ErrnoError("socket name \"" + name + "\"", ENAMETOOLONG);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* Plain(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

Result<Fd> ListenLocally(int directory, const std::string& name) {
  // Under another name until its mode is right; rename(2) then replaces what is there.
  const std::string building = "." + name + ".new";
  OXHERD_TRY_ASSIGN(const sockaddr_un address, AddressIn(directory, building));
  Fd listener(Try([] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }));
  if (!listener) return ErrnoError("make a socket");
  ::unlinkat(directory, building.c_str(), 0);
  if (Try([&] { return ::bind(listener.get(), Plain(address), sizeof address); }) < 0 ||
      Try([&] { return ::fchmodat(directory, building.c_str(), 0600, 0); }) < 0 ||
      Try([&] { return ::listen(listener.get(), kBacklog); }) < 0 ||
      Try([&] { return ::renameat(directory, building.c_str(), directory, name.c_str()); }) < 0) {
    auto failure = ErrnoError("make the socket " + name);
    ::unlinkat(directory, building.c_str(), 0);
    return failure;
  }
  return listener;
}

Result<Fd> BindLocally(const std::string& directory, const std::string& name) {
  const Fd folder(Try([&] { return ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); }));
  if (!folder) return ErrnoError(directory);
  OXHERD_TRY_ASSIGN(sockaddr_un address, AddressIn(folder.get(), name));
  // Where it fits, the plain path: it is what getsockname(2) tells whoever gets the socket.
  const std::string path = (directory == "/" ? "" : directory) + "/" + name;
  if (path.size() < sizeof address.sun_path) {
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  }
  Fd socket(Try([] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }));
  if (!socket) return ErrnoError("make a socket");
  if (Try([&] { return ::bind(socket.get(), Plain(address), sizeof address); }) < 0) {
    return ErrnoError("make the socket " + directory + "/" + name);
  }
  return socket;
}

Result<Fd> BindForDatagrams(const std::string& directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory + "/" + name;
  if (path.size() >= sizeof address.sun_path) return ErrnoError(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(Try([] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }));
  if (!socket) return ErrnoError("make a socket");
  // What the file is made with is the socket's own mode, less the umask.
  if (Try([&] { return ::fchmod(socket.get(), 0600); }) < 0 ||
      Try([&] { return ::bind(socket.get(), Plain(address), sizeof address); }) < 0) {
    return ErrnoError("make the socket " + path);
  }
  return socket;
}

std::optional<std::string> PathOf(int socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0 ||
      address.sun_family != AF_UNIX || size <= offsetof(sockaddr_un, sun_path) ||
      address.sun_path[0] == '\0') {
    return std::nullopt;
  }
  return std::string(address.sun_path);
}

Result<Fd> ConnectLocally(const std::string& directory, const std::string& name) {
  const Fd folder(Try([&] { return ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); }));
  if (!folder) return ErrnoError(directory);
  OXHERD_TRY_ASSIGN(const sockaddr_un address, AddressIn(folder.get(), name));
  Fd connection(Try([] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }));
  if (!connection) return ErrnoError("make a socket");
  if (Try([&] { return ::connect(connection.get(), Plain(address), sizeof address); }) < 0) {
    return ErrnoError("connect to " + directory + "/" + name);
  }
  return connection;
}

SystemResult<FileIdentity> IdentityOf(int directory, const char* name) {
  struct stat about{};
  if (Try([&] { return ::fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW); }) < 0) {
    return LastErrno();
  }
  return FileIdentity{.device = about.st_dev, .inode = about.st_ino};
}

Result<Peer> PeerOf(int connection) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (Try([&] { return ::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size); }) <
      0) {
    return ErrnoError("ask who is connected");
  }
  return Peer{.uid = credentials.uid, .gid = credentials.gid, .pid = credentials.pid};
}

bool IsPeerInGroup(int connection, std::uint32_t group) {
  constexpr std::size_t kMostGroups = 65536;  // the kernel's NGROUPS_MAX
  const auto peer = PeerOf(connection);
  if (!peer) return false;
  if (peer->gid == group) return true;
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int asked = Try(
        [&] { return ::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size); });
    if (asked == 0) groups.resize(size / sizeof(gid_t));
    if (asked == 0) return std::ranges::find(groups, group) != groups.end();
    if (errno != ERANGE || groups.size() >= kMostGroups) return false;
    groups.resize(kMostGroups);
  }
}

}  // namespace oxherd::os
