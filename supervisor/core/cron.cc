#include "core/cron.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "base/number.h"

namespace oxherd {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr std::size_t kMostText = 512;
// 29 February comes within eight years.
constexpr days kFar{40 * 366};

struct Field {
  std::string_view name;
  int least;
  int most;
  std::uint64_t Cron::* bits;
  std::string_view names = {};  // three letters each, the first for `first`
  int first = 0;
};

constexpr std::array kFields = {
    Field{"second", 0, 59, &Cron::seconds},
    Field{"minute", 0, 59, &Cron::minutes},
    Field{"hour", 0, 23, &Cron::hours},
    Field{"day of the month", 1, 31, &Cron::days},
    Field{"month", 1, 12, &Cron::months, "janfebmaraprmayjunjulaugsepoctnovdec", 1},
    Field{"day of the week", 0, 7, &Cron::weekdays, "sunmontuewedthufrisat", 0},
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords = {{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

std::string Quoted(std::string_view text) { return "\"" + std::string(text.substr(0, 40)) + "\""; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string RangeOf(const Field& field) {
  return std::to_string(field.least) + " to " + std::to_string(field.most);
}

// One field of an expression.
class FieldReader {
 public:
  FieldReader(const Field& field, std::string_view whole, std::string_view text)
      : field_(field), whole_(whole), text_(text) {}

  std::optional<CronMistake> Read(Cron& cron) {
    std::uint64_t& bits = cron.*field_.bits;
    bits = 0;
    for (std::string_view rest = text_;;) {
      const std::size_t comma = rest.find(',');
      if (auto mistake = ReadPart(rest.substr(0, comma), bits)) return mistake;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    if (field_.bits == &Cron::weekdays && (bits & 0x80U) != 0) bits = (bits | 1U) & 0x7FU;
    return std::nullopt;
  }

 private:
  [[nodiscard]] CronMistake Wrong(std::string_view where, std::string message) const {
    const auto at = static_cast<std::size_t>(where.data() - whole_.data());
    return {at, std::string(field_.name) + ": " + std::move(message)};
  }

  // "*", "5", "mon", "1-5", each perhaps with "/2" behind it.
  std::optional<CronMistake> ReadPart(std::string_view part, std::uint64_t& bits) {
    if (part.empty()) return Wrong(part, "there is nothing beside a comma; remove the comma");
    int step = 1;
    const std::size_t slash = part.find('/');
    const std::string_view range = part.substr(0, slash);
    if (slash != std::string_view::npos) {
      const auto number = Number(part.substr(slash + 1));
      if (!number || *number < 1 || *number > field_.most) {
        return Wrong(part.substr(slash), Quoted(part.substr(slash + 1)) +
                                             " is not a step; write 1 to " +
                                             std::to_string(field_.most));
      }
      step = *number;
    }
    int from = field_.least;
    int to = field_.bits == &Cron::weekdays ? 6 : field_.most;
    const bool is_any = range == "*" || (range == "?" && field_.bits != &Cron::seconds);
    if (!is_any) {
      const std::size_t dash = range.find('-', 1);
      const std::string_view begin = range.substr(0, dash);
      if (auto mistake = ReadValue(begin, from)) return mistake;
      if (dash != std::string_view::npos) {
        if (auto mistake = ReadValue(range.substr(dash + 1), to)) return mistake;
      } else if (slash == std::string_view::npos) {
        to = from;
      }
      if (to < from) {
        return Wrong(range,
                     Quoted(range) + " ends before it begins; write two ranges with a comma");
      }
    }
    for (int i = from; i <= to; i += step) bits |= 1ULL << i;
    return std::nullopt;
  }

  std::optional<CronMistake> ReadValue(std::string_view text, int& value) const {
    std::optional<int> found = Number(text);
    if (!found && text.size() == 3) {
      const std::size_t at = field_.names.find(Lower(text));
      if (at != std::string_view::npos && at % 3 == 0) {
        found = field_.first + static_cast<int>(at / 3);
      }
    }
    if (!found || *found < field_.least || *found > field_.most) {
      const std::string_view or_name = field_.names.empty() ? "" : ", or a name such as ";
      const std::string example(field_.names.substr(0, 3));
      return Wrong(text, Quoted(text) + " is none; write " + RangeOf(field_) +
                             std::string(or_name) + example);
    }
    value = *found;
    return std::nullopt;
  }

  static std::optional<int> Number(std::string_view text) {
    const auto number = ParseNumber<int>(text);
    return number && text.front() != '-' ? number : std::nullopt;
  }

  const Field& field_;
  std::string_view whole_;
  std::string_view text_;
};

std::vector<std::string_view> Split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    at = std::min(text.find_first_of(" \t", begin), text.size());
    parts.push_back(text.substr(begin, at - begin));
  }
  return parts;
}

bool Has(std::uint64_t bits, unsigned number) { return ((bits >> number) & 1U) != 0; }

bool IsDay(const Cron& cron, std::chrono::local_days day) {
  const std::chrono::year_month_day date(day);
  if (!Has(cron.months, static_cast<unsigned>(date.month()))) return false;
  const bool by_date = Has(cron.days, static_cast<unsigned>(date.day()));
  const bool by_week = Has(cron.weekdays, std::chrono::weekday(day).c_encoding());
  if (cron.every_day || cron.every_weekday) return by_date && by_week;
  return by_date || by_week;
}

// The least number from `from` on that is meant; -1: none.
int NextIn(std::uint64_t bits, int from) {
  if (from > 63) return -1;
  const std::uint64_t left = bits >> from;
  return left == 0 ? -1 : from + __builtin_ctzll(left);
}

// The first time of day from `from` (in seconds) on; -1: none.
int NextInDay(const Cron& cron, int from) {
  int hour = NextIn(cron.hours, from / 3600);
  if (hour < 0) return -1;
  int minute = hour == from / 3600 ? from / 60 % 60 : 0;
  int second = hour == from / 3600 ? from % 60 : 0;
  for (;;) {
    const int found = NextIn(cron.minutes, minute);
    if (found > minute) second = 0;
    if (found >= 0) {
      if (const int at = NextIn(cron.seconds, second); at >= 0) {
        return hour * 3600 + found * 60 + at;
      }
      minute = found + 1;
      second = 0;
      continue;
    }
    hour = NextIn(cron.hours, hour + 1);
    if (hour < 0) return -1;
    minute = second = 0;
  }
}

// The first time from `from` on that the walls show, were they not to jump.
std::optional<LocalSeconds> NextLocal(const Cron& cron, LocalSeconds from) {
  const auto today = floor<days>(from);
  for (auto day = today; day <= today + kFar; day += days(1)) {
    if (!IsDay(cron, day)) continue;
    const auto begin = day == today ? static_cast<int>((from - today).count()) : 0;
    if (const int at = NextInDay(cron, begin); at >= 0) return LocalSeconds(day) + Seconds(at);
  }
  return std::nullopt;
}

}  // namespace

std::expected<Cron, CronMistake> ParseCron(std::string_view text) {
  if (text.size() > kMostText) return std::unexpected(CronMistake{0, "it is too long"});
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin != std::string_view::npos && text[begin] == '@') {
    const std::string word = Lower(Split(text).front());
    const auto* known = std::ranges::find(kWords, word, &decltype(kWords)::value_type::first);
    if (known != kWords.end()) return ParseCron(known->second);
    return std::unexpected(CronMistake{
        begin, Quoted(word) + " is none; write @hourly, @daily, @weekly, @monthly or @yearly"});
  }
  const std::vector<std::string_view> parts = Split(text);
  if (parts.size() != 5 && parts.size() != 6) {
    return std::unexpected(CronMistake{
        0,
        Quoted(text) + " has " + std::to_string(parts.size()) +
            " fields, not 5 (minute hour day month weekday) or 6 (second in front); every day at "
            "three is \"0 3 * * *\""});
  }
  Cron cron;
  const std::size_t skipped = kFields.size() - parts.size();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    FieldReader reader(kFields[skipped + i], text, parts[i]);
    if (auto mistake = reader.Read(cron)) return std::unexpected(std::move(*mistake));
  }
  const auto is_open = [&](std::size_t from_end) {
    const char first = parts[parts.size() - from_end].front();
    return first == '*' || first == '?';
  };
  cron.every_hour = is_open(4);
  cron.every_day = is_open(3);
  cron.every_weekday = is_open(1);
  const LocalSeconds any{};
  if (!NextLocal(cron, any)) {
    return std::unexpected(
        CronMistake{0, Quoted(text) + " never comes; no such month has that day"});
  }
  return cron;
}

std::optional<WallSeconds> NextTime(const Cron& cron, const TimeZone& zone, WallSeconds after) {
  const WallSeconds end = after + kFar;
  if (!cron.every_hour) {
    for (LocalSeconds from = zone.LocalAt(after) + Seconds(1);;) {
      const std::optional<LocalSeconds> local = NextLocal(cron, from);
      if (!local) return std::nullopt;
      const WallSeconds found = zone.AtLocal(*local);
      if (found > after) return found;
      from = *local + Seconds(1);  // it was shown before, and now a second time
    }
  }
  for (WallSeconds from = after + Seconds(1); from < end;) {
    const Seconds offset = zone.OffsetAt(from);
    const std::optional<LocalSeconds> local = NextLocal(cron, zone.LocalAt(from));
    if (!local) return std::nullopt;
    const WallSeconds found = WallSeconds(local->time_since_epoch()) - offset;
    // At most as far as a change can be told from its way back.
    const WallSeconds sure = std::min(found, from + days(7));
    const WallSeconds changed = zone.NextChange(from, sure);
    if (changed == found && zone.OffsetAt(found) == offset) return found;
    from = changed;
  }
  return std::nullopt;
}

}  // namespace oxherd
