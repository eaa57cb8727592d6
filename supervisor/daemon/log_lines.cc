#include "daemon/log_lines.h"

#include <algorithm>
#include <array>
#include <utility>

namespace oxherd {

const std::string& LineStamper::Prefix(WallTime now) {
  const auto second =
      static_cast<std::time_t>(std::chrono::duration_cast<Seconds>(now.time_since_epoch()).count());
  if (prefix_.empty() || second != prefix_second_) {
    std::tm local{};
    std::array<char, 128> text{};
    const std::size_t size = localtime_r(&second, &local) == nullptr
                                 ? 0
                                 : std::strftime(text.data(), text.size(), format_.c_str(), &local);
    prefix_.assign(text.data(), size);
    prefix_ += ": ";
    prefix_second_ = second;
  }
  return prefix_;
}

std::size_t LineStamper::Stamp(std::string_view bytes, WallTime now, std::size_t limit,
                               std::string& out) {
  const std::string& prefix = Prefix(now);
  std::size_t taken = 0;
  while (taken < bytes.size() && (out.size() < limit || taken == 0)) {
    if (at_line_start_) out += prefix;
    const auto newline = bytes.find('\n', taken);
    const std::size_t end = newline == std::string_view::npos ? bytes.size() : newline + 1;
    out.append(bytes.substr(taken, end - taken));
    at_line_start_ = newline != std::string_view::npos;
    taken = end;
  }
  return taken;
}

Result<LineMatcher> LineMatcher::Make(const std::string& pattern) {
  auto compiled = ReadyPattern::Compile(pattern);
  if (!compiled) return std::unexpected(std::move(compiled).error().In("ready_log"));
  return LineMatcher(std::move(*compiled));
}

bool LineMatcher::Matches(std::string_view line) const {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return pattern_.Matches(line);
}

bool LineMatcher::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    const std::string_view part = bytes.substr(0, std::min(newline, bytes.size()));
    if (begun_.size() < kMaxLine) begun_ += part.substr(0, kMaxLine - begun_.size());
    if (newline == std::string_view::npos) return false;
    const bool matches = Matches(begun_);
    begun_.clear();
    if (matches) return true;
    bytes.remove_prefix(newline + 1);
  }
  return false;
}

}  // namespace oxherd
