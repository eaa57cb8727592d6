#include "os/captured_program.h"

#include <doctest/doctest.h>

#include <cerrno>

#include "os/clock.h"

namespace oxherd::os {
namespace {

CapturedProgram Shell(const char* script) {
  CapturedProgram program;
  program.name = "sh";
  program.arguments = {"-c", script};
  program.folder = "/";
  return program;
}

TEST_CASE("a captured program's streams, folder and end are told apart") {
  const auto captured = RunCaptured(Shell("pwd; echo wrong >&2; exit 3"));
  REQUIRE(captured.has_value());
  CHECK(captured->out == "/\n");
  CHECK(captured->err == "wrong\n");
  CHECK(captured->status == ExitStatus::Code(3));
  CHECK(RunCaptured(Shell("kill -9 $$"))->status == ExitStatus::Signal(9));
}

TEST_CASE("a captured program that does not end is killed, and so is what it has started") {
  CapturedProgram endless = Shell("sleep 1000 & exec sleep 1000");
  endless.time = Millis(200);
  const Instant began = Now();
  const auto captured = RunCaptured(endless);
  REQUIRE_FALSE(captured.has_value());
  CHECK(captured.error().message.contains("did not end within 200 ms"));
  CHECK(Now() - began < std::chrono::seconds(20));
  // It closed its streams, which is no end.
  endless = Shell("exec >&- 2>&-; sleep 1000");
  endless.time = Millis(200);
  CHECK_FALSE(RunCaptured(endless).has_value());
}

TEST_CASE("a captured program may say so much and no more") {
  CapturedProgram talker = Shell("while :; do echo 0123456789; done");
  talker.most = 100'000;
  const auto captured = RunCaptured(talker);
  REQUIRE_FALSE(captured.has_value());
  CHECK(captured.error().message.contains("printed more than 100000 bytes"));
}

TEST_CASE("a program that is not there is an error with its number") {
  CapturedProgram nobody;
  nobody.name = "oxherd-nobody";
  nobody.folder = "/";
  const auto captured = RunCaptured(nobody);
  REQUIRE_FALSE(captured.has_value());
  CHECK(captured.error().number == ENOENT);
}

TEST_CASE("a command's end and what it says on both streams come back") {
  const auto done = RunCommand({"sh", "-c", "echo one; echo two >&2; exit 3"});
  REQUIRE(done.has_value());
  CHECK(done->exit_code == 3);
  CHECK(done->output == "one\ntwo");
  CHECK(RunCommand({"sh", "-c", "kill -9 $$"})->exit_code == 137);
  CHECK_FALSE(RunCommand({"no-such-program-of-ours"}).has_value());
}

}  // namespace
}  // namespace oxherd::os
