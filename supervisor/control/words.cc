#include "control/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace oxherd::control {
namespace {

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

// One digit after the point, cut, not rounded: 59 999 ms are not "60.0 s".
std::string Tenths(std::int64_t ms) { return fmt::format("{}.{}", ms / 1000, ms / 100 % 10); }

// "YYYY-MM-DDTHH:MM:SS" has its digits in these places.
std::optional<int> Digits(std::string_view text, std::size_t from, std::size_t count) {
  int number = 0;
  for (const char c : text.substr(from, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

}  // namespace

std::string DurationText(std::int64_t ms) {
  ms = std::max<std::int64_t>(ms, 0);
  if (ms < kSecond) return fmt::format("{} ms", ms);
  if (ms < kMinute) return Tenths(ms) + " s";
  if (ms < kHour) return fmt::format("{}m {:02}s", ms / kMinute, ms % kMinute / kSecond);
  if (ms < kDay) return fmt::format("{}h {:02}m", ms / kHour, ms % kHour / kMinute);
  return fmt::format("{}d {:02}h", ms / kDay, ms % kDay / kHour);
}

std::string LimitText(std::int64_t ms) {
  if (ms >= 1000 && ms < 60'000 && ms % 1000 == 0) return fmt::format("{} s", ms / 1000);
  if (ms >= 60'000 && ms < 3'600'000 && ms % 60'000 == 0) return fmt::format("{} min", ms / 60'000);
  return DurationText(ms);
}

std::string ShortDuration(std::int64_t ms) {
  ms = std::max<std::int64_t>(ms, 0);
  if (ms < kSecond) return fmt::format("{}ms", ms);
  if (ms < kMinute) return ms % kSecond < 100 ? fmt::format("{}s", ms / kSecond) : Tenths(ms) + "s";
  if (ms < kHour) return fmt::format("{}m{:02}s", ms / kMinute, ms % kMinute / kSecond);
  return fmt::format("{}h{:02}m", ms / kHour, ms % kHour / kMinute);
}

std::string BytesText(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  std::uint64_t tenths = bytes * 10;
  if (bytes > UINT64_MAX / 10) tenths = UINT64_MAX;
  while (tenths >= 10240 && unit + 1 < kUnits.size()) {
    tenths /= 1024;
    ++unit;
  }
  // "1.4 GB" says more than "1 GB"; "62.3 MB" no more than "62 MB".
  if (unit > 0 && tenths < 100)
    return fmt::format("{}.{} {}", tenths / 10, tenths % 10, kUnits[unit]);
  return fmt::format("{} {}", tenths / 10, kUnits[unit]);
}

std::string TimeText(std::int64_t unix_ms) {
  using std::chrono::days;
  constexpr std::int64_t kLast = 253'402'300'799'999;  // the end of 9999
  unix_ms = std::clamp<std::int64_t>(unix_ms, 0, kLast);
  const std::chrono::sys_days day{days(unix_ms / kDay)};
  const std::chrono::year_month_day date(day);
  const std::int64_t rest = unix_ms % kDay;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     rest / kHour, rest % kHour / kMinute, rest % kMinute / kSecond,
                     rest % kSecond);
}

std::optional<std::int64_t> TimeFromText(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  if (text.size() != kShape.size()) return std::nullopt;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] != '0' && text[i] != kShape[i]) return std::nullopt;
  }
  const auto year = Digits(text, 0, 4);
  const auto month = Digits(text, 5, 2);
  const auto day = Digits(text, 8, 2);
  const auto hour = Digits(text, 11, 2);
  const auto minute = Digits(text, 14, 2);
  const auto second = Digits(text, 17, 2);
  const auto ms = Digits(text, 20, 3);
  if (!year || !month || !day || !hour || !minute || !second || !ms) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 1970 || *hour > 23 || *minute > 59 || *second > 59) {
    return std::nullopt;
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * kDay + *hour * kHour + *minute * kMinute + *second * kSecond + *ms;
}

}  // namespace oxherd::control
