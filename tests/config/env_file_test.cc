#include "config/env_file.h"

#include <string>
#include <vector>

#include "core/spec.h"
#include "doctest/doctest.h"

namespace oxherd {
namespace {

std::vector<EnvEntry> Entries(std::string_view text) {
  const EnvFile file = ParseEnvFile(text);
  for (const EnvFileProblem& problem : file.problems) FAIL(problem.message);
  std::vector<EnvEntry> entries;
  for (const EnvFileEntry& entry : file.entries) entries.emplace_back(entry.name, entry.value);
  return entries;
}

std::string Problems(std::string_view text) {
  std::string all;
  for (const EnvFileProblem& problem : ParseEnvFile(text).problems) {
    all += std::to_string(problem.position.line) + ":" + std::to_string(problem.position.column) +
           ": " + (problem.name.empty() ? "" : problem.name + ": ") + problem.message + "\n";
  }
  return all;
}

using Variables = std::vector<EnvEntry>;

TEST_CASE("an env file is lines of KEY=value, with comments and blank lines") {
  CHECK(
      Entries("# comment\n\nA=1\nexport B=two words \n C = 3 # three\nD=\nE=a#b\nF==x=") ==
      Variables{{"A", "1"}, {"B", "two words"}, {"C", "3"}, {"D", ""}, {"E", "a#b"}, {"F", "=x="}});
}

TEST_CASE("single quotes in an env file keep everything as it is") {
  CHECK(Entries("A='x # \\n \"y\" $Z'\nB='p ${Q}'") ==
        Variables{{"A", "x # \\n \"y\" $Z"}, {"B", "p $${Q}"}});
}

TEST_CASE("double quotes in an env file know escapes") {
  CHECK(Entries(R"(A="a\nb\t\"c\"\\ \d # e" # f)") == Variables{{"A", "a\nb\t\"c\"\\ \\d # e"}});
  CHECK(Entries(R"(A="x ${B} \${C} \$D")") == Variables{{"A", "x ${B} $${C} $D"}});
}

TEST_CASE("a quoted value in an env file may go over several lines") {
  CHECK(Entries("KEY=\"-----BEGIN\nabc=\n-----END\"\nB='1\n2'\n") ==
        Variables{{"KEY", "-----BEGIN\nabc=\n-----END"}, {"B", "1\n2"}});
}

TEST_CASE("an env file from Windows is read") {
  CHECK(Entries("\xEF\xBB\xBF"
                "A=1\r\nB=\"x\"\r\n# c\r\n\r\nC='y'\r\n") ==
        Variables{{"A", "1"}, {"B", "x"}, {"C", "y"}});
}

TEST_CASE("a name that comes twice in an env file is kept twice, so that later wins") {
  CHECK(Entries("A=1\nA=2") == Variables{{"A", "1"}, {"A", "2"}});
}

TEST_CASE("every broken line of an env file is reported at its place, and no value repeated") {
  CHECK(Problems("A=1\nsecret-token\n9X=2\nB='abc' def\nC=a${b c}d\nD=\"open\nE=1") ==
        "2:1: not KEY=value; a comment begins with #\n"
        "3:1: what stands before = is not the name of a variable; write letters, digits and _, not "
        "beginning with a digit\n"
        "4:9: B: text after the closing '; put the whole value in quotes\n"
        "5:3: C: what stands in ${…} is neither a variable nor 3000 + INSTANCE; a literal ${ is "
        "written $${; or put the value in '…'\n"
        "6:3: D: this \" is never closed; add \" at the end of the value\n");
}

TEST_CASE("an env file that is not UTF-8 or holds a NUL byte is refused at its place") {
  CHECK(Problems("A=1\nB=\xFF") == "2:3: byte 0xFF is not UTF-8; save the file as UTF-8\n");
  CHECK(Problems(std::string_view("A=\0", 3)).starts_with("1:3: a NUL byte"));
}

}  // namespace
}  // namespace oxherd
