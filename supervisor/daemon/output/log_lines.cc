#include "daemon/output/log_lines.h"

#include <algorithm>
#include <array>
#include <utility>

namespace oxherd {
namespace {

constexpr std::string_view kMillis = "%3N";
constexpr std::string_view kMillisPlace = "\x01\x01\x01";

}  // namespace

LineStamper::LineStamper(const std::string& format) {
  // strftime(3) knows no parts of a second: the milliseconds keep their place as bytes that it
  // gives for nothing else.
  for (std::size_t at = 0; at < format.size();) {
    if (format.compare(at, kMillis.size(), kMillis) == 0) {
      format_ += kMillisPlace;
      at += kMillis.size();
    } else {
      const std::size_t length = format[at] == '%' ? 2 : 1;  // "%%3N" is none
      format_.append(format, at, length);
      at += length;
    }
  }
}

void LineStamper::MakePrefix(std::time_t second) {
  std::tm local{};
  std::array<char, 128> text{};
  const std::size_t size = localtime_r(&second, &local) == nullptr
                               ? 0
                               : std::strftime(text.data(), text.size(), format_.c_str(), &local);
  prefix_.assign(text.data(), size);
  prefix_ += ": ";
  millis_at_.clear();
  for (auto at = prefix_.find(kMillisPlace); at != std::string::npos;
       at = prefix_.find(kMillisPlace, at + kMillisPlace.size())) {
    millis_at_.push_back(at);
  }
}

const std::string& LineStamper::Prefix(WallTime now) {
  const auto millis = std::chrono::floor<Millis>(now.time_since_epoch());
  const auto second = std::chrono::floor<Seconds>(millis);
  if (prefix_.empty() || second.count() != prefix_second_) {
    prefix_second_ = second.count();
    MakePrefix(prefix_second_);
  }
  const auto rest = static_cast<unsigned>((millis - second).count());
  for (const std::size_t at : millis_at_) {
    prefix_[at] = static_cast<char>('0' + rest / 100);
    prefix_[at + 1] = static_cast<char>('0' + rest / 10 % 10);
    prefix_[at + 2] = static_cast<char>('0' + rest % 10);
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
