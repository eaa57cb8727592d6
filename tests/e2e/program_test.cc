// Programs that are typed and not written down: `oxherd start server.py --name api`.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("program");

constexpr const char* kScript = "echo \"$0 $* A=$A B=$B\"\nexec sleep 1000\n";

TEST_CASE("a program is started with its flags, and kept until it is deleted") {
  Home home;
  home.Write("server.sh", kScript);
  home.SetEnvironment("B", "from the 'shell' ${X}");
  home.MustRun(
      {"start", "server.sh", "--name", "api", "-i", "2", "--env", "A=1", "--", "--port", "3000 x"});
  home.WaitForLog("api/1", "server.sh --port 3000 x A=1 B=from the 'shell' ${X}\n");
  const pid_t pid = home.Pid("api/0");

  const Outcome again = home.MustRun(
      {"start", "server.sh", "--name", "api", "-i", "2", "--env", "A=1", "--", "--port", "3000 x"});
  CHECK_SAYS(again.out, "already");
  CHECK(home.Pid("api/0") == pid);
  CHECK(home.MustRun({"start", "api"}).exit_code == 0);

  home.MustRun({"daemon", "stop"});
  home.MustRun({"daemon", "start"});
  home.WaitForState("api/0", "ready");
  home.MustRun({"reload", "api"});
  CHECK(home.Get("api/1").generation == 2);

  home.MustRun({"delete", "api"});
  CHECK(home.List().empty());
  CHECK(std::filesystem::is_empty(home.state_folder() / "programs"));
  home.MustRun({"start", "server.sh", "--name", "api"});
  home.WaitForLog("api/0", "server.sh  A= B=from");
}

TEST_CASE("the same name with other flags is refused, and --replace rolls it") {
  const Home home;
  home.Write("server.sh", kScript);
  home.MustRun({"start", "server.sh", "--env", "A=1"});
  const pid_t pid = home.Pid("server/0");
  const Outcome other = home.Run({"start", "server.sh", "--env", "A=2", "--stop-timeout", "3s"});
  CHECK(other.exit_code == 1);
  CHECK_SAYS(other.err, "server runs already with other flags (env.A, stop_timeout_ms)");
  CHECK(home.Pid("server/0") == pid);
  home.MustRun({"start", "server.sh", "--env", "A=2", "--replace"});
  home.WaitForLog("server/0", "A=2");
  CHECK(home.Get("server/0").generation == 2);

  home.Oxfile("[processes.mine]\ncommand = \"sleep 1000\"\nmin_uptime_ms = 10\n");
  home.MustRun({"start", "mine"});
  const Outcome taken = home.Run({"start", "server.sh", "--name", "mine"});
  CHECK(taken.exit_code == 2);
  CHECK_SAYS(taken.err, "already; give this one another name: --name NAME");
}

TEST_CASE("a line, a program of the PATH and an executable file are programs too") {
  const Home home;
  home.Write("tool", std::string("#!/bin/sh\n") + kScript);
  std::filesystem::permissions(home.folder() / "tool", std::filesystem::perms::owner_all);
  home.MustRun({"start", "echo hello; exec sleep 1000", "--name", "line"});
  home.WaitForLog("line/0", "hello\n");
  home.MustRun({"start", "sleep", "--", "1000"});
  home.MustRun({"start", "tool", "--cwd", "/", "--", "x"});
  home.WaitForLog("tool/0", " x A=");
  CHECK(home.Get("sleep/0").state == "ready");
}

TEST_CASE("what cannot be a program is told at once, by its flag, and starts no daemon") {
  const Home home;
  home.Write("server.js", "");
  const auto refused = [&](const Words& words, const std::string& text) {
    const Outcome outcome = home.Run(words);
    CHECK_MESSAGE(outcome.exit_code == 2, outcome.all());
    CHECK_SAYS(outcome.err, text);
  };
  refused({"start", "servr.js"}, "no file \"servr.js\" in ");
  refused({"start", "servr.js"}, "; did you mean \"server.js\"?");
  refused({"start", "server.js", "--stop-timeout", "10 sec"}, "--stop-timeout: \"10 sec\" is not");
  refused({"start", "server.js", "--env-file", "none"}, "--env-file: ");
  refused({"start", "server.js", "--cwd", "nowhere"}, "--cwd: ");
  refused({"start", "server.js", "--name", "a b"}, "--name a b: ");
  refused({"start", "server.js", "-e", "NOPE"}, "-e NOPE: it is not set here");
  refused({"start", "server.js", "--env", "production"}, "--env NODE_ENV=production");
  refused({"start", "server.js", "other.js"}, "one program at a time");
  refused({"start", "--name", "x"}, "--name goes with a program");
  refused({"start", "."}, "is a folder");
  refused({"start", "nobody-has-this"}, "no service \"nobody-has-this\"");
  CHECK(home.Keepers().empty());
}

TEST_CASE("run takes a program too") {
  const Home home;
  const Outcome ran =
      home.MustRun({"run", "echo \"one $A\"; exit 0", "--restart", "never", "--env", "A=two"});
  CHECK_SAYS(ran.out, "one two");
}

}  // namespace
}  // namespace oxherd::e2e
