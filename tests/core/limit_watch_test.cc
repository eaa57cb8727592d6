// The rule of [limits], and what a replacement by routine leaves as it was.
#include "core/limit_watch.h"

#include <doctest/doctest.h>

#include "tests/core/play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMegabyte = 1024UL * 1024;
constexpr Instant kBegin{100s};

Limits MemoryLimit(std::uint64_t megabytes) {
  Limits limits;
  limits.memory_bytes = megabytes * kMegabyte;
  return limits;
}

Limits CpuLimit(std::uint32_t percent) {
  Limits limits;
  limits.cpu_permille = percent * 10;
  return limits;
}

// Samples as they are taken, with this much memory and load, until something is exceeded.
std::optional<Instant> FirstExcess(LimitWatch& watch, const Limits& limits, Instant from,
                                   std::uint64_t megabytes, double load, Duration most = 10min) {
  for (Instant at = from; at < from + most; at += LimitWatch::kInterval) {
    const Duration cpu = std::chrono::duration_cast<Duration>((at - kBegin) * load);
    if (watch.Take(limits, {.at = at, .memory_bytes = megabytes * kMegabyte, .cpu = cpu})) {
      return at;
    }
  }
  return std::nullopt;
}

TEST_SUITE("limits") {
  TEST_CASE("memory that is beyond its limit in one sample alone is a peak, in two an excess") {
    LimitWatch watch;
    watch.Follow(Token(1), kBegin);
    const Limits limits = MemoryLimit(256);
    const LimitSample over{.at = kBegin, .memory_bytes = 312 * kMegabyte};
    const LimitSample within{.at = kBegin, .memory_bytes = 256 * kMegabyte};
    CHECK_FALSE(watch.Take(limits, over));
    CHECK_FALSE(watch.Take(limits, within));
    CHECK_FALSE(watch.Take(limits, over));
    const std::optional<Excess> excess = watch.Take(limits, over);
    REQUIRE(excess);
    CHECK(*excess == Excess{.of = Excess::Of::kMemory, .used = 312 * kMegabyte});
  }

  TEST_CASE("CPU counts as the average over a whole window") {
    LimitWatch watch;
    watch.Follow(Token(1), kBegin);
    CHECK_FALSE(FirstExcess(watch, CpuLimit(80), kBegin, 0, 0.79));
    watch.Follow(Token(2), kBegin);
    const std::optional<Instant> at = FirstExcess(watch, CpuLimit(80), kBegin, 0, 0.95);
    REQUIRE(at);
    CHECK(*at - kBegin >= 60s);
    CHECK(*at - kBegin <= 64s);
  }

  TEST_CASE("a burst that is shorter than the window does not count") {
    LimitWatch watch;
    watch.Follow(Token(1), kBegin);
    Duration cpu{0};
    for (int i = 0; i < 600; ++i) {
      cpu += i % 30 < 10 ? 2000ms : 100ms;  // 20 of 60 s at a whole core
      const LimitSample sample{.at = kBegin + i * LimitWatch::kInterval, .cpu = cpu};
      CHECK_FALSE(watch.Take(CpuLimit(50), sample));
    }
  }

  TEST_CASE("a child that takes its CPU time away with it starts the window anew") {
    LimitWatch watch;
    watch.Follow(Token(1), kBegin);
    CHECK_FALSE(watch.Take(CpuLimit(80), {.at = kBegin, .cpu = 100s}));
    CHECK_FALSE(watch.Take(CpuLimit(80), {.at = kBegin + 30s, .cpu = 1s}));
    CHECK_FALSE(watch.Take(CpuLimit(80), {.at = kBegin + 62s, .cpu = 60s}));
  }

  TEST_CASE("a service that always exceeds at once is replaced at most every ten minutes") {
    LimitWatch watch;
    Instant now = kBegin;
    std::vector<std::int64_t> pauses;
    for (std::uint64_t token = 1; token <= 9; ++token) {
      watch.Follow(Token(token), now);
      const std::optional<Instant> at = FirstExcess(watch, MemoryLimit(10), now, 20, 0);
      REQUIRE(at);
      now = std::max(*at, watch.not_before());
      REQUIRE(watch.MayReplace(now));
      watch.Replaced(now);
      CHECK_FALSE(watch.MayReplace(now));
      pauses.push_back((watch.not_before() - now) / 1s);
    }
    CHECK(pauses == std::vector<std::int64_t>{10, 20, 40, 80, 160, 320, 600, 600, 600});
  }

  TEST_CASE("so is one whose CPU is at its limit all the time") {
    LimitWatch watch;
    watch.Follow(Token(1), kBegin);
    Instant now = *FirstExcess(watch, CpuLimit(50), kBegin, 0, 1);
    watch.Replaced(now);
    watch.Follow(Token(2), now);
    now = std::max(*FirstExcess(watch, CpuLimit(50), now, 0, 1), watch.not_before());
    watch.Replaced(now);
    CHECK(watch.not_before() - now == 20s);
  }

  TEST_CASE("a slow leak is replaced whenever it comes to its limit") {
    LimitWatch watch;
    Instant now = kBegin;
    for (std::uint64_t token = 1; token <= 5; ++token) {
      watch.Follow(Token(token), now);
      CHECK_FALSE(FirstExcess(watch, MemoryLimit(10), now, 5, 0, 8min));
      now = *FirstExcess(watch, MemoryLimit(10), now + 8min, 11, 0);
      CHECK(watch.MayReplace(now));
      watch.Replaced(now);
      CHECK(watch.not_before() - now == LimitWatch::kFirstPause);
    }
  }

  TEST_CASE("where the new one never becomes ready, the pause grows too") {
    LimitWatch watch;
    watch.Follow(Token(1), kBegin);
    const Instant now = *FirstExcess(watch, MemoryLimit(10), kBegin + 24h, 11, 0);
    watch.Replaced(now);
    watch.Replaced(now + 10s);
    CHECK(watch.not_before() == now + 30s);
  }

  TEST_CASE("an instance that is replaced for its limit has not crashed") {
    Play play;
    auto api = MakeCheckedSpec("api");
    api->policy.max_restarts = 2;
    play.BringUp({api});
    for (int i = 0; i < 5; ++i) {
      const Token old = play.token("api");
      play.Forget();
      play.Happens(event::Replace{
          .service = "api", .slot = SlotIndex(0), .why = "312 MB in use, limit 256 MB"});
      const auto told = play.Take<action::Tell>();
      REQUIRE_FALSE(told.empty());
      CHECK(told.front().kind == action::Tell::Kind::kReplacing);
      CHECK(told.front().failure.text == "312 MB in use, limit 256 MB");
      play.ConfirmSpawns();
      CHECK(play.StateOf("api") == "ready");  // the old one serves meanwhile
      play.Answer("api/0", ProbeOutcome::kGood);
      play.Pass(2s);
      play.Obey(old);
      CHECK(play.token("api") != old);
      CHECK(play.StateOf("api") == "ready");
      CHECK(play.current("api").crashes == 0);
      CHECK(play.current("api").generation == Generation(1));
      CHECK_FALSE(play.service("api").rollout);
    }
  }
}

}  // namespace
}  // namespace oxherd
