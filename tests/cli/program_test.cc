#include "cli/command_line/program.h"

#include <doctest/doctest.h>

#include <sstream>

namespace oxherd::cli {
namespace {

Options Parse(const std::vector<std::string>& words) {
  const auto options = ParseWords(words);
  REQUIRE_MESSAGE(options.has_value(), options.error().text);
  return *options;
}

std::string ValueOf(const Options& options, std::string_view key) {
  for (const ProgramSetting& setting : options.program.settings) {
    if (setting.key == key) return setting.value;
  }
  return "-";
}

TEST_CASE("a word means a program by what is there") {
  const WordFacts nothing;
  const WordFacts file{.is_file = true};
  CHECK(MeaningOf("server.js", file, false) == Meaning::kScript);
  CHECK(MeaningOf("server", {.is_file = true, .is_executable = true}, false) ==
        Meaning::kExecutable);
  CHECK(MeaningOf("server", file, false) == Meaning::kNotExecutable);
  CHECK(MeaningOf("server", file, true) == Meaning::kScript);
  CHECK(MeaningOf("python3 -m http.server", nothing, false) == Meaning::kLine);
  CHECK(MeaningOf("npm", {.is_on_path = true}, false) == Meaning::kOnPath);
  CHECK(MeaningOf("servr.js", nothing, false) == Meaning::kMissing);
  CHECK(MeaningOf("bin/server", nothing, false) == Meaning::kMissing);
  CHECK(MeaningOf("api/0", nothing, false) == Meaning::kService);
  CHECK(MeaningOf("/^api/", nothing, false) == Meaning::kService);
  CHECK(MeaningOf("api", nothing, false) == Meaning::kService);
  CHECK(MeaningOf("dist", {.is_folder = true, .is_executable = true}, false) == Meaning::kFolder);
}

TEST_CASE("the flags of a program are keys of its Oxfile") {
  const Options start = Parse({"start", "server.js", "-i", "0", "--kill-timeout", "3000",
                               "--stop-signal", "SIGINT", "--listen", "3000", "--listen", "[::1]:1",
                               "--max-memory-restart", "1G", "--wait-ready", "--no-autorestart"});
  CHECK(ValueOf(start, "instances") == "\"max\"");
  CHECK(ValueOf(start, "stop_timeout_ms") == "3000");
  CHECK(ValueOf(start, "stop_signal") == "\"SIGINT\"");
  CHECK(ValueOf(start, "listen") == "[3000, \"[::1]:1\"]");
  CHECK(ValueOf(start, "limits.memory_mb") == "1024");
  CHECK(ValueOf(start, "ready") == "\"notify\"");
  CHECK(ValueOf(start, "restart") == "\"never\"");
  CHECK(start.typed == std::vector<std::string>{"server.js"});
  CHECK(ValueOf(Parse({"start", "a", "--listen", "3000"}), "listen") == "3000");
  CHECK(ValueOf(Parse({"start", "a", "--stop-timeout", "1m"}), "stop_timeout_ms") == "\"1m\"");
}

TEST_CASE("what comes after -- is the program's own, whatever it looks like") {
  const Options start =
      Parse({"start", "server.js", "--name", "api", "--", "--port", "3000", "-c"});
  CHECK(start.arguments == std::vector<std::string>{"--port", "3000", "-c"});
  CHECK(start.names == std::vector<std::string>{"server.js"});
  CHECK(start.program.name == "api");
}

TEST_CASE("--env is a variable with an = and a profile without; -e copies") {
  const Options start =
      Parse({"start", "a.js", "--env", "A=1=2", "-e", "B", "-e", "C=3", "--env", "production"});
  CHECK(start.program.env == std::vector<EnvEntry>{{"A", "1=2"}, {"C", "3"}});
  CHECK(start.program.copied == std::vector<std::string>{"B"});
  CHECK(start.profile == "production");
  CHECK_FALSE(ParseWords(std::vector<std::string>{"start", "a.js", "--env", "1X=2"}).has_value());
}

}  // namespace
}  // namespace oxherd::cli
