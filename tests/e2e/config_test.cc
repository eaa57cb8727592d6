// Oxfiles as people write them, right and wrong: every mistake is shown at its place, and nothing
// happens until there is none.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// The errors must show `line` of the file and, right below it, a caret under `at`.
void CheckCaret(const std::string& said, const std::string& line, const std::string& at) {
  const std::size_t found = said.find(line + "\n");
  REQUIRE_MESSAGE(found != std::string::npos, "no line \"" << line << "\" in:\n" << said);
  const std::size_t line_start = said.rfind('\n', found) + 1;
  const std::size_t below = found + line.size() + 1;
  const std::string caret_line = said.substr(below, said.find('\n', below) - below);
  const std::size_t expected = found - line_start + line.find(at);
  CHECK_MESSAGE(caret_line.find('^') == expected, said);
}

TEST_SUITE_BEGIN("config");

TEST_CASE("validate says what a valid file contains, and starts nothing") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "node dist/server.js"
instances = 2
[processes.worker]
command = "node dist/worker.js"
depends_on = ["migrate"]
[processes.migrate]
type = "oneshot"
command = "npx prisma migrate deploy"
)");
  const Outcome valid = home.MustRun({"validate"});
  CHECK_SAYS(valid.out, "✓ Oxfile.toml is valid · 3 processes: api (×2), worker, migrate");
  CHECK(home.MustRun({"validate", home.folder() / "Oxfile.toml"}).exit_code == 0);
  CHECK(home.Keepers().empty());
}

TEST_CASE("every mistake is told at once: place, key, mend, source line and caret") {
  const Home home;
  home.Oxfile(R"([processes.api]
command = "node server.js"
stop_timeout_ms = "10 sec"
instances = "two"
stop_timout_ms = 500

[processes.worker]
restart = "sometimes"
nice = 99
)");
  const Outcome invalid = home.Run({"validate"});

  CHECK(invalid.exit_code == 2);
  const std::string said = invalid.all();
  CHECK_SAYS(said, "Oxfile.toml:3:19: processes.api.stop_timeout_ms: \"10 sec\" is not a duration");
  CHECK_SAYS(said, "Oxfile.toml:4:13: processes.api.instances: ");
  CHECK_SAYS(said, "Oxfile.toml:5:1: processes.api.stop_timout_ms: ");
  CHECK_SAYS(said, "did you mean \"stop_timeout_ms\"?");
  CHECK_SAYS(said, "Oxfile.toml:7:");
  CHECK_SAYS(said, "processes.worker: no command");
  CHECK_SAYS(said, "Oxfile.toml:8:11: processes.worker.restart: ");
  CHECK_SAYS(said, "Oxfile.toml:9:8: processes.worker.nice: ");
  CheckCaret(said, "stop_timeout_ms = \"10 sec\"", "\"10 sec\"");
  CheckCaret(said, "stop_timout_ms = 500", "stop_timout_ms");
}

TEST_CASE("no command touches anything when the file is wrong") {
  const Home home;
  home.Oxfile(
      "[processes.api]\ncommand = \"@misbehave on-term 0 then sleep\"\nmin_uptime_ms = 50\n");
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave say new then sleep"
instances = 0
[processes.other]
command = "@misbehave append @folder/ran x then sleep"
)");
  for (const char* verb : {"start", "reload", "restart", "apply", "validate"}) {
    const Outcome outcome = home.Run({verb});
    CHECK_MESSAGE(outcome.exit_code == 2, verb << ": " << outcome.all());
    CHECK_SAYS(outcome.all(), "Oxfile.toml:4:13: processes.api.instances: ");
  }
  CHECK(home.Pid("api/0") == before);
  CHECK(home.Read("ran").empty());
  CHECK_FALSE(home.Find("other/0").has_value());
}

TEST_CASE("a wrong file starts no daemon") {
  const Home home;
  home.Oxfile("[processes.api]\ncomand = \"x\"\n");
  const Outcome outcome = home.Run({"start"});
  CHECK(outcome.exit_code == 2);
  CHECK_SAYS(outcome.all(), "did you mean \"command\"?");
  CHECK(home.Keepers().empty());
}

