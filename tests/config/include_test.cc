// Oxfiles that include others.
#include "tests/config/reading.h"

namespace oxherd {
namespace {

constexpr const char* kMain = "include = [\"conf.d/*.toml\"]\n";

TEST_CASE("services of included files stand beside those of the Oxfile, by the name of the file") {
  const Surroundings around{
      .files = {{"/srv/app/conf.d/20-b.toml", "[processes.b]\ncommand = \"b\""},
                {"/srv/app/conf.d/10-a.toml", "[processes.a]\ncommand = \"a\""},
                {"/srv/app/conf.d/.hidden.toml", "nonsense"},
                {"/srv/app/conf.d/README", "nonsense"}}};
  const Oxfile file = around.Read(std::string(kMain) + "[processes.main]\ncommand = \"m\"\n");
  REQUIRE(file.specs.size() == 3);
  CHECK(file.specs[0].name == "main");
  CHECK(file.specs[0].included_from.empty());
  CHECK(file.specs[1].name == "a");
  CHECK(file.specs[2].name == "b");
}

TEST_CASE("an included service is read again with the whole Oxfile, and runs beside its own file") {
  const Surroundings around{
      .files = {{"/srv/app/conf.d/a.toml", "\n[processes.a]\ncommand = \"a\"\nenv_file = \".env\""},
                {"/srv/app/conf.d/.env", "KEY=value"}},
      .folders = {"/srv/app", "/srv/app/conf.d"}};
  const Spec spec = around.ReadOne(kMain);
  CHECK(spec.source_file == "/srv/app/Oxfile.toml");
  CHECK(spec.included_from == "/srv/app/conf.d/a.toml");
  CHECK(spec.defined_in() == "/srv/app/conf.d/a.toml");
  CHECK(spec.source_line == 2);
  CHECK(spec.working_dir == "/srv/app/conf.d");
  CHECK(spec.env_files == std::vector<std::string>{"/srv/app/conf.d/.env"});
}

TEST_CASE("an included file has the defaults of the Oxfile, and its own on top of them") {
  const Surroundings around{
      .files = {{"/srv/app/conf.d/a.toml",
                 "[defaults]\nmax_restarts = 7\n[processes.a]\ncommand = \"a\"\n"},
                {"/srv/app/conf.d/b.toml", "[processes.b]\ncommand = \"b\"\n"}}};
  const Oxfile file =
      around.Read(std::string(kMain) +
                  "[defaults]\nmax_restarts = 5\nstop_timeout_ms = 77\ncwd = \"/srv/app\"\n");
  REQUIRE(file.specs.size() == 2);
  CHECK(file.specs[0].policy.max_restarts == 7);
  CHECK(file.specs[0].policy.stop_timeout == Millis(77));
  CHECK(file.specs[0].working_dir == "/srv/app");
  CHECK(file.specs[1].policy.max_restarts == 5);
}

TEST_CASE("services may depend on each other across files") {
  const Surroundings around{
      .files = {
          {"/srv/app/conf.d/a.toml", "[processes.a]\ncommand = \"a\"\ndepends_on = [\"main\"]\n"},
      }};
  const Oxfile file = around.Read(std::string(kMain) + "[processes.main]\ncommand = \"m\"\n");
  CHECK(file.specs[1].policy.depends_on.at(0).service == "main");
}

TEST_CASE("a wildcard may fit nothing, and an Oxfile that includes may define nothing") {
  const Surroundings around;
  CHECK(around.Read(kMain).specs.empty());
  CHECK(around.Read("include = []\n").specs.empty());
}

TEST_CASE("a mistake in an included file is told where it is, with its line") {
  const Surroundings around{.files = {{"/srv/app/conf.d/a.toml",
                                       "[processes.a]\ncommand = \"a\"\nstop_timout_ms = 5\n"}}};
  const auto outcome = around.Parse(std::string(kMain) + "[processes.m]\ncommand = 1\n");
  REQUIRE_FALSE(outcome.has_value());
  REQUIRE(outcome.error().size() == 2);
  CHECK(outcome.error()[0].file == "/srv/app/Oxfile.toml");
  CHECK(outcome.error()[0].source_line == "command = 1");
  CHECK(outcome.error()[1].Line() ==
        "/srv/app/conf.d/a.toml:3:1: processes.a.stop_timout_ms: unknown key; did you mean "
        "\"stop_timeout_ms\"?");
  CHECK(outcome.error()[1].source_line == "stop_timout_ms = 5");
}

TEST_CASE("broken TOML in an included file is told where it is") {
  const Surroundings around{.files = {{"/srv/app/conf.d/a.toml", "[processes.a]\ncommand = \n"}}};
  const std::string errors = around.Errors(kMain);
  CHECK(errors.starts_with("/srv/app/conf.d/a.toml:2:"));
}

TEST_CASE("a name that two files define is an error that names both") {
  const Surroundings around{
      .files = {{"/srv/app/conf.d/a.toml", "[processes.api]\ncommand = \"a\""},
                {"/srv/app/conf.d/b.toml", "[processes.x]\ncommand = \"a\""}}};
  CHECK(
      around.Errors(std::string(kMain) + "[processes.api]\ncommand = \"m\"\n") ==
      "/srv/app/conf.d/a.toml:1:12: processes.api: /srv/app/Oxfile.toml:2 defines \"api\" already; "
      "rename one of them");
}

TEST_CASE("what concerns the whole daemon stands only in the file that includes") {
  const Surroundings around{.files = {{"/srv/app/conf.d/a.toml",
                                       "include = [\"x\"]\n[supervisor]\nlog_level = \"debug\"\n"
                                       "[logging]\nmax_files = 1\n[nonsense]\n"}}};
  CHECK(around.Errors(kMain) ==
        "/srv/app/conf.d/a.toml:1:1: include: stands only in the file that includes this one, "
        "/srv/app/Oxfile.toml\n"
        "/srv/app/conf.d/a.toml:2:2: supervisor: stands only in the file that includes this one, "
        "/srv/app/Oxfile.toml\n"
        "/srv/app/conf.d/a.toml:4:2: logging: stands only in the file that includes this one, "
        "/srv/app/Oxfile.toml\n"
        "/srv/app/conf.d/a.toml:6:2: nonsense: unknown key \"nonsense\"; remove it");
}

TEST_CASE("a file that is named must be there; each file counts once, the Oxfile itself never") {
  const Surroundings around{.files = {{"/srv/app/a.toml", "[processes.a]\ncommand = \"a\"\n"},
                                      {"/srv/app/Oxfile.toml", "nonsense"},
                                      {"/opt/b.toml", "[processes.b]\ncommand = \"b\"\n"}}};
  const Oxfile file = around.Read("include = [\"a.toml\", \"*.toml\", \"/opt/*.toml\"]\n");
  CHECK(file.specs.size() == 2);
  CHECK(around.Errors("include = \"../none.toml\"\n") ==
        "1:11: include: /srv/none.toml: open: No such file or directory");
}

TEST_CASE("an include that is no name of a file, or has its wildcards elsewhere, is an error") {
  const Surroundings around;
  CHECK(around.Errors("include = [1]\n") ==
        "1:12: include: found the number 1, expected the name of a file, such as "
        "\"conf.d/*.toml\"");
  CHECK(around.Errors("include = \"*/a.toml\"\n") ==
        "1:11: include: wildcards may stand only in the last part of a path");
}

TEST_CASE("root reads no included file that somebody else may change") {
  const Surroundings around{
      .files = {{"/srv/app/conf.d/a.toml", "[processes.a]\ncommand = \"a\"\n"}},
      .unsafe = {"/srv/app/conf.d/a.toml"}};
  CHECK(around.Errors(kMain) ==
        "1:12: include: \"/srv/app/conf.d/a.toml\" can be written by others: it is not read as "
        "root");
}

TEST_CASE("included files are bounded in number and size") {
  Surroundings around;
  for (std::size_t i = 0; i <= kMaxIncludedFiles; ++i) {
    around.files["/srv/app/conf.d/" + std::to_string(i) + ".toml"] = "";
  }
  CHECK(around.Errors(kMain) == "1:12: include: more than 1000 files");
  around.files = {{"/srv/app/conf.d/a.toml", std::string(kMaxConfigBytes / 2 + 1, '\n')},
                  {"/srv/app/conf.d/b.toml", std::string(kMaxConfigBytes / 2 + 1, '\n')}};
  CHECK(around.Errors(kMain) == "1:12: include: the included files are larger than 4 MiB together");
}

}  // namespace
}  // namespace oxherd
