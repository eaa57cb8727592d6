// Cron expressions: which times they mean, and when the next one comes.
//
// Five fields, or six with seconds in front: minute hour day-of-month month day-of-week, with
// lists, ranges, steps, names of months and weekdays, and words such as "@daily" (crontab(5)). If
// both the day of the month and that of the week are limited, either will do.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "core/time_zone.h"

namespace oxherd {

struct Cron {
  // One bit for each number that is meant.
  std::uint64_t seconds = 1;
  std::uint64_t minutes = 0;
  std::uint64_t hours = 0;
  std::uint64_t days = 0;      // 1..31
  std::uint64_t months = 0;    // 1..12
  std::uint64_t weekdays = 0;  // 0..6, 0 = Sunday
  bool every_hour = false;     // the field begins with "*"; so do the next two
  bool every_day = false;
  bool every_weekday = false;
};

struct CronMistake {
  std::size_t at = 0;   // where in the text, from 0
  std::string message;  // what is wrong; how to mend it
};

// Never fails on anything but the text; one that never comes ("0 0 30 2 *") is a mistake too.
[[nodiscard]] std::expected<Cron, CronMistake> ParseCron(std::string_view text);

// The first time after `after`. What is due at a certain hour follows the walls: a time that they
// skip is the moment of the jump, one that they show twice comes once. What is due in every hour
// ("*" there, or "*/2") goes on evenly, as if they did not jump. Nothing: not within 40 years.
[[nodiscard]] std::optional<WallSeconds> NextTime(const Cron& cron, const TimeZone& zone,
                                                  WallSeconds after);

}  // namespace oxherd
