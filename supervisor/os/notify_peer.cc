#include "os/notify_peer.h"

#include <sys/socket.h>

#include <cstddef>
#include <cstring>

namespace oxherd::os {

std::optional<NotifyPeer> NotifyPeer::Open(std::string_view address) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const bool is_path = address.starts_with('/');
  if ((!is_path && !address.starts_with('@')) || address.size() < 2 ||
      address.size() >= sizeof to.sun_path) {
    return std::nullopt;
  }
  std::memcpy(to.sun_path, address.data(), address.size());
  if (!is_path) to.sun_path[0] = '\0';
  // Of a path the closing zero counts, of an abstract name it would be part (unix(7)).
  const std::size_t size =
      offsetof(sockaddr_un, sun_path) + address.size() + (is_path ? std::size_t{1} : 0);
  Fd socket(Try([] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }));
  if (!socket) return std::nullopt;
  return NotifyPeer(std::move(socket), to, static_cast<socklen_t>(size));
}

SystemStatus NotifyPeer::Send(std::string_view text) const {
  const auto* to = reinterpret_cast<const sockaddr*>(&address_);
  const auto sent = Try(
      [&] { return ::sendto(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL, to, size_); });
  if (sent < 0) return LastErrno();
  return {};
}

}  // namespace oxherd::os
