// The verbs about single services: rollback, env, exec, signal, reset, flush, export; and what
// apply says before it does it.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

TEST_SUITE_BEGIN("verbs");

constexpr const char* kEcho = R"(
[processes.api]
command = ["/bin/sh", "-c", "echo v=$V; exec sleep 1000"]
env = { V = "@" }
min_uptime_ms = 10
)";

std::string Version(const std::string& version) {
  std::string text = kEcho;
  return text.replace(text.find('@'), 1, version);
}

TEST_CASE("a rollback reloads to a kept definition, also after a boot") {
  const Home home;
  home.Oxfile(Version("one"));
  home.MustRun({"start"});
  CHECK(home.Run({"rollback", "api"}).exit_code == 2);
  home.Oxfile(Version("two"));
  home.MustRun({"reload"});
  home.Oxfile(Version("three"));
  home.MustRun({"reload"});
  const Outcome plan = home.MustRun({"rollback", "api", "--dry-run"});
  CHECK_SAYS(plan.out, " reload  api (1 instance): env.V differs");
  const Outcome back = home.MustRun({"rollback", "api"});
  CHECK_SAYS(back.out, "reloaded api: 1 instance");
  CHECK_SAYS(back.out, "api has the definition of generation 2 again");
  CHECK(home.Get("api/0").generation == 4);
  CHECK(CountOf(home.Log("api/0"), "v=two\n") == 2);

  home.Oxfile(Version("two"));  // as it runs: a boot finds nothing new
  home.MustRun({"daemon", "stop"});
  home.MustRun({"daemon", "start"});
  home.WaitForState("api/0", "ready");
  home.MustRun({"rollback", "api", "--to", "1"});
  home.WaitForLog("api/0", "v=one\n");
  CHECK(CountOf(home.Log("api/0"), "v=one\n") == 2);
  const Outcome none = home.Run({"rollback", "api", "--to", "77"});
  CHECK(none.exit_code == 2);
  CHECK_SAYS(none.err, "generation 77 of api is not kept; kept: 1");
}

TEST_CASE("the environment is shown without secrets, and commands run in it") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "sleep 1000"
working_dir = "sub"
min_uptime_ms = 10
[processes.api.env]
MODE = "fast"
API_TOKEN = "t0psecret"
DB = "pg://me:hidden@host/x"
)");
  fs::create_directory(home.folder() / "sub");
  home.MustRun({"start"});
  const Outcome shown = home.MustRun({"env", "api"});
  CHECK_SAYS(shown.out, "MODE=fast\n");
  CHECK_SAYS(shown.out, "OXHERD_SERVICE=api\n");
  CHECK_SAYS(shown.out, "API_TOKEN=••••••\n");
  CHECK_SAYS(shown.err, "--reveal");
  for (const Words& words : {Words{"env", "api"}, Words{"env", "api", "--json"}}) {
    const std::string all = home.MustRun(words).all();
    CHECK_FALSE(Contains(all, "t0psecret"));
    CHECK_FALSE(Contains(all, "hidden@"));
  }
  CHECK_SAYS(home.MustRun({"env", "api", "--reveal"}).out, "API_TOKEN=t0psecret\n");

  const Outcome ran = home.Run({"exec", "api", "--", "sh", "-c", "echo $API_TOKEN; pwd; exit 7"});
  CHECK(ran.exit_code == 7);
  CHECK(ran.out == "t0psecret\n" + fs::canonical(home.folder() / "sub").string() + "\n");
  home.MustRun({"stop", "api"});
  CHECK(home.MustRun({"exec", "api", "printenv", "MODE"}).out == "fast\n");
  CHECK(home.Run({"exec", "api"}).exit_code == 2);
  CHECK(home.Run({"exec", "api", "--", "no-such-program"}).exit_code == 1);
  CHECK(home.Run({"env", "apu"}).exit_code == 2);
}

TEST_CASE("a signal reaches the main process") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = ["/bin/sh", "-c", "trap 'echo got it' USR1; echo up; while :; do sleep 0.05; done"]
ready_log = "up"
)");
  home.MustRun({"start"});
  const Outcome sent = home.MustRun({"signal", "SIGUSR1", "api"});
  CHECK(sent.out == "SIGUSR1 sent to api/0\n");
  home.WaitForLog("api/0", "got it\n");
  CHECK(home.MustRun({"sendSignal", "USR1", "all"}).exit_code == 0);
  CHECK_SAYS(home.Run({"signal", "SIGUSR", "api"}).err, "is not a signal; did you mean SIGUSR");
  CHECK(home.Run({"signal", "SIGUSR1"}).exit_code == 2);
  home.MustRun({"stop"});
  CHECK(home.Run({"signal", "SIGUSR1", "api"}).exit_code == 1);
}

TEST_CASE("reset counts from zero, flush empties the logs") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = ["/bin/sh", "-c", "echo line; exec sleep 1000"]
min_uptime_ms = 10
)");
  home.MustRun({"start"});
  ::kill(home.Pid("api/0"), SIGKILL);
  WaitUntil("it is started again", [&] {
    const auto api = home.Get("api/0");
    return api.restarts == 1 && api.pid != 0;
  });
  home.MustRun({"reset", "api"});
  CHECK(home.Get("api/0").restarts == 0);
  CHECK(home.Run({"reset"}).exit_code == 2);

  WaitUntil("both lines are there", [&] { return home.Log("api/0") == "line\nline\n"; });
  home.MustRun({"flush", "api"});
  CHECK(home.Log("api/0").empty());
  home.MustRun({"restart", "api"});
  home.WaitForLog("api/0", "line\n");
  CHECK(home.Log("api/0") == "line\n");
}

