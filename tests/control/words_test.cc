#include "control/words.h"

#include <doctest/doctest.h>

#include <cstdint>

namespace oxherd::control {
namespace {

TEST_CASE("a length of time is said in the two units that matter") {
  CHECK(DurationText(-5) == "0 ms");
  CHECK(DurationText(84) == "84 ms");
  CHECK(DurationText(999) == "999 ms");
  CHECK(DurationText(3149) == "3.1 s");
  CHECK(DurationText(59'999) == "59.9 s");
  CHECK(DurationText(134'000) == "2m 14s");
  CHECK(DurationText(4 * 3'600'000 + 2 * 60'000) == "4h 02m");
  CHECK(DurationText((3LL * 24 + 4) * 3'600'000) == "3d 04h");
}

TEST_CASE("a length that somebody has chosen is said as it was chosen") {
  CHECK(LimitText(10'000) == "10 s");
  CHECK(LimitText(300'000) == "5 min");
  CHECK(LimitText(2500) == "2.5 s");
  CHECK(LimitText(250) == "250 ms");
}

TEST_CASE("a length of time in a log line has no space in it") {
  CHECK(ShortDuration(84) == "84ms");
  CHECK(ShortDuration(3200) == "3.2s");
  CHECK(ShortDuration(4000) == "4s");
  CHECK(ShortDuration(134'000) == "2m14s");
}

TEST_CASE("sizes are said in powers of 1024, small ones with a tenth") {
  CHECK(BytesText(0) == "0 B");
  CHECK(BytesText(812) == "812 B");
  CHECK(BytesText(1023) == "1023 B");
  CHECK(BytesText(1024) == "1.0 KB");
  CHECK(BytesText(62ULL * 1024 * 1024 + 400'000) == "62 MB");
  CHECK(BytesText(1'500'000'000) == "1.3 GB");
  CHECK(BytesText(UINT64_MAX).ends_with(" TB"));
}

TEST_CASE("times are RFC 3339 in UTC and are read back") {
  CHECK(TimeText(0) == "1970-01-01T00:00:00.000Z");
  CHECK(TimeText(1'763'787'817'120) == "2025-11-22T05:03:37.120Z");
  CHECK(TimeText(-1) == "1970-01-01T00:00:00.000Z");
  CHECK(TimeText(INT64_MAX) == "9999-12-31T23:59:59.999Z");
  for (const std::int64_t time : {0LL, 951'782'400'000LL, 1'763'787'817'120LL}) {
    CHECK(TimeFromText(TimeText(time)) == time);
  }
}

TEST_CASE("what is no time is not read as one") {
  for (const char* text :
       {"", "now", "2025-11-22T05:03:37Z", "2025-13-22T05:03:37.120Z", "2025-02-30T05:03:37.120Z",
        "2025-11-22T25:03:37.120Z", "2025-11-22 05:03:37.120Z", "2025-11-22T05:0a:37.120Z"}) {
    CAPTURE(text);
    CHECK_FALSE(TimeFromText(text).has_value());
  }
}

}  // namespace
}  // namespace oxherd::control
