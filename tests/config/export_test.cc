#include "config/export_service.h"

#include <doctest/doctest.h>

#include <map>

#include "config/oxfile.h"

namespace oxherd {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view kText = R"(
[defaults]
stop_timeout_ms = "7s"
env = { A = "default", B = "default" }
cwd = "app"

[processes.api]
command = ["node", "server.js", "--name", "a \"b\""]
env_file = [{ path = "some.env", optional = true }]
depends_on = ["migrate"]
log_file = "log/api.log"
[processes.api.env]
A = "${B}/x"
Z = 3
[processes.api.health_check]
command = "true"
[processes.api.profiles.production]
env = { A = "p" }
working_dir = "release"

[processes.migrate]
type = "oneshot"
command = "echo done && true"
working_dir = "/srv"

[processes.other]
command = "true"
)";

std::vector<Spec> SpecsOf(std::string_view text, const std::string& path, const char* profile) {
  ReadOptions options;
  options.base_environment = {{"HOME", "/root"}};
  options.profile = profile;
  const auto read = ParseOxfile(text, path, options);
  REQUIRE_MESSAGE(read, (read ? "" : read.error().front().Line()));
  std::vector<Spec> specs = read->specs;
  for (Spec& spec : specs) {
    spec.source_file.clear();
    spec.source_line = 0;
    std::map<std::string, std::string> last;  // of each variable, its last word
    for (const auto& [name, value] : spec.env) last[name] = value;
    spec.env.assign(last.begin(), last.end());
  }
  return specs;
}

TEST_CASE("what is exported means the same in another folder") {
  const auto exported = ExportServices(kText, "/srv/shop", Names{"api"});
  REQUIRE(exported);
  for (const char* profile : {"", "production"}) {
    const auto before = SpecsOf(kText, "/srv/shop/Oxfile.toml", profile);
    const auto after = SpecsOf(*exported, "/elsewhere/Oxfile.toml", profile);
    REQUIRE_MESSAGE(after.size() == 2, *exported);
    CHECK_MESSAGE(after[0] == before[0], *exported);
    CHECK_MESSAGE(after[1] == before[1], *exported);
  }
  // Again, it is the same text.
  CHECK(ExportServices(*exported, "/elsewhere", Names{"api"}).value() == *exported);
}

TEST_CASE("OxMgr's apps are exported as such, and what is not there is said") {
  const auto exported = ExportServices("[[apps]]\nname = \"api\"\ncommand = \"a b\"\ncwd = \"x\"\n",
                                       "/srv", Names{"api"});
  REQUIRE(exported);
  CHECK(*exported == "[[apps]]\nname = \"api\"\ncommand = \"a b\"\ncwd = \"/srv/x\"\n");
  CHECK(ExportServices(kText, "/srv", Names{"nope"}).error().message ==
        "nope is not defined in it");
}

}  // namespace
}  // namespace oxherd
