// watch: files change, and the service is replaced.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

TEST_SUITE_BEGIN("watch");

TEST_CASE("a changed file replaces the instances, what is ignored does not") {
  const Home home;
  fs::create_directories(home.folder() / "src");
  fs::create_directories(home.folder() / "node_modules/x");
  home.Write("src/version", "one");
  home.Oxfile(R"(
[processes.api]
command = ["/bin/sh", "-c", "echo serves $(cat src/version); exec sleep 1000"]
min_uptime_ms = 50
watch = true
watch_ignore = ["*.tmp"]
watch_delay_ms = 50
log_file = "out.log"
)");
  home.MustRun({"start"});
  home.WaitForLine("out.log", "serves one");
  const pid_t first = home.Pid("api/0");

  home.Write("node_modules/x/index.js", "x");
  home.Write("src/scratch.tmp", "x");
  home.Write("src/version", "two");
  home.WaitForLine("out.log", "serves two");

  // A folder that came later, and a daemon that is new.
  home.KillDaemon();
  home.MustRun({"list"});
  fs::create_directories(home.folder() / "later/deep");
  home.Write("later/deep/part.js", "x");
  home.WaitForLine("out.log", "serves two\nserves two");
  CHECK(home.Pid("api/0") != first);
  const Json row = home.RunJson({"list"}).at("instances").at(0);
  CHECK(row.at("crashes") == 0);
  CHECK(row.at("generation") == 1);
  CHECK_SAYS(home.MustRun({"daemon", "logs"}).out, "part.js changed");
  CHECK_FALSE(Contains(home.MustRun({"daemon", "logs"}).out, "scratch.tmp"));
  CHECK_FALSE(Contains(home.MustRun({"daemon", "logs"}).out, "index.js"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
