#include "control/target.h"

#include <doctest/doctest.h>

namespace oxherd::control {
namespace {

std::optional<Target> Parse(std::string_view typed) {
  return ParseTarget(typed, [](std::string_view name) {
    return name == "api" || name == "api-2" || name == "my.worker";
  });
}

TEST_CASE("a name is the service that is called so, before anything else") {
  CHECK(Parse("api") == Target{.kind = Target::Kind::kService, .service = "api"});
  CHECK(Parse("api-2") == Target{.kind = Target::Kind::kService, .service = "api-2"});
  CHECK(Parse("all") == Target{.kind = Target::Kind::kAll});
}

TEST_CASE("an instance can be written in three ways") {
  const Target first{.kind = Target::Kind::kInstance, .service = "api", .slot = 0};
  CHECK(Parse("api/0") == first);
  CHECK(Parse("api:0") == first);
  CHECK(Parse("api-0") == first);
  CHECK(Parse("api-2/1") == Target{.kind = Target::Kind::kInstance, .service = "api-2", .slot = 1});
}

TEST_CASE("a number is an id from the list") {
  CHECK(Parse("3") == Target{.kind = Target::Kind::kId, .id = 3});
}

TEST_CASE("what means nothing here is no target") {
  for (const char* typed :
       {"", "ap1", "ap1/0", "api/", "api/x", "api/99999", "api/-1", "/0", "-3", "99999999999"}) {
    CAPTURE(typed);
    CHECK_FALSE(Parse(typed).has_value());
  }
}

}  // namespace
}  // namespace oxherd::control
