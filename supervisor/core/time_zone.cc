#include "core/time_zone.h"

#include <algorithm>
#include <utility>

namespace oxherd {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr std::size_t kHeader = 44;
constexpr std::size_t kTypeSize = 6;
// tzfile(5) has one by the minute at most; a real file has some hundred.
constexpr std::size_t kMostChanges = 100'000;

std::int64_t BigEndian(std::string_view bytes) {
  std::uint64_t number = (static_cast<unsigned char>(bytes[0]) & 0x80U) != 0 ? ~0ULL : 0;
  for (const char byte : bytes) number = (number << 8) | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(number);
}

// The counts of one block's header, and how long what follows it is.
struct Counts {
  std::size_t is_utc, is_standard, leaps, changes, types, letters;

  static Counts Of(std::string_view header) {
    const auto count = [&](std::size_t index) {
      return static_cast<std::size_t>(BigEndian(header.substr(20 + 4 * index, 4)) & 0xFFFFFFFF);
    };
    return {count(0), count(1), count(2), count(3), count(4), count(5)};
  }
  [[nodiscard]] std::size_t Length(std::size_t width) const {
    return changes * (width + 1) + types * kTypeSize + letters + leaps * (width + 4) + is_standard +
           is_utc;
  }
  [[nodiscard]] bool are_sane() const {
    const std::size_t most = std::max({is_utc, is_standard, leaps, changes, letters});
    return most <= kMostChanges && types >= 1 && types <= 256;
  }
};

// Reads "M3.5.0/2", "CET" and "-1:30" of a rule from the left.
class RuleText {
 public:
  explicit RuleText(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  bool Take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeName() {
    std::size_t length = 0;
    if (Take('<')) {
      length = rest_.find('>');
      if (length == std::string_view::npos) return false;
      rest_.remove_prefix(length + 1);
      return true;
    }
    const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
    while (length < rest_.size() && is_letter(rest_[length])) ++length;
    rest_.remove_prefix(length);
    return length >= 3;
  }
  std::optional<int> TakeNumber(int most) {
    int number = 0;
    std::size_t length = 0;
    while (length < rest_.size() && rest_[length] >= '0' && rest_[length] <= '9') {
      number = number * 10 + (rest_[length++] - '0');
      if (number > most) return std::nullopt;
    }
    rest_.remove_prefix(length);
    if (length == 0) return std::nullopt;
    return number;
  }
  // "[+-]hh[:mm[:ss]]", up to a week (RFC 9636).
  std::optional<Seconds> TakeTime() {
    const bool is_negative = Take('-');
    if (!is_negative) (void)Take('+');
    const std::optional<int> hours = TakeNumber(167);
    if (!hours) return std::nullopt;
    std::int64_t seconds = *hours * std::int64_t{3600};
    for (const std::int64_t unit : {60, 1}) {
      if (!Take(':')) break;
      const std::optional<int> part = TakeNumber(59);
      if (!part) return std::nullopt;
      seconds += *part * unit;
    }
    return Seconds(is_negative ? -seconds : seconds);
  }

 private:
  std::string_view rest_;
};

std::unexpected<Error> Damaged() { return MakeError("not a time zone file, or cut off"); }

}  // namespace

std::optional<TimeZone::Rule> TimeZone::ParseRule(std::string_view text) {
  RuleText in(text);
  Rule rule;
  if (!in.TakeName()) return std::nullopt;
  const std::optional<Seconds> west = in.TakeTime();
  if (!west) return std::nullopt;
  rule.standard = -*west;
  if (in.at_end()) return rule;
  rule.has_summer = true;
  rule.summer = rule.standard + std::chrono::hours(1);
  if (!in.TakeName()) return std::nullopt;
  if (!in.Take(',')) {
    const std::optional<Seconds> summer = in.TakeTime();
    if (!summer || !in.Take(',')) return std::nullopt;
    rule.summer = -*summer;
  }
  for (Turn* turn : {&rule.begins, &rule.ends}) {
    if (turn == &rule.ends && !in.Take(',')) return std::nullopt;
    std::optional<int> day;
    if (in.Take('M')) {
      const auto month = in.TakeNumber(12);
      const auto week = in.Take('.') ? in.TakeNumber(5) : std::nullopt;
      day = in.Take('.') ? in.TakeNumber(6) : std::nullopt;
      if (month.value_or(0) < 1 || week.value_or(0) < 1) return std::nullopt;
      turn->month = *month;
      turn->week = *week;
    } else {
      turn->kind = in.Take('J') ? Turn::Kind::kJulian : Turn::Kind::kDay;
      day = in.TakeNumber(365);
    }
    const auto time = in.Take('/') ? in.TakeTime() : Seconds(std::chrono::hours(2));
    if (!day || !time) return std::nullopt;
    turn->day = *day;
    turn->time = *time;
  }
  return in.at_end() ? std::optional(rule) : std::nullopt;
}

Result<TimeZone> TimeZone::FromRule(std::string_view rule) {
  TimeZone zone;
  zone.rule_ = ParseRule(rule);
  if (!zone.rule_) return MakeError("not a time zone rule");
  return zone;
}

Result<TimeZone> TimeZone::FromTzif(std::string_view bytes) {
  if (bytes.size() < kHeader || !bytes.starts_with("TZif")) return Damaged();
  const bool has_second = bytes[4] >= '2';
  std::size_t width = 4;
  Counts counts = Counts::Of(bytes);
  if (has_second) {  // the same once more, with 64-bit times
    const std::size_t first = kHeader + counts.Length(width);
    if (!counts.are_sane() || bytes.size() < first + kHeader) return Damaged();
    bytes.remove_prefix(first);
    width = 8;
    counts = Counts::Of(bytes);
  }
  if (!counts.are_sane() || bytes.size() < kHeader + counts.Length(width)) return Damaged();
  bytes.remove_prefix(kHeader);
  const std::string_view kinds = bytes.substr(counts.changes * width, counts.changes);
  const std::string_view types =
      bytes.substr(counts.changes * (width + 1), counts.types * kTypeSize);
  const auto offset_of = [&](std::size_t type) {
    return Seconds(BigEndian(types.substr(type * kTypeSize, 4)));
  };
  TimeZone zone;
  zone.first_ = offset_of(0);
  for (std::size_t i = 0; i < counts.changes; ++i) {
    const auto type = static_cast<unsigned char>(kinds[i]);
    if (type >= counts.types) return Damaged();
    zone.changes_.push_back({BigEndian(bytes.substr(i * width, width)), offset_of(type)});
  }
  if (!std::ranges::is_sorted(zone.changes_, {}, &Change::at)) return Damaged();
  if (!has_second) return zone;
  std::string_view footer = bytes.substr(counts.Length(width));
  if (!footer.starts_with('\n')) return zone;
  footer.remove_prefix(1);
  zone.rule_ = ParseRule(footer.substr(0, footer.find('\n')));
  return zone;
}

// In days since 1970.
std::int64_t TimeZone::DayOf(const Turn& turn, int year) {
  using namespace std::chrono;  // NOLINT(google-build-using-namespace): its literals and names
  const std::chrono::year in(year);
  const sys_days first = in / January / 1;
  switch (turn.kind) {
    case Turn::Kind::kDay:
      return (first + days(turn.day)).time_since_epoch().count();
    case Turn::Kind::kJulian: {  // 29 February is never counted
      const int leap = in.is_leap() && turn.day >= 60 ? 1 : 0;
      return (first + days(turn.day - 1 + leap)).time_since_epoch().count();
    }
    case Turn::Kind::kMonth:
      break;
  }
  const month of(static_cast<unsigned>(turn.month));
  const weekday on(static_cast<unsigned>(turn.day));
  if (turn.week == 5) return sys_days(in / of / on[last]).time_since_epoch().count();
  return sys_days(in / of / on[static_cast<unsigned>(turn.week)]).time_since_epoch().count();
}

Seconds TimeZone::OffsetBy(const Rule& rule, WallSeconds when) {
  if (!rule.has_summer) return rule.standard;
  const std::chrono::year_month_day day(floor<days>(when + rule.standard));
  const int year = static_cast<int>(day.year());
  const auto at = [&](const Turn& turn, int in, Seconds before) {
    return WallSeconds(days(DayOf(turn, in))) + turn.time - before;
  };
  const WallSeconds begins = at(rule.begins, year, rule.standard);
  const WallSeconds ends = at(rule.ends, year, rule.summer);
  // South of the equator summer goes over the turn of the year.
  const bool is_summer =
      begins < ends ? when >= begins && when < ends : when >= begins || when < ends;
  return is_summer ? rule.summer : rule.standard;
}

Seconds TimeZone::OffsetAt(WallSeconds when) const {
  const auto after =
      std::ranges::upper_bound(changes_, when.time_since_epoch().count(), {}, &Change::at);
  if (after == changes_.end() && rule_) return OffsetBy(*rule_, when);
  return after == changes_.begin() ? first_ : std::prev(after)->offset;
}

WallSeconds TimeZone::AtLocal(LocalSeconds local) const {
  const WallSeconds as_utc(local.time_since_epoch());
  const WallSeconds before = as_utc - days(1);
  const WallSeconds after = as_utc + days(1);
  const WallSeconds early = as_utc - OffsetAt(before);
  const WallSeconds late = as_utc - OffsetAt(after);
  const bool is_early = LocalAt(early) == local;
  const bool is_late = LocalAt(late) == local;
  if (is_early && is_late) return std::min(early, late);
  if (is_early) return early;
  if (is_late) return late;
  return NextChange(before, after);  // it is skipped
}

WallSeconds TimeZone::NextChange(WallSeconds from, WallSeconds to) const {
  const Seconds offset = OffsetAt(from);
  if (OffsetAt(to) == offset) return to;
  while (to - from > Seconds(1)) {
    const WallSeconds middle = from + (to - from) / 2;
    (OffsetAt(middle) == offset ? from : to) = middle;
  }
  return to;
}

}  // namespace oxherd
