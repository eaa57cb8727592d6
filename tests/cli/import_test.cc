#include "cli/commands/import.h"

#include <doctest/doctest.h>

#include "cli/command_line/options.h"

namespace oxherd::cli {
namespace {

TEST_CASE("ecosystem files are known by their names, programs are not taken for one") {
  for (const char* name : {"ecosystem.config.js", "a/b/pm2.config.cjs", "x.config.mjs",
                           "process.json", "ecosystem.js"}) {
    CHECK_MESSAGE(IsEcosystemFile(name), name);
  }
  for (const char* name : {"server.js", "api", "Oxfile.toml", ".json", "config.js", "json"}) {
    CHECK_MESSAGE(!IsEcosystemFile(name), name);
  }
}

TEST_CASE("an ecosystem file can stand where an Oxfile does") {
  const auto parse = [](std::vector<std::string> words) {
    const auto options = ParseWords(words);
    REQUIRE(options.has_value());
    return *options;
  };
  CHECK(parse({"start", "ecosystem.config.js"}).oxfile == "ecosystem.config.js");
  CHECK(parse({"reload", "ecosystem.config.js", "api"}).names == std::vector<std::string>{"api"});
  CHECK_FALSE(parse({"stop", "ecosystem.config.js"}).oxfile.has_value());
  const Options made = parse({"import", "ecosystem.config.js", "--out", "Oxfile.toml"});
  CHECK(made.verb == Verb::kImport);
  CHECK(made.names == std::vector<std::string>{"ecosystem.config.js"});
  CHECK(made.out == "Oxfile.toml");
  const auto nothing = ParseWords(std::vector<std::string>{"import"});
  REQUIRE_FALSE(nothing.has_value());
  CHECK(nothing.error().text.contains("oxherd import ecosystem.config.js"));
}

TEST_CASE("what node says of a file becomes one line with its place") {
  const auto located = [](std::string_view said) {
    return LocateNodeError(said, "/srv/a.config.js", "a.config.js");
  };
  CHECK(located("/srv/a.config.js:3\n  throw new Error(\"no\");\n        ^\n\nError: no\n"
                "    at Object.<anonymous> (/srv/a.config.js:3:9)\n"
                "    at Module._compile (node:internal/modules/cjs/loader:1521:14)\n\n"
                "Node.js v20.20.2\n") == "a.config.js:3:9: Error: no");
  CHECK(located("file:///srv/a.config.js:1\nnull.x\n     ^\n\nTypeError: Cannot read\n"
                "    at file:///srv/a.config.js:1:6\n") ==
        "a.config.js:1:6: TypeError: Cannot read");
  CHECK(located("/srv/a.config.js:2\n\n\n\nSyntaxError: Unexpected end of input\n"
                "    at wrapSafe (node:internal/modules/cjs/loader:1464:18)\n") ==
        "a.config.js:2: SyntaxError: Unexpected end of input");
  CHECK(located("node:internal/modules/cjs/loader:1207\n  const err = new Error(message);\n\n"
                "Error: Cannot find module 'nope'\nRequire stack:\n- /srv/a.config.js\n"
                "    at Object.<anonymous> (/srv/a.config.js:1:11)\n") ==
        "a.config.js:1:11: Error: Cannot find module 'nope'");
  CHECK(located("") == "a.config.js: node could not evaluate it");
  CHECK(located("Uncaught:\nno error at all\n\nNode.js v20\n") == "a.config.js: no error at all");
}

}  // namespace
}  // namespace oxherd::cli
