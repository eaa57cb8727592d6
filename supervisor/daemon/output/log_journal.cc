#include "daemon/output/log_journal.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "os/system_call.h"

namespace oxherd {
namespace {

constexpr char kInfo = '6';

os::SystemResult<os::Fd> ConnectTo(const std::string& path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return std::unexpected(os::Errno{ENAMETOOLONG});
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  os::Fd made(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return os::LastErrno();
  // The way a socket's address is passed: connect(2).
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(made.get(), generic, sizeof address) != 0) return os::LastErrno();
  return made;
}

// The priority of "<4>careful", which is taken off the line.
char TakePriority(std::string_view& line) {
  const bool has_one =
      line.size() >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>';
  if (!has_one) return kInfo;
  const char priority = line[1];
  line.remove_prefix(3);
  return priority;
}

}  // namespace

std::string JournalEntry(const InstanceId& instance, std::string_view line) {
  const char priority = TakePriority(line);
  std::string entry = "PRIORITY=";
  entry += priority;
  entry += "\nSYSLOG_IDENTIFIER=" + instance.service;
  entry += "\nOXHERD_SERVICE=" + instance.service;
  entry += "\nOXHERD_INSTANCE=" + instance.Text();
  entry += "\nMESSAGE=";
  entry += line;
  entry += '\n';
  return entry;
}

LogJournal::LogJournal(std::string socket_path, Trouble trouble)
    : path_(std::move(socket_path)), trouble_(std::move(trouble)) {}

void LogJournal::Register(os::EdgePoller& poller, std::uint64_t id) {
  poller_ = &poller;
  id_ = id;
}

void LogJournal::Take(const InstanceId& instance, std::string_view bytes, std::string& begun,
                      Instant now) {
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    const bool ends = newline != std::string_view::npos;
    std::string_view part = bytes.substr(0, newline);
    bytes.remove_prefix(ends ? newline + 1 : bytes.size());
    while (begun.size() + part.size() > kMaxLine) {
      const std::size_t room = kMaxLine - begun.size();
      begun += part.substr(0, room);
      part.remove_prefix(room);
      End(instance, begun, now);
    }
    begun += part;
    if (!ends) return;
    Line(instance, begun, now);
    begun.clear();
  }
}

void LogJournal::End(const InstanceId& instance, std::string& begun, Instant now) {
  if (!begun.empty()) Line(instance, begun, now);
  begun.clear();
}

void LogJournal::Line(const InstanceId& instance, std::string_view line, Instant now) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!line.empty()) Send(JournalEntry(instance, line), now);
}

void LogJournal::Send(std::string entry, Instant now) {
  if (is_blocked() || TryToSend(entry, now) == Sent::kLater) {
    waiting_ += std::to_string(entry.size()) + ":" + entry;
  }
}

LogJournal::Sent LogJournal::TryToSend(std::string_view entry, Instant now) {
  // Once more where the journal was restarted since the last line: nothing is lost by that.
  for (int tries = 0; tries < 2; ++tries) {
    if (!IsThere(now)) break;
    const auto sent = os::Try([&] {
      return ::send(socket_.get(), entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    if (sent >= 0) return Sent::kYes;
    if (errno == EAGAIN) return Sent::kLater;
    Lose(now);
    if (tries == 0) next_try_ = now;
  }
  ++dropped_;
  return Sent::kNobody;
}

bool LogJournal::IsThere(Instant now) {
  if (socket_) return true;
  if (now < next_try_) return false;
  auto connected = ConnectTo(path_);
  if (!connected) {
    Lose(now);
    if (!is_missed_) {
      trouble_("the journal cannot be reached at " + path_ + ": " +
               ErrnoText(connected.error().number) + "; lines that lead there are dropped");
    }
    is_missed_ = true;
    return false;
  }
  socket_ = std::move(*connected);
  if (poller_ != nullptr) {
    (void)poller_->Add(socket_.get(), os::EdgePoller::For::kWriting, id_);
  }
  if (std::exchange(is_missed_, false)) {
    trouble_("the journal is there again; " + std::to_string(std::exchange(dropped_, 0)) +
             " lines were dropped");
  }
  return true;
}

void LogJournal::Lose(Instant now) {
  if (socket_ && poller_ != nullptr) poller_->Remove(socket_.get());
  socket_.Reset();
  next_try_ = now + kRetry;
}

void LogJournal::Flush(Instant now) {
  std::size_t at = 0;
  while (at < waiting_.size()) {
    const std::size_t colon = waiting_.find(':', at);
    const std::size_t size = std::stoul(waiting_.substr(at, colon - at));
    if (TryToSend(std::string_view(waiting_).substr(colon + 1, size), now) == Sent::kLater) break;
    at = colon + 1 + size;
  }
  waiting_.erase(0, at);
}

}  // namespace oxherd
