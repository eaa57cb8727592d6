// A daemon that is not root: what it may and may not do to its children. Needs root to become
// somebody else.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

int OomScoreAdj(pid_t pid) {
  int score = 0;
  std::ifstream("/proc/" + std::to_string(pid) + "/oom_score_adj") >> score;
  return score;
}

// A copy of misbehave that becomes root; false where the file system does not allow that.
bool MakeSetUidProgram(const fs::path& path) {
  struct statvfs about{};
  REQUIRE(statvfs(path.parent_path().c_str(), &about) == 0);
  if ((about.f_flag & ST_NOSUID) != 0) {
    MESSAGE("skipped: set-uid programs do not work in " << path.parent_path().string());
    return false;
  }
  fs::copy_file(Misbehave(), path);
  REQUIRE(chmod(path.c_str(), S_ISUID | 0755) == 0);
  return true;
}

TEST_SUITE_BEGIN("faults");

TEST_CASE("a child that became root is reported when a user's daemon cannot kill it, once") {
  Home home;
  if (!home.RunAs(kNobody) || !MakeSetUidProgram(home.folder() / "server")) {
    return;
  }
  home.Oxfile(R"(
[processes.api]
command = "./server append @folder/starts PID then become-root then ignore-term then say up then sleep"
min_uptime_ms = 50
stop_timeout_ms = 100
[processes.other]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("api/0", "up");
  const Watched root_process(home.Pid("api/0"));

  const Outcome stopped = home.Run({"stop", "api"});

  CHECK(stopped.exit_code == 1);
  CHECK_SAYS(stopped.all(), "unkillable");
  CHECK_FALSE(root_process.ended());
  CHECK_SAYS(home.Run({"status", "api"}).all(), "takes no signals from this daemon; as root: kill");
  const std::string log = [&] {
    std::ifstream file(home.LogFolder("") / "daemon.log");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  CHECK(CountOf(log, "takes no signals") == 1);
  // A restart does not start a second one beside it; others are not held up.
  CHECK(home.Run({"restart", "api"}).exit_code == 1);
  CHECK(home.Lines("starts").size() == 1);
  home.MustRun({"restart", "other"});

  // The next one, which the restart has asked for, stays what it is.
  REQUIRE(chmod((home.folder() / "server").c_str(), 0755) == 0);
  root_process.Signal(SIGKILL);
  WaitUntil("the next one", [&] { return home.Get("api/0").restarts > 0; });
  home.MustRun({"stop"});
  CHECK(home.Get("api/0").state == "stopped");
}

TEST_CASE("when memory runs out, the children of a user's daemon go before the daemon") {
  Home home;
  if (!home.RunAs(kNobody)) {
    return;
  }
  home.Oxfile(
      "[processes.api]\ncommand = \"@misbehave on-term 0 then sleep\"\nmin_uptime_ms = 50\n");
  home.MustRun({"start"});
  const int own = OomScoreAdj(getpid());
  CHECK(OomScoreAdj(home.Keeper()) == own);
  CHECK(OomScoreAdj(home.Daemon()) == own);
  CHECK(OomScoreAdj(home.Pid("api/0")) == std::min(own + 100, 1000));
  // A new daemon does not pile it up.
  home.KillDaemon();
  home.MustRun({"restart"});
  CHECK(OomScoreAdj(home.Daemon()) == own);
  CHECK(OomScoreAdj(home.Pid("api/0")) == std::min(own + 100, 1000));
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
