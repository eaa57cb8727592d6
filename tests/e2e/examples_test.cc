// The examples, as they stand, under the real programs: what a newcomer tries first.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <future>
#include <set>

#include "tests/e2e/express.h"
#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// Ten requests to /slow, five to each instance, all of them being worked on.
std::vector<std::future<HttpAnswer>> TenSlowRequests(const Home& home) {
  const auto begun = [&] {
    return CountOf(home.Log("api/0") + home.Log("api/1"), "slow: started");
  };
  const std::size_t before = begun();
  auto answers = HttpGetMany(5, 4000, "/slow");
  auto others = HttpGetMany(5, 4001, "/slow");
  std::move(others.begin(), others.end(), std::back_inserter(answers));
  WaitUntil("ten requests in flight", [&] { return begun() == before + 10; });
  return answers;
}

void CheckAllAnswered(std::vector<std::future<HttpAnswer>>& answers) {
  for (auto& future : answers) {
    const HttpAnswer answer = future.get();
    CHECK_MESSAGE(answer.status == 200, answer.error);
  }
}

TEST_SUITE_BEGIN("examples");

TEST_CASE("Express: ten slow requests in flight survive a reload, and then a stop") {
  if (!ExpressCanRun()) {
    return;
  }
  const Home home;
  InstallExpress(home);
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");

  auto answers = TenSlowRequests(home);
  home.MustRun({"reload", "api"});
  CheckAllAnswered(answers);
  CHECK(home.Pid("api/0") != before);
  CHECK(home.Get("api/0").generation == 2);
  CHECK(home.Get("api/1").generation == 2);

  answers = TenSlowRequests(home);
  const Outcome stopped = home.MustRun({"stop"});
  CheckAllAnswered(answers);
  CHECK(stopped.took < seconds(4) * kPatience);
  for (const char* name : {"api/0", "api/1"}) {
    CHECK(home.Get(name).last_exit.value("code", -1) == 0);
    CHECK_SAYS(home.Log(name), "all requests finished, goodbye");
  }
}

TEST_CASE("the Oxfile of the OxMgr guide is taken as it is, and runs") {
  if (!HasNode()) {
    MESSAGE("skipped: no node on the PATH");
    return;
  }
  const Home home;
  home.CopyFromSource("examples/oxmgr-guide");
  CHECK_SAYS(home.MustRun({"validate"}).out, "2 processes: api, worker");
  if (!IsFree(3000)) {
    MESSAGE("skipped: something else listens on port 3000");
    return;
  }
  home.MustRun({"start"});
  WaitUntil("the API answers", [&] { return HttpGet(3000, "/").body == "hello\n"; });
  home.WaitForLog("worker/0", "job 1: done\n");
  const pid_t api = home.Pid("api/0");

  Watched(api).Signal(SIGKILL);
  WaitUntil("the restart", [&] { return home.Get("api/0").restarts == 1; });
  WaitUntil("the API answers again", [&] { return HttpGet(3000, "/").body == "hello\n"; });

  const Outcome stopped = home.MustRun({"stop"});
  CHECK(stopped.took < seconds(3) * kPatience);
  CHECK(home.Get("worker/0").last_exit.value("code", -1) == 0);
  CHECK(home.Get("api/0").last_exit.value("code", -1) == 0);
}

TEST_CASE("the Oxfile at the top of the repository runs, with nothing to install") {
  if (!IsFree(8100)) {
    MESSAGE("skipped: something else listens on port 8100");
    return;
  }
  const Home home;
  fs::copy_file(fs::path(OXHERD_SOURCE_DIR) / "Oxfile.toml", home.folder() / "Oxfile.toml");
  fs::create_directories(home.folder() / "build");
  fs::create_directory_symlink(ProgramFolder(), home.folder() / "build/release");

  const Outcome started = home.MustRun({"start"});

  CHECK_SAYS(started.out, "2 services up");
  std::set<std::string> answers;
  WaitUntil("both answer on one port", [&] {
    answers.insert(HttpGet(8100, "/").body);
    return answers.size() == 2;
  });
  CHECK(answers == std::set<std::string>{"hello from api/0\n", "hello from api/1\n"});
  home.WaitForLog("worker/0", "job 1: done\n");
  auto slow = HttpGetMany(2, 8100, "/slow");
  WaitUntil("both requests are under way", [] { return AcceptedOn(8100) == 2; });
  home.MustRun({"stop"});
  CheckAllAnswered(slow);
  for (const Instance& instance : home.List()) {
    CHECK(instance.state == "stopped");
    CHECK(instance.last_exit.value("code", -1) == 0);
  }
}

TEST_CASE("docker: the Oxfile runs in the foreground as it does in the container") {
  if (!HasNode() || !IsFree(3000)) {
    MESSAGE("skipped: no node on the PATH, or something else listens on port 3000");
    return;
  }
  const Home home;
  home.CopyFromSource("examples/docker");
  CHECK(Contains(home.Read("Dockerfile"), "CMD [\"oxherd\", \"run\"]"));
  Command running = home.Begin({"run"});
  running.ReadUntil("worker: waiting for jobs");
  CHECK_SAYS(HttpGet(3000, "/").body, "hello from ");
  CHECK(home.Run({"wait", "api", "--for", "ready", "--timeout", "2s"}).exit_code == 0);
  running.Signal(SIGTERM);
  CHECK(running.Wait().exit_code == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
