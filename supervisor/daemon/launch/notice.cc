#include "daemon/launch/notice.h"

#include <algorithm>

namespace oxherd {

std::vector<Notice> ParseNotice(std::string_view datagram) {
  using Kind = event::Notified::Kind;
  std::vector<Notice> notices;
  while (!datagram.empty()) {
    const std::string_view line = datagram.substr(0, datagram.find('\n'));
    datagram.remove_prefix(std::min(line.size() + 1, datagram.size()));
    constexpr std::string_view kStatus = "STATUS=";
    if (line == "READY=1") {
      notices.push_back({.kind = Kind::kReady});
    } else if (line == "STOPPING=1") {
      notices.push_back({.kind = Kind::kStopping});
    } else if (line.starts_with(kStatus)) {
      notices.push_back(
          {.kind = Kind::kStatus, .status = std::string(line.substr(kStatus.size(), kMaxStatus))});
    }
  }
  return notices;
}

bool TakeChannelLines(std::string& begun) {
  bool is_ready = false;
  std::size_t taken = 0;
  for (auto end = begun.find('\n'); end != std::string::npos; end = begun.find('\n', taken)) {
    is_ready = is_ready || std::string_view(begun).substr(taken, end - taken) == "\"ready\"";
    taken = end + 1;
  }
  begun.erase(0, taken);
  if (begun.size() > kMaxChannelLine) begun.clear();
  return is_ready;
}

}  // namespace oxherd
