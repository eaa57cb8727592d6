#include "tests/sim/exhaustive.h"

#include <doctest/doctest.h>

namespace oxherd::sim {
namespace {

TEST_SUITE("sim: exhaustive") {
  TEST_CASE("no order of a reload, a crash and a stop breaks a service of two instances") {
    const SearchResult result = Search(SmallCase{});
    INFO(result.story);
    CHECK(result.violation.empty());
    CHECK(result.states > 10'000);  // it did go somewhere
    CHECK(result.ends > 1'000);
  }

  TEST_CASE("no order of a reload, a crash and a daemon's death breaks it either") {
    const SearchResult result = Search(SmallCase{.stop = false, .daemon_death = true});
    INFO(result.story);
    CHECK(result.violation.empty());
    CHECK(result.states > 1'000);
  }
}

}  // namespace
}  // namespace oxherd::sim
