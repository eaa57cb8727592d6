// What root opens to a group: the control socket (control_group) and the logs ([logging] group);
// and output that goes to no file. Most of it needs root, to be somebody else.
#include <doctest/doctest.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kAnn = 54321;  // nobody has these numbers
constexpr gid_t kOps = 1;      // "daemon": a group that is on every Debian
constexpr gid_t kNogroup = 65534;

bool IsRoot() {
  if (geteuid() == 0) return true;
  MESSAGE("skipped: only root can be somebody else");
  return false;
}

void LetOthersThrough(const Home& home) {
  for (fs::path path = home.folder(); path != "/tmp" && path != "/"; path = path.parent_path()) {
    REQUIRE(chmod(path.c_str(), 0711) == 0);
  }
}

// What ann says, who is in `group` and in no other but her own.
Outcome AnnSays(const Home& home, const Words& words, gid_t group) {
  Invocation typed = home.Typed(words);
  typed.folder = "/";
  typed.before_exec = [group] {
    if (setgroups(1, &group) != 0 || setgid(kNogroup) != 0 || setuid(kAnn) != 0) _exit(99);
  };
  return Command(typed).Wait();
}

mode_t ModeOf(const fs::path& path) {
  struct stat about{};
  REQUIRE_MESSAGE(lstat(path.c_str(), &about) == 0, path.string());
  return about.st_mode & 07777U;
}
gid_t GroupOf(const fs::path& path) {
  struct stat about{};
  REQUIRE_MESSAGE(lstat(path.c_str(), &about) == 0, path.string());
  return about.st_gid;
}

constexpr const char* kApi =
    "[processes.api]\ncommand = [\"sh\", \"-c\", \"echo hello; exec sleep 1000000\"]\n"
    "min_uptime_ms = 50\nenv = { SECRET = \"hunter2\" }\n";

TEST_SUITE_BEGIN("group");

TEST_CASE("members of control_group look at root's daemon and steer its services, others do not") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  home.Oxfile("[supervisor]\ncontrol_group = \"daemon\"\n" + std::string(kApi));
  home.MustRun({"start"});
  const pid_t before = home.Pid("api/0");

  const Outcome listed = AnnSays(home, {"list"}, kOps);
  if (listed.exit_code == 127) {
    MESSAGE("skipped: others may not execute the program where it is built");
    return;
  }
  CHECK_MESSAGE(listed.exit_code == 0, listed.all());
  CHECK_SAYS(listed.out, "api/0");
  CHECK(AnnSays(home, {"status", "api"}, kOps).exit_code == 0);
  const Outcome restarted = AnnSays(home, {"restart", "api"}, kOps);
  CHECK_MESSAGE(restarted.exit_code == 0, restarted.all());
  CHECK(home.Pid("api/0") != before);
  CHECK(AnnSays(home, {"stop", "api"}, kOps).exit_code == 0);
  CHECK(AnnSays(home, {"start", "api"}, kOps).exit_code == 0);
  CHECK(AnnSays(home, {"reload", "api"}, kOps).exit_code == 0);
  CHECK(AnnSays(home, {"scale", "api", "2"}, kOps).exit_code == 0);
  CHECK(home.List().size() == 2);

  for (const Words& words :
       {Words{"env", "api", "--reveal"}, Words{"delete", "api"}, Words{"signal", "SIGKILL", "api"},
        Words{"daemon", "stop"}, Words{"reload", "api", "--update-env"}, Words{"stop"}}) {
    const Outcome refused = AnnSays(home, words, kOps);
    CHECK_MESSAGE(refused.exit_code != 0, words.front());
    CHECK_FALSE(Contains(refused.all(), "hunter2"));
  }
  CHECK(home.List().size() == 2);
  const Outcome stranger = AnnSays(home, {"list"}, kNogroup);
  CHECK((stranger.exit_code == 1 || stranger.exit_code == 3));
  CHECK_FALSE(Contains(stranger.out, "api/0"));
}

