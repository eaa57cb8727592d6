// Unix stream sockets in a directory, however long its path is: bound and connected as
// /proc/self/fd/N/name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "os/fd.h"

namespace oxherd::os {

// A listening socket, mode 0600, that does not block, at `name` in the directory. What is there
// already is replaced in one step, so call it only as the holder of the lock. Source: unix(7).
[[nodiscard]] Result<Fd> ListenLocally(int directory, const std::string& name);

// A socket that is bound, does not listen and blocks, at `name` in the directory, where nothing may
// be; its mode is as the umask says.
[[nodiscard]] Result<Fd> BindLocally(const std::string& directory, const std::string& name);

// The same for datagrams, mode 0600. A path that does not fit into an address (107 bytes) is an
// error: whoever is told of it has to reach it by that path.
[[nodiscard]] Result<Fd> BindForDatagrams(const std::string& directory, const std::string& name);

// The path that a socket is bound to; nothing if it is to none.
[[nodiscard]] std::optional<std::string> PathOf(int socket);

// A connected socket that blocks. ENOENT and ECONNREFUSED: nobody listens.
[[nodiscard]] Result<Fd> ConnectLocally(const std::string& directory, const std::string& name);

// What a name stands for: when it changes, somebody has deleted or replaced the file.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
// Of a name in a directory, not following a symlink (fstatat(2)).
[[nodiscard]] SystemResult<FileIdentity> IdentityOf(int directory, const char* name);

// Who connected: SO_PEERCRED (socket(7)).
struct Peer {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
};
[[nodiscard]] Result<Peer> PeerOf(int connection);

// Whether the one who connected was in the group then, as main or supplementary one:
// SO_PEERGROUPS (socket(7)). False where the kernel cannot be asked.
[[nodiscard]] bool IsPeerInGroup(int connection, std::uint32_t group);

}  // namespace oxherd::os
