#include "core/cron.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <utility>

namespace oxherd {
namespace {

using namespace std::chrono;           // NOLINT(google-build-using-namespace): calendar literals
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

const TimeZone kUtc;

TimeZone Berlin() { return TimeZone::FromRule("CET-1CEST,M3.5.0,M10.5.0/3").value(); }

// "2026-03-29 02:30:00", as UTC or on the walls.
std::int64_t Read(const std::string& text) {
  const auto number = [&](std::size_t at, std::size_t length) {
    return std::stoi(text.substr(at, length));
  };
  const sys_days day = year(number(0, 4)) / number(5, 2) / number(8, 2);
  return (sys_seconds(day) + hours(number(11, 2)) + minutes(number(14, 2)) + seconds(number(17, 2)))
      .time_since_epoch()
      .count();
}

std::string Text(std::int64_t count) {
  const sys_seconds when{seconds(count)};
  const year_month_day date(floor<days>(when));
  const hh_mm_ss time(when - floor<days>(when));
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return text.data();
}

// The next times in UTC after `after`, which is in UTC too.
std::vector<std::string> Times(const std::string& text, const std::string& after, std::size_t count,
                               const TimeZone& zone = kUtc) {
  const auto cron = ParseCron(text);
  REQUIRE(cron);
  std::vector<std::string> times;
  WallSeconds now{seconds(Read(after))};
  for (std::size_t i = 0; i < count; ++i) {
    const auto next = NextTime(*cron, zone, now);
    if (!next) break;
    CHECK(*next > now);
    times.push_back(Text(next->time_since_epoch().count()));
    now = *next;
  }
  return times;
}

using Strings = std::vector<std::string>;

TEST_SUITE("core: cron") {
  TEST_CASE(
      "five fields are minute, hour, day, month and weekday; a sixth in front is the second") {
    CHECK(Times("0 3 * * *", "2026-01-31 03:00:00", 2) ==
          Strings{"2026-02-01 03:00:00", "2026-02-02 03:00:00"});
    CHECK(Times("* * * * * *", "2026-12-31 23:59:58", 2) ==
          Strings{"2026-12-31 23:59:59", "2027-01-01 00:00:00"});
    CHECK(Times("15,45 30 8 * * *", "2026-01-01 08:30:15", 2) ==
          Strings{"2026-01-01 08:30:45", "2026-01-02 08:30:15"});
  }

  TEST_CASE("lists, ranges, steps and names") {
    CHECK(Times("*/20 9-10 * * *", "2026-01-01 00:00:00", 7) ==
          Strings{"2026-01-01 09:00:00", "2026-01-01 09:20:00", "2026-01-01 09:40:00",
                  "2026-01-01 10:00:00", "2026-01-01 10:20:00", "2026-01-01 10:40:00",
                  "2026-01-02 09:00:00"});
    CHECK(Times("5/25 0 1 JAN,jul *", "2026-01-01 00:06:00", 3) ==
          Strings{"2026-01-01 00:30:00", "2026-01-01 00:55:00", "2026-07-01 00:05:00"});
    // 2 January 2026 is a Friday; 7 is Sunday as 0 is.
    CHECK(Times("0 12 * * Mon-Fri", "2026-01-02 13:00:00", 1) == Strings{"2026-01-05 12:00:00"});
    CHECK(Times("0 12 * * 7", "2026-01-02 13:00:00", 1) == Strings{"2026-01-04 12:00:00"});
    CHECK(Times("@weekly", "2026-01-02 13:00:00", 1) == Strings{"2026-01-04 00:00:00"});
    CHECK(Times("@hourly", "2026-01-02 13:00:00", 1) == Strings{"2026-01-02 14:00:00"});
  }

  TEST_CASE("with a day of the month and one of the week either will do") {
    CHECK(Times("0 0 13 * fri", "2026-02-01 00:00:00", 3) ==
          Strings{"2026-02-06 00:00:00", "2026-02-13 00:00:00", "2026-02-20 00:00:00"});
    CHECK(Times("0 0 29 2 *", "2026-01-01 00:00:00", 2) ==
          Strings{"2028-02-29 00:00:00", "2032-02-29 00:00:00"});
  }

  TEST_CASE("a time that the clocks skip is run at the jump") {
    // In Berlin 02:00 becomes 03:00 on 29 March 2026, which is 01:00 in UTC.
    CHECK(Times("30 2 * * *", "2026-03-28 01:30:00", 2, Berlin()) ==
          Strings{"2026-03-29 01:00:00", "2026-03-30 00:30:00"});
    CHECK(Times("0,20,40 2 * * *", "2026-03-28 12:00:00", 2, Berlin()) ==
          Strings{"2026-03-29 01:00:00", "2026-03-30 00:00:00"});
  }

  TEST_CASE("a time that comes twice is run once") {
    // In Berlin 03:00 becomes 02:00 on 25 October 2026, which is 01:00 in UTC.
    CHECK(Times("30 2 * * *", "2026-10-24 12:00:00", 2, Berlin()) ==
          Strings{"2026-10-25 00:30:00", "2026-10-26 01:30:00"});
    CHECK(Times("0 3 * * *", "2026-10-25 00:30:00", 1, Berlin()) == Strings{"2026-10-25 02:00:00"});
  }

  TEST_CASE("what is due every hour goes on evenly when the clocks jump") {
    CHECK(Times("30 * * * *", "2026-03-28 23:31:00", 3, Berlin()) ==
          Strings{"2026-03-29 00:30:00", "2026-03-29 01:30:00", "2026-03-29 02:30:00"});
    CHECK(Times("30 * * * *", "2026-10-24 23:31:00", 3, Berlin()) ==
          Strings{"2026-10-25 00:30:00", "2026-10-25 01:30:00", "2026-10-25 02:30:00"});
    CHECK(Times("0 */2 * * *", "2026-03-28 23:30:00", 2, Berlin()) ==
          Strings{"2026-03-29 02:00:00", "2026-03-29 04:00:00"});
  }

  TEST_CASE("what is wrong is said with its place") {
    const auto mistake = [](const std::string& text) {
      const auto cron = ParseCron(text);
      REQUIRE_FALSE(cron);
      return std::to_string(cron.error().at) + ": " + cron.error().message;
    };
    CHECK(mistake("0 3 * *") ==
          "0: \"0 3 * *\" has 4 fields, not 5 (minute hour day month weekday) or 6 (second in "
          "front); every day at three is \"0 3 * * *\"");
    CHECK(mistake("").starts_with("0: \"\" has 0 fields"));
    CHECK(mistake("60 3 * * *") == "0: minute: \"60\" is none; write 0 to 59");
    CHECK(mistake("0 3 * foo *") ==
          "6: month: \"foo\" is none; write 1 to 12, or a name such as jan");
    CHECK(mistake("0 9-5 * * *") ==
          "2: hour: \"9-5\" ends before it begins; write two ranges with a comma");
    CHECK(mistake("*/0 * * * *") == "1: minute: \"0\" is not a step; write 1 to 59");
    CHECK(mistake("1, * * * *") == "2: minute: there is nothing beside a comma; remove the comma");
    CHECK(mistake("0 0 30 2 *") == "0: \"0 0 30 2 *\" never comes; no such month has that day");
    CHECK(mistake("@reboot") ==
          "0: \"@reboot\" is none; write @hourly, @daily, @weekly, @monthly or @yearly");
    CHECK(mistake("0 0 L * *").starts_with("4: day of the month: \"L\" is none"));
    CHECK(mistake("-1 0 * * *").starts_with("0: minute: \"-1\" is none"));
  }

  TEST_CASE(
      "every expression of a thousand drawn ones comes after the one before it, or is refused") {
    std::uint64_t seed = 7;
    const auto draw = [&](std::uint64_t below) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      return (seed >> 33) % below;
    };
    constexpr std::string_view kLetters = "0123456789*/-, @?janfri";
    std::size_t understood = 0;
    for (int i = 0; i < 1000; ++i) {
      std::string text = draw(2) == 0 ? "0 3 * * *" : "*/5 1-4 1,15 * mon";
      for (std::uint64_t edits = draw(4); edits > 0; --edits) {
        text[draw(text.size())] = kLetters[draw(kLetters.size())];
      }
      const auto cron = ParseCron(text);
      if (!cron) {
        CHECK_FALSE(cron.error().message.empty());
        CHECK(cron.error().at <= text.size());
        continue;
      }
      ++understood;
      WallSeconds now{seconds(Read("2026-03-28 00:00:00"))};
      for (int next = 0; next < 5; ++next) {
        const auto time = NextTime(*cron, Berlin(), now);
        if (!time) break;
        CHECK(*time > now);
        now = *time;
      }
    }
    CHECK(understood > 100);
  }
}

TEST_SUITE("core: time zones") {
  TEST_CASE("a rule tells summer from winter, on both sides of the equator") {
    const auto offset = [](const TimeZone& zone, const std::string& when) {
      return zone.OffsetAt(WallSeconds(seconds(Read(when)))).count();
    };
    CHECK(offset(Berlin(), "2026-03-29 00:59:59") == 3600);
    CHECK(offset(Berlin(), "2026-03-29 01:00:00") == 7200);
    CHECK(offset(Berlin(), "2026-10-25 00:59:59") == 7200);
    CHECK(offset(Berlin(), "2026-10-25 01:00:00") == 3600);
    const TimeZone sydney = TimeZone::FromRule("AEST-10AEDT,M10.1.0,M4.1.0/3").value();
    CHECK(offset(sydney, "2026-01-01 00:00:00") == 11 * 3600);
    CHECK(offset(sydney, "2026-07-01 00:00:00") == 10 * 3600);
    const TimeZone nepal = TimeZone::FromRule("<+0545>-5:45").value();
    CHECK(offset(nepal, "2026-07-01 00:00:00") == 5 * 3600 + 45 * 60);
    for (const char* wrong : {"", "C", "CET", "CET-1CEST", "CET-1CEST,M13.5.0,M10.5.0", "CET-200",
                              "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x"}) {
      CAPTURE(wrong);
      CHECK_FALSE(TimeZone::FromRule(wrong));
    }
  }

  TEST_CASE("a file that is cut off anywhere, or is none, is refused and nothing else happens") {
    // Version 1 and 2 headers without changes, one type 1 h east of UTC, and a rule.
    const auto block = [](char version) {
      std::string bytes = std::string("TZif") + version + std::string(15, '\0');
      for (const char count : {'\0', '\0', '\0', '\0', '\1', '\4'}) {
        bytes += std::string(3, '\0') + count;
      }
      return bytes + std::string("\0\0\x0E\x10\0\0", 6) + std::string("CET\0", 4);
    };
    const std::string whole = block('2') + block('2') + "\nCET-1CEST,M3.5.0,M10.5.0/3\n";
    const auto zone = TimeZone::FromTzif(whole);
    REQUIRE(zone);
    CHECK(zone->OffsetAt(WallSeconds(seconds(Read("2026-07-01 00:00:00")))).count() == 7200);
    for (std::size_t length = 0; length < 2 * 54; ++length) {
      CHECK_FALSE(TimeZone::FromTzif(whole.substr(0, length)));
    }
    std::string counts = whole;
    counts[32] = '\x7F';
    CHECK_FALSE(TimeZone::FromTzif(counts));
  }
}

}  // namespace
}  // namespace oxherd
