#include "config/environment.h"

#include <algorithm>
#include <map>
#include <string>

#include "config/command.h"
#include "doctest/doctest.h"

namespace oxherd {
namespace {

using Variables = std::map<std::string, std::string>;

const std::vector<EnvEntry> kBase = {{"PATH", "/bin"}, {"HOME", "/root"}};

Spec SpecWith(std::vector<EnvEntry> env) {
  Spec spec;
  spec.name = "api";
  spec.env = std::move(env);
  return spec;
}

Variables Build(const Spec& spec, SlotIndex slot = 0, const std::vector<EnvEntry>& base = kBase) {
  auto built = BuildEnvironment(spec, {slot, Generation(7), Token(42)}, base);
  if (!built) FAIL(built.error().message);
  CHECK(std::ranges::is_sorted(*built));
  return {built->begin(), built->end()};
}

TEST_CASE("an instance's environment is the base, what the service says, and ours") {
  CHECK(Build(SpecWith({{"A", "1"}}), 3) == Variables{{"A", "1"},
                                                      {"HOME", "/root"},
                                                      {"NODE_APP_INSTANCE", "3"},
                                                      {"OXHERD_GENERATION", "7"},
                                                      {"OXHERD_INSTANCE_ID", "3"},
                                                      {"OXHERD_SERVICE", "api"},
                                                      {"OXHERD_TOKEN", "42"},
                                                      {"OXMGR_INSTANCE_ID", "3"},
                                                      {"PATH", "/bin"},
                                                      {"PYTHONUNBUFFERED", "1"}});
}

TEST_CASE("later variables win over earlier ones and the base, and may name them") {
  const Variables built = Build(SpecWith({{"PATH", "/app:${PATH}"}, {"A", "1"}, {"A", "${A}2"}}));
  CHECK(built.at("PATH") == "/app:/bin");
  CHECK(built.at("A") == "12");
}

TEST_CASE("nothing overrides our own variables") {
  const Variables built = Build(SpecWith({{"OXHERD_TOKEN", "1"}, {"NODE_APP_INSTANCE", "x"}}), 1,
                                {{"OXHERD_TOKEN", "9"}});
  CHECK(built.at("OXHERD_TOKEN") == "42");
  CHECK(built.at("NODE_APP_INSTANCE") == "1");
}

TEST_CASE("port_base gives each instance a PORT of its own, unless env sets one") {
  Spec spec = SpecWith({{"URL", "http://x:${PORT}"}});
  spec.port_base = 4000;
  CHECK(Build(spec, 2, {{"PORT", "1"}}).at("PORT") == "4002");
  CHECK(Build(spec, 2).at("URL") == "http://x:4002");
  spec.env = {{"PORT", "${9000 + INSTANCE}"}};
  CHECK(Build(spec, 2).at("PORT") == "9002");
}

TEST_CASE("Python's output is unbuffered unless somebody says otherwise") {
  CHECK(Build(SpecWith({{"PYTHONUNBUFFERED", "0"}})).at("PYTHONUNBUFFERED") == "0");
  CHECK(Build(SpecWith({}), 0, {{"PYTHONUNBUFFERED", ""}}).at("PYTHONUNBUFFERED").empty());
}

TEST_CASE("what systemd says to the supervisor does not reach an instance") {
  const Variables built =
      Build(SpecWith({}), 0,
            {{"NOTIFY_SOCKET", "x"}, {"LISTEN_FDS", "1"}, {"INVOCATION_ID", "y"}, {"KEEP", "z"}});
  CHECK_FALSE(built.contains("NOTIFY_SOCKET"));
  CHECK_FALSE(built.contains("LISTEN_FDS"));
  CHECK_FALSE(built.contains("INVOCATION_ID"));
  CHECK(built.at("KEEP") == "z");
}

TEST_CASE("a variable that is not set is an error that names it and no value") {
  const auto built = BuildEnvironment(SpecWith({{"A", "secret${NOPE}"}}), {}, kBase);
  REQUIRE_FALSE(built.has_value());
  CHECK(built.error().message == "env.A: ${NOPE} is not set");
}

TEST_CASE("a base variable that the caller did not have is empty") {
  CHECK(Build(SpecWith({{"A", "[${TZ}${LC_ALL}]"}})).at("A") == "[]");
}

TEST_CASE("variables that double each other are stopped before they fill memory") {
  std::vector<EnvEntry> env = {{"A0", std::string(100, 'x')}};
  for (int i = 1; i < 40; ++i) {
    const std::string last = "${A" + std::to_string(i - 1) + "}";
    env.emplace_back("A" + std::to_string(i), last + last);
  }
  const auto built = BuildEnvironment(SpecWith(env), {}, kBase);
  REQUIRE_FALSE(built.has_value());
  CHECK(built.error().message.contains("longer than 131071 bytes once its ${…} are filled in"));
}

TEST_CASE("only the base variables of a caller are taken") {
  const std::vector<EnvEntry> caller = {{"PATH", "p"},    {"LC_TIME", "l"},    {"TZ", "t"},
                                        {"SSH_TTY", "s"}, {"LD_PRELOAD", "x"}, {"XDG_DATA", "y"},
                                        {"LANG", "g"}};
  CHECK(BaseEnvironment(caller) ==
        std::vector<EnvEntry>{{"PATH", "p"}, {"LC_TIME", "l"}, {"TZ", "t"}, {"LANG", "g"}});
}

TEST_CASE("placeholders are names, the instance's number, sums, and an escape") {
  const std::vector<EnvEntry> environment = {{"A", "x"}, {"B", ""}};
  CHECK(*Expand("${A}-${B}-${INSTANCE}", environment, 4) == "x--4");
  CHECK(*Expand("${3000 + INSTANCE} ${INSTANCE+1}", environment, 4) == "3004 5");
  CHECK(*Expand("$A $${A} $$ ${A}}", environment, 4) == "$A ${A} $$ x}");
  for (const char* text : {"${", "${}", "${A", "${A-b}", "${1A}", "${INSTANCE + INSTANCE}",
                           "${INSTANCE - 1}", "${99999999999999999999 + INSTANCE}", "${C}"}) {
    CAPTURE(text);
    CHECK_FALSE(Expand(text, environment, 0).has_value());
  }
}

TEST_CASE("an argument vector is expanded; of a shell's line only the instance's number is") {
  const std::vector<EnvEntry> environment = {{"A", "x y"}};
  using Words = std::vector<std::string>;
  CHECK(*ExpandCommand(Command{{"p", "${A}", "${INSTANCE}"}, false}, environment, 2) ==
        Words{"p", "x y", "2"});
  const auto shell = ParseCommand("p ${A} ${INSTANCE} ${80 + INSTANCE} | q");
  REQUIRE(shell.has_value());
  CHECK(*ExpandCommand(*shell, environment, 2) == Words{"/bin/sh", "-c", "p ${A} 2 82 | q"});
  const auto quoted = ParseCommand("p '${A}'");
  REQUIRE(quoted.has_value());
  CHECK(*ExpandCommand(*quoted, environment, 2) == Words{"p", "${A}"});
}

}  // namespace
}  // namespace oxherd
