// The socket on which a service manager hears from a service: datagrams to NOTIFY_SOCKET.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string_view>

#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

class NotifyPeer {
 public:
  // `address` as in NOTIFY_SOCKET: a path, or an abstract name after "@". Nothing for what is
  // neither. Source: sd_notify(3).
  [[nodiscard]] static std::optional<NotifyPeer> Open(std::string_view address);

  // Sends one message. Never blocks: EAGAIN when there is no room now. The peer may come and go.
  [[nodiscard]] SystemStatus Send(std::string_view text) const;

 private:
  NotifyPeer(Fd socket, const sockaddr_un& address, socklen_t size)
      : socket_(std::move(socket)), address_(address), size_(size) {}

  Fd socket_;
  sockaddr_un address_;
  socklen_t size_;
};

}  // namespace oxherd::os
