// What is made of a Procfile, and every line that is none.
#include "config/procfile.h"

#include <string>

#include "tests/config/reading.h"

namespace oxherd {
namespace {

ProcfileImport Import(std::string_view text, const ProcfileSource& source = {.name = "Procfile"}) {
  return OxfileFromProcfile(text, source);
}

TEST_CASE("each line of a Procfile becomes a service, the release a oneshot before the others") {
  const ProcfileImport made = Import(
      "# a comment\r\n"
      "web: bundle exec puma -p $PORT\r\n"
      "worker:  node work.js --queue \"two words\"\n\n"
      "release: npx prisma migrate deploy");
  REQUIRE(made.problems.empty());
  const auto specs = Surroundings().Read(made.text).specs;
  REQUIRE(specs.size() == 3);
  const Spec& web = specs[0];
  CHECK(web.name == "web");
  CHECK(web.command.through_shell);
  REQUIRE(web.policy.listen.size() == 1);
  CHECK(web.policy.listen[0].address.ends_with(":5000"));
  CHECK(specs[1].command.argv ==
        std::vector<std::string>{"node", "work.js", "--queue", "two words"});
  CHECK(specs[1].policy.listen.empty());
  REQUIRE(specs[1].policy.depends_on.size() == 1);
  CHECK(specs[1].policy.depends_on[0].service == "release");
}

TEST_CASE("a web process that says nothing of $PORT keeps its own port") {
  const ProcfileImport made = Import("web: node server.js\nadmin: node admin.js --port=${PORT}\n");
  const auto specs = Surroundings().Read(made.text).specs;
  CHECK(specs[0].policy.listen.empty());
  CHECK(made.text.contains("# listen = 5000"));
  REQUIRE(specs[1].policy.listen.size() == 1);
  CHECK(specs[1].policy.listen[0].address.ends_with(":5100"));
}

TEST_CASE("the .env beside a Procfile is read, and its commands run in its folder") {
  const ProcfileImport made =
      Import("web: node a.js\n",
             {.name = "Procfile.dev", .folder = "/srv/${x}", .env_files = {"/srv/${x}/.env"}});
  CHECK(made.text.starts_with("# Made from Procfile.dev."));
  CHECK(made.text.contains("working_dir = \"/srv/$${x}\""));
  CHECK(made.text.contains("env_file = "));
}

TEST_CASE("every line of a Procfile that is none is located, all at once") {
  const ProcfileImport made =
      Import("web: node a.js\nnonsense\nmy app: x\nworker: echo \"open\nweb: again\nempty:\n");
  REQUIRE(made.problems.size() == 5);
  const auto line = [&](std::size_t i) { return made.problems[i].position.line; };
  CHECK(line(0) == 2);
  CHECK(line(1) == 3);
  CHECK(line(2) == 4);
  CHECK(line(3) == 5);
  CHECK(line(4) == 6);
  CHECK(made.problems[3].message.contains("a second \"web\""));
  CHECK(Import("# nothing\n").problems.size() == 1);
  CHECK(Import("\xFF\xFE: x\n").problems.size() == 1);
}

TEST_CASE("names that a service cannot have are changed, and that is said") {
  const ProcfileImport made = Import("42: sleep 1\ndéjà: sleep 2\n");
  CHECK(made.problems.empty());
  CHECK(made.warnings.size() == 2);
  CHECK(Surroundings().Read(made.text).specs.size() == 2);
}

}  // namespace
}  // namespace oxherd
