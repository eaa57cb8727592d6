#include "cli/connection/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "control/message.h"
#include "os/clock.h"
#include "os/folder_watch.h"
#include "os/local_socket.h"
#include "os/lock.h"

namespace oxherd::cli {
namespace {

constexpr std::size_t kChunk = 64UL * 1024;

// False: the deadline passed.
bool WaitFor(int socket, short events, Instant deadline) {
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  for (;;) {
    const std::int64_t left =
        std::clamp<std::int64_t>(ToMillis(deadline - os::Now()) + 1, 0, 3'600'000);
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (os::Now() >= deadline) return false;
  }
}

NotConnected NoDaemon(const Places& places) {
  return {NotConnected::Kind::kNoDaemon,
          "no daemon runs for " + places.state + "; oxherd start starts one"};
}

NotConnected Refused(const Places& places, const std::string& why) {
  return {NotConnected::Kind::kRefused,
          "cannot reach the daemon of " + places.state + ": " + why +
              "; its owner can, and root; OXHERD_HOME names another home"};
}

std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, std::max<std::size_t>(slash, 1)), path.substr(slash + 1)};
}

// A socket that somebody else has put there would get our environment and our trust.
bool MayTrust(int socket, const Places& places) {
  if (places.uid == 0) return true;
  const auto peer = os::PeerOf(socket);
  return peer && (peer->uid == 0 || peer->uid == places.uid);
}

}  // namespace

bool Connection::Send(std::string_view line, Instant deadline) {
  while (!line.empty()) {
    const ssize_t sent =
        ::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      line.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!WaitFor(socket_.get(), POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Connection::Heard Connection::ReadLine(std::string& line, Instant deadline) {
  for (;;) {
    const std::size_t newline = read_.find('\n', scanned_);
    if (newline != std::string::npos) {
      line.assign(read_, 0, newline);
      read_.erase(0, newline + 1);
      scanned_ = 0;
      return Heard::kLine;
    }
    scanned_ = read_.size();
    if (read_.size() > control::kMaxReplyLine) return Heard::kTooLong;
    read_.resize(scanned_ + kChunk);
    const ssize_t size = ::recv(socket_.get(), read_.data() + scanned_, kChunk, MSG_DONTWAIT);
    read_.resize(scanned_ + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    if (size > 0) continue;
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) return Heard::kEnd;
    if (!WaitFor(socket_.get(), POLLIN, deadline)) return Heard::kDeadline;
  }
}

namespace {

std::expected<Connection, NotConnected> ConnectTo(const Places& places, const std::string& folder,
                                                  const std::string& name) {
  auto socket = os::ConnectLocally(folder, name);
  if (!socket) {
    const int number = socket.error().number;
    if (number == ENOENT || number == ECONNREFUSED) return std::unexpected(NoDaemon(places));
    return std::unexpected(Refused(places, ErrnoText(number)));
  }
  if (!MayTrust(socket->get(), places)) {
    return std::unexpected(Refused(places, "it belongs to another user"));
  }
  return Connection(std::move(*socket));
}

}  // namespace

std::expected<Connection, NotConnected> Connect(const Places& places) {
  const auto holder = os::ReadLock(places.lock());
  // Root's state is root's alone; its socket may be open to a group that we are in.
  if (!holder && holder.error().number == EACCES) {
    return ConnectTo(places, places.run, kControlSocket);
  }
  if (!holder) {
    // A folder on the way that does not exist, or is a file, holds no daemon.
    if (holder.error().number == ENOTDIR) return std::unexpected(NoDaemon(places));
    return std::unexpected(Refused(places, ErrnoText(holder.error().number)));
  }
  if (!*holder || (*holder)->socket.empty()) return std::unexpected(NoDaemon(places));
  const auto [folder, name] = SplitPath((*holder)->socket);
  return ConnectTo(places, folder, name);
}

std::expected<Connection, NotConnected> ConnectWhenThere(const Places& places, Instant deadline,
                                                         int starter) {
  // The watch comes first: what changes between it and the look is not missed.
  const std::array<std::string, 2> folders = {places.state, places.run};
  auto watch = os::FolderWatch::Open(folders);
  if (!watch) {
    return std::unexpected(
        NotConnected{NotConnected::Kind::kRefused, std::move(watch).error().message});
  }
  for (;;) {
    auto connection = Connect(places);
    if (connection || connection.error().kind == NotConnected::Kind::kRefused) return connection;
    const os::FolderWatch::Woken woken = watch->Wait(starter, deadline);
    if (woken == os::FolderWatch::Woken::kDeadline) return connection;
    // Ours has ended: another one holds the lock and is about to listen, or none will.
    if (woken == os::FolderWatch::Woken::kOther) {
      const auto holder = os::ReadLock(places.lock());
      if (!holder || !*holder) return Connect(places);
      starter = -1;
    }
  }
}

}  // namespace oxherd::cli