TEST_CASE("what is exported starts the same elsewhere") {
  const Home home;
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 10
env = { V = "default" }
[processes.api]
command = ["/bin/sh", "-c", "echo v=$V in $PWD; exec sleep 1000"]
depends_on = ["first"]
[processes.first]
type = "oneshot"
command = "true"
[processes.other]
command = "sleep 1000"
)");
  home.MustRun({"start"});
  const std::string before = home.Log("api/0");
  const Outcome exported = home.MustRun({"export", "api"});
  home.MustRun({"delete", "all"});
  fs::create_directory(home.folder() / "elsewhere");
  home.Write("elsewhere/Oxfile.toml", exported.out);
  home.MustRun({"start", "-c", "elsewhere/Oxfile.toml"});
  CHECK(home.List().size() == 2);
  CHECK(home.Log("api/0") == before + before);
}

TEST_CASE("apply prints its plan; --prune deletes only what the file once owned") {
  const Home home;
  home.Write("other.toml", "[processes.other]\ncommand = \"sleep 1000\"\nmin_uptime_ms = 10\n");
  home.MustRun({"start", "other.toml"});
  home.Oxfile(Version("one") + "[processes.old]\ncommand = \"sleep 1000\"\nmin_uptime_ms = 10\n");
  CHECK_SAYS(home.MustRun({"apply"}).out, " start   api (1 instance)\n");
  home.Oxfile(Version("two") + "[processes.new]\ncommand = \"sleep 1000\"\nmin_uptime_ms = 10\n");
  const pid_t pid = home.Pid("api/0");
  const Outcome plan = home.MustRun({"apply", "--dry-run", "--prune"});
  CHECK_SAYS(plan.out, " reload  api (1 instance): env.V differs\n");
  CHECK_SAYS(plan.out, " start   new (1 instance)\n");
  CHECK_SAYS(plan.out, " delete  old, which is no longer in the file\n");
  CHECK(home.Pid("api/0") == pid);
  CHECK(home.List().size() == 3);
  home.MustRun({"apply"});
  CHECK(home.Find("old/0").has_value());
  home.MustRun({"apply", "--prune"});
  CHECK_FALSE(home.Find("old/0").has_value());
  CHECK(home.Get("other/0").state == "ready");
  CHECK(home.Get("api/0").generation == 2);

  CHECK_SAYS(home.MustRun({"stop", "api", "--dry-run"}).out, " stop    api (1 instance)\n");
  CHECK_SAYS(home.MustRun({"delete", "api", "--dry-run"}).out, " delete  api\n");
  CHECK_SAYS(home.MustRun({"reload", "api", "--dry-run"}).out, "defined as it runs");
  CHECK_SAYS(home.MustRun({"restart", "api", "--dry-run"}).out, " restart api");
  CHECK(home.Get("api/0").state == "ready");
}

// The "number" of each line.
std::vector<int> Numbers(const std::string& lines) {
  std::vector<int> numbers;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin);
    numbers.push_back(Json::parse(lines.substr(begin, end - begin)).at("number"));
    begin = end + 1;
  }
  return numbers;
}

TEST_CASE(
    "events are numbered without a gap, also when the daemon is killed, and can be followed") {
  const Home home;
  home.Oxfile(Version("one"));
  home.MustRun({"start"});
  Command following = home.Begin({"events", "-f", "-n", "1000"});
  following.ReadUntil("ready in");
  home.KillDaemon();
  home.MustRun({"restart", "api"});
  following.ReadUntil("daemon 2 started");
  following.ReadUntil("stopped in");
  home.MustRun({"stop", "api"});
  WaitUntil("the journal has the stop",
            [&] { return CountOf(home.MustRun({"events", "-n", "1000"}).out, "stopped in") == 2; });
  const auto numbers = Numbers(home.MustRun({"events", "-n", "1000", "--json"}).out);
  REQUIRE(numbers.size() > 5);
  for (std::size_t i = 0; i < numbers.size(); ++i) CHECK(numbers[i] == static_cast<int>(i + 1));
  following.Signal(SIGINT);
  const std::string only = home.MustRun({"events", "api", "-n", "1000"}).out;
  CHECK_FALSE(Contains(only, "started, version"));
  CHECK(home.MustRun({"events", "-n", "2", "--json"}).out.find("stopped") != std::string::npos);
  home.MustRun({"daemon", "stop"});
  CHECK_SAYS(home.MustRun({"events"}).out, "api/0");  // without a daemon too
}

TEST_CASE(
    "doctor finds a service that has failed, a dead daemon's socket, and says how to mend it") {
  const Home home;
  home.Oxfile("[processes.bad]\ncommand = [\"/nowhere/at/all\"]\n");
  CHECK(home.Run({"start"}).exit_code == 1);
  const Outcome ill = home.Run({"doctor"});
  CHECK(ill.exit_code == 1);
  CHECK_SAYS(ill.out, "✗ bad/0 is failed: cannot start");
  CHECK_SAYS(ill.out, "oxherd logs bad --err");
  home.MustRun({"delete", "bad"});
  home.MustRun({"daemon", "stop"});
  const Outcome none = home.Run({"doctor"});
  CHECK_SAYS(none.out, "no daemon runs");
}

}  // namespace
}  // namespace oxherd::e2e
