#include "core/watch_filter.h"

#include <doctest/doctest.h>

namespace oxherd {
namespace {

TEST_SUITE("core: what is watched") {
  TEST_CASE(
      "globs: a star stays within a name, two do not, sets and question marks are one letter") {
    const auto matches = [](std::string_view glob, std::string_view text) {
      return MatchesGlob(glob, text);
    };
    CHECK(matches("*.log", "out.log"));
    CHECK_FALSE(matches("*.log", "out.log.1"));
    CHECK_FALSE(matches("*.log", "logs/out.log"));
    CHECK(matches("**/*.log", "a/b/out.log"));
    CHECK(matches("**/*.log", "out.log"));
    CHECK(matches("src/**/x.js", "src/x.js"));
    CHECK(matches("src/**/x.js", "src/a/b/x.js"));
    CHECK_FALSE(matches("src/**/x.js", "lib/x.js"));
    CHECK(matches("a*b*c", "aXbXbXc"));
    CHECK_FALSE(matches("a*b*c", "aXbXb"));
    CHECK(matches("?[a-c][!x]", "zby"));
    CHECK_FALSE(matches("?[a-c][!x]", "zbx"));
    CHECK_FALSE(matches("a?b", "a/b"));
    CHECK(matches("[", "["));
    CHECK(matches("", ""));
    CHECK(matches("**", "any/thing"));
  }

  TEST_CASE("what nobody edits is ignored by default, at any depth") {
    const WatchFilter filter{WatchSpec{}};
    for (const char* folder :
         {"node_modules", "a/node_modules", ".git", ".venv", "b/__pycache__"}) {
      CAPTURE(folder);
      CHECK(filter.IgnoresFolder(folder));
    }
    CHECK_FALSE(filter.IgnoresFolder("src"));
    CHECK(filter.CountsFile("src/app.js"));
    CHECK_FALSE(filter.CountsFile("src/.app.js.swp"));
    CHECK_FALSE(filter.CountsFile("src/app.js~"));
  }

  TEST_CASE("extensions, names and paths that are ignored") {
    WatchSpec spec;
    spec.extensions = {"js", "d.ts"};
    spec.ignore = {"dist", "/public", "./tmp/*.js", "test/**", "*.min.js"};
    const WatchFilter filter(spec);
    CHECK(filter.CountsFile("app.js"));
    CHECK(filter.CountsFile("types/api.d.ts"));
    CHECK_FALSE(filter.CountsFile("api.ts"));
    CHECK_FALSE(filter.CountsFile("js"));
    CHECK(filter.IgnoresFolder("packages/dist"));
    CHECK(filter.IgnoresFolder("public"));
    CHECK_FALSE(filter.IgnoresFolder("src/public"));
    CHECK(filter.IgnoresFolder("test"));
    CHECK_FALSE(filter.CountsFile("tmp/a.js"));
    CHECK(filter.CountsFile("src/tmp/a.js"));
    CHECK_FALSE(filter.CountsFile("src/a.min.js"));
  }
}

}  // namespace
}  // namespace oxherd
