#include "daemon/arguments.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace oxherd {
namespace {

// As a keeper starts it: the folders first, then what was behind "--".
Result<Arguments> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), {"oxherd-daemon", "--state", "/s", "--runtime", "/r"});
  std::vector<char*> plain;
  for (std::string& word : words) plain.push_back(word.data());
  return ParseArguments(plain);
}

TEST_SUITE_BEGIN("arguments");

TEST_CASE("a daemon's arguments come through the next keeper's command line as they were") {
  const std::vector<std::string> run = {
      "--logs",      "/l",  "--run",        "/a.toml", "--run",  "/b.toml", "--profile", "test",
      "--exit-with", "job", "--on-failure", "go-on",   "--only", "job",     "--only",    "db"};
  const auto first = Parse(run);
  REQUIRE(first.has_value());
  CHECK(WordsFor(*first) == run);
  for (const char* option : {"--oxfile", "--named-oxfile"}) {
    const std::vector<std::string> words = {"--logs", "/l", option, "/etc/oxherd/Oxfile.toml"};
    const auto own = Parse(words);
    REQUIRE(own.has_value());
    CHECK(WordsFor(*own) == words);
  }
  const auto bare = Parse({});
  REQUIRE(bare.has_value());
  CHECK(WordsFor(*bare) == std::vector<std::string>{"--logs", "/s/logs"});
}

TEST_CASE("what is not understood is named") {
  CHECK(Parse({"--loud", "yes"}).error().message == "\"--loud\" is not understood");
  CHECK(Parse({"--run"}).error().message == "--run needs a value");
  CHECK(Parse({"--check-image", "2"}).error().message == "--check-image needs a descriptor");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd
