#include "config/quantity.h"

#include "config/date_format.h"
#include "config/endpoint.h"
#include "config/nearest.h"
#include "config/ready_pattern.h"
#include "doctest/doctest.h"

namespace oxherd {
namespace {

TEST_CASE("a duration is numbers with units, the larger first") {
  CHECK(ParseDuration("250ms") == Millis(250));
  CHECK(ParseDuration("10s") == Millis(10'000));
  CHECK(ParseDuration("1m30s") == Millis(90'000));
  CHECK(ParseDuration("2h") == Millis(7'200'000));
  CHECK(ParseDuration("1d2h3m4s5ms") == Millis(93'784'005));
  CHECK(ParseDuration("0s") == Millis(0));
}

TEST_CASE("what is no duration is not taken for one") {
  for (const char* text : {"", "10", "s", "10 s", "10sec", "1.5s", "-1s", "1s1m", "1s1s", "1m 30s",
                           "10S", "99999999999999999999s", "1001d", "1000d1s", "1e3s", "٣s"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseDuration(text).has_value());
  }
}

TEST_CASE("what was meant by a mistyped duration is guessed") {
  CHECK(GuessDuration("10 sec") == Millis(10'000));
  CHECK(GuessDuration("5 minutes") == Millis(300'000));
  CHECK(GuessDuration("1.5s") == Millis(1500));
  CHECK(GuessDuration("2 Hours") == Millis(7'200'000));
  CHECK_FALSE(GuessDuration("10").has_value());
  CHECK_FALSE(GuessDuration("soon").has_value());
  CHECK_FALSE(GuessDuration("1 m").has_value());  // minutes or milliseconds
}

TEST_CASE("a duration is written so that it reads back as the same") {
  for (const std::int64_t millis : {0LL, 1LL, 250LL, 1000LL, 90'000LL, 93'784'005LL}) {
    CHECK(ParseDuration(FormatDuration(Millis(millis))) == Millis(millis));
  }
  CHECK(FormatDuration(Millis(90'000)) == "1m30s");
}

TEST_CASE("PM2's date formats become strftime's, and strftime's stay") {
  CHECK(*ParseDateFormat("YYYY-MM-DD HH:mm:ss") == "%Y-%m-%d %H:%M:%S");
  CHECK(*ParseDateFormat("YYYY-MM-DD HH:mm:ss.SSS Z") == "%Y-%m-%d %H:%M:%S.%3N %z");
  CHECK(*ParseDateFormat("YYYY-MM-DDTHH:mm:ss") == "%Y-%m-%dT%H:%M:%S");
  CHECK(*ParseDateFormat("DD/MM/YY hh:mm A") == "%d/%m/%y %I:%M %p");
  CHECK(*ParseDateFormat("[at] HH") == "at %H");
  CHECK(*ParseDateFormat("%F %T.%3N") == "%F %T.%3N");
  CHECK_FALSE(ParseDateFormat("%Q").has_value());
  CHECK_FALSE(ParseDateFormat("%").has_value());
  CHECK_FALSE(ParseDateFormat("YYYY-MM-DD at").has_value());
  CHECK_FALSE(ParseDateFormat("[at").has_value());
  CHECK_FALSE(ParseDateFormat(std::string(200, '-')).has_value());
}

TEST_CASE("an http endpoint is a host, a port and a path") {
  CHECK(*ParseHttpEndpoint("http://127.0.0.1:3000/health?a=b") ==
        Endpoint{"127.0.0.1", 3000, "/health?a=b"});
  CHECK(*ParseHttpEndpoint("http://localhost") == Endpoint{"localhost", 80, "/"});
  CHECK(*ParseHttpEndpoint("http://[::1]:80?x#y") == Endpoint{"::1", 80, "/?x"});
  for (const char* text : {"https://x", "x", "http://", "http://:80", "http://a:b@c/",
                           "http://x:0/", "http://x:65536/", "http://x:/", "http://[::1/",
                           "http://a b/", "http://x/\r\nHost: y", "http://ä/", "HTTP://x"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseHttpEndpoint(text).has_value());
  }
}

TEST_CASE("a tcp address is a host and a port") {
  CHECK(*ParseTcpEndpoint("127.0.0.1:5432") == Endpoint{"127.0.0.1", 5432, ""});
  CHECK(*ParseTcpEndpoint("[::1]:5432") == Endpoint{"::1", 5432, ""});
  for (const char* text : {"", "localhost", "5432", "x:y", "tcp://x:1", "::1:80", "x:-1"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseTcpEndpoint(text).has_value());
  }
}

TEST_CASE("the nearest word is found if it is near enough to be meant") {
  const std::string_view words[] = {"command", "env", "stop_timeout_ms", "stop_signal"};
  CHECK(Nearest("comand", words) == "command");
  CHECK(Nearest("COMMAND", words) == "command");
  CHECK(Nearest("commnad", words) == "command");
  CHECK(Nearest("stop_timout_sm", words) == "stop_timeout_ms");
  CHECK_FALSE(Nearest("x", words).has_value());
  CHECK_FALSE(Nearest("restart", words).has_value());
  CHECK_FALSE(Nearest("", words).has_value());
  CHECK_FALSE(Nearest(std::string(10'000, 'a'), words).has_value());
}

TEST_CASE("a ready line is found anywhere in a line of output") {
  const auto pattern = ReadyPattern::Compile("listening on .*:[0-9]+$");
  REQUIRE(pattern.has_value());
  CHECK(pattern->Matches("server: listening on http://x:3000"));
  CHECK_FALSE(pattern->Matches("listening"));
  CHECK_FALSE(ReadyPattern::Compile("(").has_value());
  CHECK_FALSE(ReadyPattern::Compile("").has_value());
  CHECK_FALSE(ReadyPattern::Compile("(a)\\1").has_value());
  CHECK_FALSE(ReadyPattern::Compile(std::string(1001, 'a')).has_value());
}

TEST_CASE("no pattern and no line make matching slow or deep") {
  const auto pattern = ReadyPattern::Compile("(a+)+b(x|y)*$");
  REQUIRE(pattern.has_value());
  CHECK_FALSE(pattern->Matches(std::string(1'000'000, 'a')));
  const auto greedy = ReadyPattern::Compile("(.*)*(.*)*c");
  REQUIRE(greedy.has_value());
  CHECK_FALSE(greedy->Matches(std::string(1'000'000, 'a')));
}

}  // namespace
}  // namespace oxherd
