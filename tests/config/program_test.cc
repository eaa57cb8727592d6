#include "config/program_oxfile.h"

#include <doctest/doctest.h>

#include "config/env_file.h"
#include "config/oxfile.h"

namespace oxherd {
namespace {

using Keys = std::vector<std::string>;

TypedProgram Api() {
  return {.name = "api",
          .line = "",
          .words = {"node", "it's \"here\".js", "--port", "3000"},
          .folder = "/srv/app",
          .settings = {{"-i", "instances", "1"},
                       {"--health-url", "health_check.endpoint", "\"http://127.0.0.1:1/\""}},
          .env_files = {},
          .env = {{"A", "one\ntwo"}}};
}

TEST_CASE("what was typed is a valid Oxfile that means the same") {
  const auto read = ParseOxfile(OxfileFor(Api(), "oxherd start \n x"), "api.toml", {});
  REQUIRE(read);
  REQUIRE(read->specs.size() == 1);
  const Spec& spec = read->specs.front();
  CHECK(spec.name == "api");
  CHECK(spec.command.argv == Keys{"node", "it's \"here\".js", "--port", "3000"});
  CHECK(spec.working_dir == "/srv/app");
  CHECK(spec.policy.instances == 1);
  CHECK(spec.health_check.kind == HealthCheck::Kind::kHttp);
  CHECK(spec.env == std::vector<EnvEntry>{{"A", "one\ntwo"}});
}

TEST_CASE("other flags are told by their keys") {
  const std::string before = OxfileFor(Api(), "one");
  CHECK(ChangedKeys(before, OxfileFor(Api(), "another comment")).value().empty());
  TypedProgram other = Api();
  other.settings[0].value = "3";
  other.settings.pop_back();
  other.env.emplace_back("B", "1");
  CHECK(ChangedKeys(before, OxfileFor(other, "")).value() ==
        Keys{"env.B", "health_check.endpoint", "instances"});
  CHECK_FALSE(ChangedKeys(before, "nonsense =").has_value());
}

TEST_CASE("the shell's variables are kept, the session's are not") {
  const std::vector<EnvEntry> shell = {{"DATABASE_URL", "pg://\"a\" 'b' ${C} $D\nnext\\"},
                                       {"TERM", "xterm"},
                                       {"SSH_CLIENT", "1"},
                                       {"PATH", "/bin"},
                                       {"PM2_HOME", "/x"},
                                       {"BASH_FUNC_a%%", "() { :; }"},
                                       {"BAD", "\xff"}};
  const EnvFile read = ParseEnvFile(EnvFileFor(shell));
  CHECK(read.problems.empty());
  REQUIRE(read.entries.size() == 1);
  CHECK(read.entries[0].name == "DATABASE_URL");
  CHECK(read.entries[0].value == "pg://\"a\" 'b' $${C} $D\nnext\\");
}

TEST_CASE("files are run by what their names say, and name their service") {
  CHECK(InterpreterOf("dist/server.js") == Keys{"node"});
  CHECK(InterpreterOf("a.py") == Keys{"python3", "-u"});
  CHECK(InterpreterOf("a.d/server").empty());
  CHECK(ServiceNameFor("./dist/server.js") == "server");
  CHECK(ServiceNameFor("my app!.v2.py") == "myapp.v2");
  CHECK(ServiceNameFor("3000") == "app3000");
  CHECK(ServiceNameFor("all.sh") == "appall");
  CHECK(ServiceNameFor(".env") == "env");
}

}  // namespace
}  // namespace oxherd
