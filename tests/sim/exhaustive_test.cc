#include "tests/sim/exhaustive.h"

#include <doctest/doctest.h>

namespace oxherd::sim {
namespace {

constexpr std::size_t kDeepEnough = 80;

TEST_SUITE("sim: exhaustive") {
  TEST_CASE("no order of a reload, a crash and a stop breaks a service of two instances") {
    const Found found = Search(SmallCase{.deaths = 0}, kDeepEnough);
    INFO(found.path);
    INFO(std::string(found.violation.what));
    CHECK_FALSE(found.violation);
    CHECK(found.states > 100'000);  // it did go somewhere
    CHECK(found.ends > 1'000);
  }

  TEST_CASE("nor does any order with a broken new definition") {
    const Found found = Search(SmallCase{.target_is_broken = true, .deaths = 0}, kDeepEnough);
    INFO(found.path);
    INFO(std::string(found.violation.what));
    CHECK_FALSE(found.violation);
    CHECK(found.ends > 500);
  }

  TEST_CASE("nor does a death of the daemon at any point of a reload") {
    const Found found = Search(SmallCase{.crashes = 0, .stops = 0}, kDeepEnough);
    INFO(found.path);
    INFO(std::string(found.violation.what));
    CHECK_FALSE(found.violation);
    CHECK(found.ends > 20);
  }
}

}  // namespace
}  // namespace oxherd::sim
