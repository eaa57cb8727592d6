// A time zone: how far the clocks on its walls are from UTC, at any moment.
//
// Read from the bytes of a TZif file (RFC 9636, tzfile(5)); pure, so that the rules of cron can be
// tested with the zone that they are about. Who has the bytes is config/zone_file.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace oxherd {

// A point on the wall clock in UTC, to the second.
using WallSeconds = std::chrono::sys_seconds;
// What the clocks on the walls show then, as if they showed UTC.
using LocalSeconds = std::chrono::local_seconds;

class TimeZone {
 public:
  TimeZone() = default;  // UTC

  // Of a TZif file of any version. Fails if it is none, or cut off.
  [[nodiscard]] static Result<TimeZone> FromTzif(std::string_view bytes);
  // Of a rule as in TZ, "CET-1CEST,M3.5.0,M10.5.0/3" (tzset(3)); without a file's history.
  [[nodiscard]] static Result<TimeZone> FromRule(std::string_view rule);

  // East of UTC.
  [[nodiscard]] Seconds OffsetAt(WallSeconds when) const;
  [[nodiscard]] LocalSeconds LocalAt(WallSeconds when) const {
    return LocalSeconds((when + OffsetAt(when)).time_since_epoch());
  }
  // When the walls show `local`. A time that is skipped is the moment of the jump; of one that
  // comes twice, it is the first.
  [[nodiscard]] WallSeconds AtLocal(LocalSeconds local) const;
  // The first moment after `from`, up to `to`, at which the offset is another than at `from`; `to`
  // if there is none. They should be at most some days apart: it is looked for between the two.
  [[nodiscard]] WallSeconds NextChange(WallSeconds from, WallSeconds to) const;

 private:
  // One day of a year on which a rule changes the clocks.
  struct Turn {
    enum class Kind : std::uint8_t { kMonth, kJulian, kDay } kind = Kind::kMonth;
    int month = 0;   // 1..12
    int week = 0;    // 1..5, 5 = last
    int day = 0;     // of the week, 0 = Sunday; or of the year
    Seconds time{};  // of the day, on the clock as it is before
  };
  struct Rule {
    Seconds standard{};
    Seconds summer{};
    bool has_summer = false;
    Turn begins;
    Turn ends;
  };
  struct Change {
    std::int64_t at = 0;
    Seconds offset{};
  };

  [[nodiscard]] static std::optional<Rule> ParseRule(std::string_view text);
  [[nodiscard]] static std::int64_t DayOf(const Turn& turn, int year);
  [[nodiscard]] static Seconds OffsetBy(const Rule& rule, WallSeconds when);

  Seconds first_{};              // before all changes
  std::vector<Change> changes_;  // in order
  std::optional<Rule> rule_;     // after all changes
};

}  // namespace oxherd
