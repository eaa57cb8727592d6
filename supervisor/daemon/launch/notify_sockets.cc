#include "daemon/launch/notify_sockets.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "daemon/launch/notice.h"
#include "os/local_socket.h"
#include "os/random.h"

namespace oxherd {
namespace {

constexpr std::size_t kMaxNotice = 4096;  // one datagram
// So many messages are heard in one turn; a program that chatters is heard again in the next.
constexpr int kNoticesAtOnce = 64;

std::string RandomName() {
  std::array<std::uint8_t, 16> bytes{};
  os::FillRandom(bytes);
  return os::Hexadecimal(bytes);
}

Result<os::Fd> CopyOf(const os::Fd& descriptor) {
  os::SystemResult<os::Fd> copy = os::Duplicate(descriptor.get());
  if (!copy) return std::unexpected(os::ToError("dup", copy.error()));
  return std::move(*copy);
}

}  // namespace

NotifySockets::NotifySockets(Loop& loop, std::string folder, Seams seams)
    : loop_(loop), folder_(std::move(folder)), seams_(std::move(seams)) {}

NotifySockets::~NotifySockets() = default;

// Whatever our umask is, others must be able to pass through it.
Status NotifySockets::MakeFolder() {
  if (::mkdir(folder_.c_str(), 0700) == 0) {
    if (::chmod(folder_.c_str(), 0711) != 0) return ErrnoError(folder_);
    return {};
  }
  if (errno != EEXIST) return ErrnoError(folder_);
  struct stat about{};
  if (::lstat(folder_.c_str(), &about) != 0) return ErrnoError(folder_);
  if (!S_ISDIR(about.st_mode) || about.st_uid != ::geteuid()) {
    return MakeError(folder_ + " is not a folder of ours; remove it");
  }
  return {};
}

Result<NotifySockets::Mouth> NotifySockets::Make(Token token, const RunAs& owner) {
  OXHERD_TRY(MakeFolder());
  Mouth mouth;
  const std::string name = RandomName();
  mouth.notify_path = folder_ + "/" + name;
  OXHERD_TRY_ASSIGN(os::Fd notify, os::BindForDatagrams(folder_, name));
  if (owner.is_set() && ::lchown(mouth.notify_path.c_str(), owner.uid, owner.gid) != 0) {
    return ErrnoError(mouth.notify_path);
  }
  OXHERD_TRY_ASSIGN(mouth.notify_for_keeper, CopyOf(notify));
  AdoptNotify(token, std::move(notify));

  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
    Forget(token);
    return ErrnoError("socketpair");
  }
  os::Fd ours(pair[0]);
  mouth.channel_for_child = os::Fd(pair[1]);
  OXHERD_TRY_ASSIGN(mouth.channel_for_keeper, CopyOf(ours));
  AdoptChannel(token, std::move(ours));
  return mouth;
}

void NotifySockets::AdoptNotify(Token token, os::Fd socket) {
  Ears& ears = ears_[token];
  ears.notify = std::move(socket);
  ears.notify_watch =
      loop_.WatchFor(Loop::For::kReading, ears.notify.get(), [this, token] { HearNotify(token); });
}

void NotifySockets::AdoptChannel(Token token, os::Fd socket) {
  Ears& ears = ears_[token];
  ears.channel = std::move(socket);
  ears.channel_watch = loop_.WatchFor(Loop::For::kReading, ears.channel.get(),
                                      [this, token] { HearChannel(token); });
}

void NotifySockets::Forget(Token token) {
  const auto found = ears_.find(token);
  if (found == ears_.end()) return;
  if (found->second.notify) {
    if (const auto path = os::PathOf(found->second.notify.get())) (void)::unlink(path->c_str());
  }
  ears_.erase(found);
}

// Whole messages, each of lines "NAME=value". Source: sd_notify(3).
void NotifySockets::HearNotify(Token token) {
  std::array<char, kMaxNotice> bytes{};
  for (int i = 0; i < kNoticesAtOnce; ++i) {
    const auto found = ears_.find(token);
    if (found == ears_.end()) return;
    const ssize_t size =
        ::recv(found->second.notify.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0) return;
    TakeNotice(token, std::string_view(bytes.data(), static_cast<std::size_t>(size)));
  }
}

void NotifySockets::TakeNotice(Token token, std::string_view text) {
  for (Notice& notice : ParseNotice(text)) {
    if (notice.kind == event::Notified::Kind::kStatus) {
      seams_.status(token, std::move(notice.status));
    }
    seams_.notified({token, notice.kind});
  }
}

// Lines of JSON; only one of them means something to us: the text "ready".
void NotifySockets::HearChannel(Token token) {
  std::array<char, kMaxNotice> bytes{};
  Ears& ears = ears_.at(token);
  const ssize_t size = ::recv(ears.channel.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {  // it has closed its end
    ears.channel_watch.reset();
    return;
  }
  ears.begun.append(bytes.data(), static_cast<std::size_t>(size));
  if (TakeChannelLines(ears.begun)) seams_.notified({token, event::Notified::Kind::kReady});
}

}  // namespace oxherd