TEST_CASE("text that is no TOML, or no text, is one error with its place") {
  const Home home;
  for (const std::string_view text :
       {std::string_view("[processes.api\ncommand = \"x\"\n"), std::string_view("command = = 3\n"),
        std::string_view("[processes.api]\ncommand = \"never closed\n"),
        std::string_view("\xca\x98 = 1\n"), std::string_view("\x00\x01\x02", 3),
        std::string_view("\xff\xfe[processes.api]\n")}) {
    home.Oxfile(text);
    const Outcome outcome = home.Run({"validate"});
    CHECK(outcome.exit_code == 2);
    CHECK_SAYS(outcome.all(), "Oxfile.toml:");
  }
  home.Oxfile("");
  CHECK(home.Run({"start"}).exit_code == 2);
}

TEST_CASE("no Oxfile at all: one line that says where it was looked for") {
  const Home home;
  const Outcome outcome = home.Run({"start"});
  CHECK(outcome.exit_code == 2);
  CHECK(CountOf(outcome.err, "\n") == 1);
  CHECK_SAYS(outcome.err, "Oxfile.toml");
  const Outcome named = home.Run({"-c", "nowhere.toml", "start"});
  CHECK(named.exit_code == 2);
  CHECK_SAYS(named.err, "nowhere.toml");
}

TEST_CASE("-c names the file; of Oxfile.toml and oxfile.toml it is said which was read") {
  const Home home;
  const std::string one = "[processes.one]\ncommand = \"@misbehave sleep\"\nmin_uptime_ms = 50\n";
  home.Write("deploy/two.toml",
             "[processes.two]\ncommand = \"@misbehave sleep\"\nmin_uptime_ms = 50\n");
  home.Oxfile(one);
  home.Write("oxfile.toml", one);

  const Outcome both = home.MustRun({"start"});
  CHECK_SAYS(both.all(), "Oxfile.toml");
  CHECK_SAYS(both.all(), "oxfile.toml");
  const Outcome named = home.MustRun({"-c", "deploy/two.toml", "start"});
  CHECK_SAYS(named.all(), "Oxfile: " + home.folder().string() + "/deploy/two.toml");
  CHECK(fs::read_symlink("/proc/" + std::to_string(home.Pid("two/0")) + "/cwd") ==
        home.folder() / "deploy");
}

TEST_CASE("a name that another file defines is an error that names both files") {
  const Home home;
  const std::string text = "[processes.api]\ncommand = \"@misbehave sleep\"\nmin_uptime_ms = 50\n";
  home.Oxfile(text);
  home.Write("other/Oxfile.toml", text);
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");

  const Outcome outcome = home.Run({"-c", "other/Oxfile.toml", "start"});

  CHECK(outcome.exit_code == 2);
  CHECK_SAYS(outcome.err, home.folder().string() + "/Oxfile.toml");
  CHECK_SAYS(outcome.err, "other/Oxfile.toml");
  CHECK(home.Pid("api/0") == before);
}

TEST_CASE("dependencies: an unknown one gets the nearest name, a cycle is printed") {
  const Home home;
  home.Oxfile(R"([processes.api]
command = "x"
depends_on = ["databse"]
[processes.database]
command = "x"
)");
  CHECK_SAYS(home.Run({"validate"}).all(), "did you mean \"database\"?");

  home.Oxfile(R"([processes.a]
command = "x"
depends_on = ["b"]
[processes.b]
command = "x"
depends_on = ["c"]
[processes.c]
command = "x"
depends_on = ["a"]
)");
  const Outcome cycle = home.Run({"validate"});
  CHECK(cycle.exit_code == 2);
  CHECK_SAYS(cycle.all(), "a → b → c → a");
}

TEST_CASE("an env_file that is missing or wrong is told with its place") {
  const Home home;
  home.Oxfile("[processes.api]\ncommand = \"x\"\nenv_file = \"missing.env\"\n");
  const Outcome missing = home.Run({"start"});
  CHECK(missing.exit_code == 2);
  CHECK_SAYS(missing.all(), "missing.env");

  home.Write("wrong.env", "GOOD=1\nthis is no assignment\n");
  home.Oxfile("[processes.api]\ncommand = \"x\"\nenv_file = \"wrong.env\"\n");
  const Outcome wrong = home.Run({"start"});
  CHECK(wrong.exit_code == 2);
  CHECK_SAYS(wrong.all(), "wrong.env:2:");
}

TEST_CASE("a port cannot be counted and started first at the same time") {
  const Home home;
  home.Oxfile(R"([processes.api]
command = "x"
port_base = 4000
reload_strategy = "start-first"
)");
  const Outcome outcome = home.Run({"validate"});
  CHECK(outcome.exit_code == 2);
  CHECK_SAYS(outcome.all(), "processes.api.reload_strategy");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
