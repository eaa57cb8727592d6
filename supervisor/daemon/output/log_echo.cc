#include "daemon/output/log_echo.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace oxherd {

LogEcho::LogEcho(Echo mode, int descriptor) : mode_(mode), descriptor_(descriptor) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0) mode_ = Echo::kNone;
  takes_always_ = S_ISREG(status.st_mode);
}

void LogEcho::Register(os::EdgePoller& poller, std::uint64_t id) {
  // What cannot be waited for (a file, /dev/null) takes everything at once.
  if (is_on() && !poller.Add(descriptor_, os::EdgePoller::For::kWriting, id)) takes_always_ = true;
}

void LogEcho::Line(const std::string& instance, std::string_view begun, std::string_view rest) {
  if (waiting_.size() > kMaxWaiting) return;
  if (mode_ == Echo::kPrefixed) {
    waiting_ += instance;
    waiting_ += " │ ";
  }
  waiting_ += begun;
  waiting_ += rest;
  waiting_ += '\n';
}

void LogEcho::Take(const std::string& instance, std::string_view bytes, std::string& begun) {
  if (!is_on()) return;
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    if (newline == std::string_view::npos) {
      begun += bytes;
      if (begun.size() > kMaxBegun) End(instance, begun);
      return;
    }
    Line(instance, begun, bytes.substr(0, newline));
    begun.clear();
    bytes.remove_prefix(newline + 1);
  }
}

void LogEcho::End(const std::string& instance, std::string& begun) {
  if (!begun.empty()) Line(instance, begun, "");
  begun.clear();
}

bool LogEcho::Flush() {
  std::size_t written = 0;
  while (written < waiting_.size()) {
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    if (!takes_always_ && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) == 0) {
      mode_ = Echo::kNone;  // nobody reads it any more
      waiting_.clear();
      return true;
    }
    if (!takes_always_ && ready.revents == 0) break;
    // A pipe that is writable takes PIPE_BUF bytes without blocking (pipe(7)).
    const std::size_t size = std::min<std::size_t>(waiting_.size() - written,
                                                   takes_always_ ? waiting_.size() : PIPE_BUF);
    const ssize_t count = write(descriptor_, waiting_.data() + written, size);
    if (count > 0) {
      written += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EINTR) {
      break;
    } else {
      mode_ = Echo::kNone;
      waiting_.clear();
      return true;
    }
  }
  waiting_.erase(0, written);
  return waiting_.empty();
}

}  // namespace oxherd