TEST_CASE("control_group outlives a killed daemon and a deleted socket, and is taken back") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  home.Oxfile("[supervisor]\ncontrol_group = \"daemon\"\n" + std::string(kApi));
  home.MustRun({"start"});
  const fs::path socket = home.ControlSocket();
  CHECK(ModeOf(socket) == 0660);
  CHECK(GroupOf(socket) == kOps);
  CHECK(ModeOf(socket.parent_path()) == 0710);
  CHECK(ModeOf(home.state_folder() / "state.json") == 0600);

  home.KillDaemon();
  home.MustRun({"ping"});
  CHECK(AnnSays(home, {"list"}, kOps).exit_code == 0);
  REQUIRE(fs::remove(socket));
  WaitUntil("the socket is there again, and open to the group",
            [&] { return fs::exists(socket) && ModeOf(socket) == 0660; });
  CHECK(AnnSays(home, {"list"}, kOps).exit_code == 0);

  home.Oxfile("[supervisor]\ncontrol_group = \"\"\n" + std::string(kApi));
  home.MustRun({"apply"});
  CHECK(ModeOf(socket) == 0600);
  CHECK(ModeOf(socket.parent_path()) == 0700);
  CHECK(AnnSays(home, {"list"}, kOps).exit_code != 0);
}

TEST_CASE("a control_group that there is not is told, and nobody is let in") {
  if (!IsRoot()) return;
  const Home home;
  home.Oxfile("[supervisor]\ncontrol_group = \"no-such-one\"\n" + std::string(kApi));
  home.MustRun({"start"});
  CHECK(ModeOf(home.ControlSocket()) == 0600);
  CHECK_SAYS(home.Run({"daemon", "status"}).all(), "there is no group \"no-such-one\"");
}

TEST_CASE("[logging] group lets its members read the logs, and nothing else of the home") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  home.Oxfile("[logging]\ngroup = \"daemon\"\n[supervisor]\ncontrol_group = \"daemon\"\n" +
              std::string(kApi));
  home.MustRun({"start"});
  home.WaitForLog("api/0", "hello\n");
  const fs::path log = home.LogFolder("api") / "0.out.log";
  CHECK(ModeOf(log) == 0640);
  CHECK(GroupOf(log) == kOps);
  const Outcome shown = AnnSays(home, {"logs", "api"}, kOps);
  if (shown.exit_code == 127) return;
  CHECK_MESSAGE(shown.exit_code == 0, shown.all());
  CHECK_SAYS(shown.out, "hello");
}

TEST_CASE("a group of logs that there is not is told before anything is started") {
  const Home home;
  home.Oxfile("[logging]\ngroup = \"no-such-one\"\n" + std::string(kApi));
  const Outcome outcome = home.Run({"start"});
  CHECK(outcome.exit_code == 2);
  CHECK_SAYS(outcome.all(), "[logging] group: there is no group \"no-such-one\"");
  CHECK(home.List().empty());
}

TEST_CASE("without [logging] logs are their writer's alone, and mode opens them at a reload") {
  const Home home;
  home.Oxfile(kApi);
  home.MustRun({"start"});
  home.WaitForLog("api/0", "hello\n");
  const fs::path log = home.LogFolder("api") / "0.out.log";
  CHECK(ModeOf(log) == 0600);
  home.Oxfile("[logging]\nmode = \"0644\"\n" + std::string(kApi));
  home.MustRun({"reload", "api"});
  WaitUntil("the log is open to all", [&] { return ModeOf(log) == 0644; });
}

TEST_CASE("log_to = none keeps nothing, and logs says where it went") {
  const Home home;
  home.Oxfile(std::string(kApi) + "log_to = \"none\"\nready_log = \"hel+o\"\n");
  home.MustRun({"start"});
  CHECK(home.Get("api/0").state == "ready");
  CHECK_FALSE(fs::exists(home.LogFolder("api") / "0.out.log"));
  CHECK_SAYS(home.Run({"logs", "api"}).all(), "log_to");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
