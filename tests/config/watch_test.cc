// watch and what belongs to it, in all three dialects.
#include <string>

#include "config/watch_pattern.h"
#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

using Strings = std::vector<std::string>;

TEST_CASE("watch takes true, a path or several, from the service's folder on") {
  const Surroundings here;
  CHECK(here.ReadOne(Api("watch = true")).watch.paths == Strings{"/srv/app"});
  CHECK(here.ReadOne(Api("watch = false")).watch.paths.empty());
  CHECK(here.ReadOne(Api("watch = \"src/\"")).watch.paths == Strings{"/srv/app/src"});
  const Spec spec = here.ReadOne(
      Api("watch = [\"src\", \"../shared\", \"/etc/api.conf\"]\nwatch_extensions = [\"js\", "
          "\".ts\", \"*.json\"]\nwatch_ignore = \"dist\"\nwatch_delay_ms = 500"));
  CHECK(spec.watch.paths == Strings{"/srv/app/src", "/srv/shared", "/etc/api.conf"});
  CHECK(spec.watch.extensions == Strings{"js", "ts", "json"});
  CHECK(spec.watch.ignore == Strings{"dist"});
  CHECK(spec.watch.delay == Millis(500));
  // Without watch the rest says nothing, and is no change of the service.
  CHECK(here.ReadOne(Api("watch_ignore = [\"dist\"]")).watch == WatchSpec{});
}

TEST_CASE("what is wrong with watch is located") {
  const Surroundings here;
  CHECK(here.Errors(Api("watch = 3")) ==
        "3:9: processes.api.watch: found the number 3, expected true, a path or an array of paths");
  CHECK(here.Errors(Api("watch = [\"src\", 4]")).starts_with("3:17: processes.api.watch: "));
  CHECK(here.Errors(Api("watch = \"\"")).contains("an empty text; remove it"));
  CHECK(here.Errors(Api("watch = true\nwatch_extensions = [\"js\", \"src/*\"]")) ==
        "4:27: processes.api.watch_extensions: \"src/*\" is not an extension; write one such as "
        "\"js\"");
  CHECK(here.Errors(Api("type = \"oneshot\"\nwatch = true"))
            .contains("a oneshot has nothing to replace"));
}

TEST_CASE("patterns of PM2 and OxMgr become globs where there is one that says the same") {
  CHECK(GlobFromPattern("node_modules") == "node_modules");
  CHECK(GlobFromPattern("\\.git") == ".git");
  CHECK(GlobFromPattern(".*\\.log$") == "*.log");
  CHECK(GlobFromPattern("logs/*.txt") == "logs/*.txt");
  for (const char* pattern : {"", "a|b", "(x)", "\\d+", "^"}) {
    CAPTURE(pattern);
    CHECK_FALSE(GlobFromPattern(pattern));
  }
}

TEST_CASE("OxMgr's watch, ignore_watch and watch_delay_secs work") {
  const Surroundings here;
  const auto app = [](const std::string& keys) {
    return "[[apps]]\nname = \"api\"\ncommand = \"x\"\n" + keys;
  };
  const Spec spec = here.ReadOne(
      app("watch = true\nignore_watch = [\"\\\\.tmp$\", \"dist\"]\nwatch_delay_secs = 2"));
  CHECK(spec.watch.paths == Strings{"/srv/app"});
  CHECK(spec.watch.ignore == Strings{".tmp", "dist"});
  CHECK(spec.watch.delay == Millis(2000));
  CHECK(here.Errors(app("watch = true\nignore_watch = [\"(a|b)\"]"))
            .contains("is a regular expression without a glob that says the same"));
}

}  // namespace
}  // namespace oxherd
