#include "config/command.h"

#include <string>
#include <vector>

#include "doctest/doctest.h"

namespace oxherd {
namespace {

using Words = std::vector<std::string>;

Words Argv(std::string_view line) {
  const auto command = ParseCommand(line);
  if (!command) FAIL(command.error().message);
  return command->argv;
}

std::string ShellLineOf(std::string_view line) {
  const auto command = ParseCommand(line);
  if (!command) FAIL(command.error().message);
  REQUIRE(command->through_shell);
  REQUIRE(command->argv.size() == 3);
  CHECK(command->argv[0] == "/bin/sh");
  CHECK(command->argv[1] == "-c");
  return command->argv[2];
}

std::string Refusal(std::string_view line) {
  const auto command = ParseCommand(line);
  REQUIRE_FALSE(command.has_value());
  return command.error().message;
}

TEST_CASE("a command without shell syntax is exec'd as its words") {
  CHECK(Argv("node dist/server.js") == Words{"node", "dist/server.js"});
  CHECK(Argv("  node   a\tb  ") == Words{"node", "a", "b"});
  CHECK(Argv("x http://127.0.0.1:3000/a=b --c=%d,e@f") ==
        Words{"x", "http://127.0.0.1:3000/a=b", "--c=%d,e@f"});
  CHECK_FALSE(ParseCommand("node dist/server.js")->through_shell);
}

TEST_CASE("quotes and backslashes in a command mean what they mean to sh") {
  CHECK(Argv(R"(x 'a b' "c d" e\ f)") == Words{"x", "a b", "c d", "e f"});
  CHECK(Argv(R"(x "a\"b" 'c\d' "e\f" "")") == Words{"x", "a\"b", "c\\d", "e\\f", ""});
  CHECK(Argv(R"(x a'b'"c"\d)") == Words{"x", "abcd"});
  CHECK(Argv("x 'a|b;c&d>e<f(g)$h`i*j?k[l~'") == Words{"x", "a|b;c&d>e<f(g)$h`i*j?k[l~"});
  CHECK(Argv("x a\\\nb") == Words{"x", "ab"});
  CHECK(Argv("x a#b c~d 100$ $") == Words{"x", "a#b", "c~d", "100$", "$"});
}

TEST_CASE("a literal dollar brace in quotes stays literal when the environment is filled in") {
  CHECK(Argv("node -e 'f(`x`, \"${NAME}\")'") == Words{"node", "-e", "f(`x`, \"$${NAME}\")"});
  CHECK(CommandText(*ParseCommand("node -e 'a ${B}'")) == "node -e 'a ${B}'");
}

TEST_CASE("the number of the instance in a command needs no shell") {
  CHECK(Argv("server --id ${INSTANCE} --port=${3000 + INSTANCE}") ==
        Words{"server", "--id", "${INSTANCE}", "--port=${3000 + INSTANCE}"});
}

TEST_CASE("a single command with variables, globs or redirects runs as sh -c with exec in front") {
  CHECK(ShellLineOf("node server.js --port $PORT") == "exec node server.js --port $PORT");
  CHECK(ShellLineOf("node \"${APP}/server.js\"") == "exec node \"${APP}/server.js\"");
  CHECK(ShellLineOf("cat *.txt") == "exec cat *.txt");
  CHECK(ShellLineOf("server > out.log 2>&1") == "exec server > out.log 2>&1");
  CHECK(ShellLineOf("~/bin/server") == "exec ~/bin/server");
  CHECK(ShellLineOf("server $(cat args)") == "server $(cat args)");
  CHECK(ShellLineOf("server `id -u`") == "exec server `id -u`");
  CHECK(ShellLineOf("$APP run") == "exec $APP run");
}

TEST_CASE("variables set in front of a command stay in front of exec") {
  CHECK(ShellLineOf("NODE_ENV=production node server.js") ==
        "NODE_ENV=production exec node server.js");
  CHECK(ShellLineOf("A=1 B='x y' node s.js $C") == "A=1 B='x y' exec node s.js $C");
  CHECK(ShellLineOf("A=1") == "A=1");
}

TEST_CASE("pipes, lists and what only a shell can do keep the shell") {
  CHECK(ShellLineOf("a | b") == "a | b");
  CHECK(ShellLineOf("cd dist && node server.js") == "cd dist && node server.js");
  CHECK(ShellLineOf("a; b") == "a; b");
  CHECK(ShellLineOf("a &") == "a &");
  CHECK(ShellLineOf("(a)") == "(a)");
  CHECK(ShellLineOf("a\nb") == "a\nb");
  CHECK(ShellLineOf("exec node server.js") == "exec node server.js");
  CHECK(ShellLineOf("while true") == "while true");
  CHECK(ShellLineOf(". ./env.sh") == ". ./env.sh");
  CHECK(ShellLineOf(">log server") == ">log server");
}

TEST_CASE("source in a command is refused, since sh has none, and the mend names the file") {
  CHECK(Refusal("source venv/bin/activate && python app.py") ==
        "/bin/sh has no \"source\"; write \". venv/bin/activate\"");
  CHECK(Refusal("cd x && source env") == "/bin/sh has no \"source\"; write \". ./env\"");
  CHECK(Argv("echo source") == Words{"echo", "source"});
  CHECK(Argv("'source' x") == Words{"source", "x"});
}

TEST_CASE("a command that is empty or has an open quote is refused") {
  CHECK(Refusal("").starts_with("an empty command"));
  CHECK(Refusal(" \n\t").starts_with("an empty command"));
  CHECK(Refusal("''") == "the program's name is empty");
  CHECK(Refusal("x 'y") == "a ' is not closed; add ' at the end");
  CHECK(Refusal("x \"y") == "a \" is not closed; add \" at the end");
  CHECK(Refusal("x \"y\\\"") == "a \" is not closed; add \" at the end");
}

TEST_CASE("a command is shown as one would type it") {
  CHECK(CommandText(Command{{"node", "a b", "it's", "", "x$y"}, false}) ==
        R"(node 'a b' 'it'\''s' '' 'x$y')");
  CHECK(CommandText(*ParseCommand("a | b")) == "a | b");
}

}  // namespace
}  // namespace oxherd
