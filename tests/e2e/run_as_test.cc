// Services of root's daemon that run as somebody else. Needs root.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

bool IsRoot() {
  if (geteuid() == 0) return true;
  MESSAGE("skipped: only root can start services as somebody else");
  return false;
}

// The folders above what a service is to reach, which are ours alone otherwise.
void LetOthersThrough(const Home& home) {
  for (fs::path path = home.folder(); path != "/tmp" && path != "/"; path = path.parent_path()) {
    REQUIRE(chmod(path.c_str(), 0711) == 0);
  }
  fs::create_directories(home.state_folder());
  REQUIRE(chmod(home.state_folder().c_str(), 0711) == 0);
}

fs::path FolderOf(const Home& home, const std::string& name, uid_t owner) {
  const fs::path path = home.folder() / name;
  REQUIRE(mkdir(path.c_str(), 0755) == 0);
  REQUIRE(chown(path.c_str(), owner, owner) == 0);
  return path;
}

struct stat About(const fs::path& path) {
  struct stat about{};
  REQUIRE_MESSAGE(lstat(path.c_str(), &about) == 0, path.string());
  return about;
}

constexpr const char* kInspect =
    "id -u; id -g; id -G; umask; grep NoNewPrivs /proc/self/status; "
    "grep -E 'Max (core|processes)' /proc/self/limits | tr -s ' '; "
    "echo $HOME $USER $LOGNAME; echo end; exec sleep 1000000";

void Inspect(const Home& home, const std::string& keys) {
  home.Oxfile("[processes.api]\nmin_uptime_ms = 50\ncommand = [\"sh\", \"-c\", '''" +
              std::string(kInspect) + "''']\n" + keys);
  home.MustRun({"start"});
  home.WaitForLog("api/0", "end\n");
}

TEST_SUITE_BEGIN("run_as");

TEST_CASE("a service runs as its user, with that user's groups, and with what else is set") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  Inspect(home,
          "user = \"nobody\"\ngroup = \"daemon\"\numask = \"027\"\n"
          "limits = { max_processes = 1234, core = 0 }\n");
  const std::string text = home.Log("api/0");
  CHECK_SAYS(text, "65534\n1\n");
  CHECK_SAYS(text, "\n0027\nNoNewPrivs:\t1\n");
  CHECK_SAYS(text, "Max core file size 0 0 bytes");
  CHECK_SAYS(text, "Max processes 1234 1234 processes");
  CHECK_SAYS(text, " nobody nobody\n");
  // Nothing of root's is left to it, in any of the three kinds of ids.
  const std::string status = [&] {
    std::ifstream file("/proc/" + std::to_string(home.Pid("api/0")) + "/status");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  CHECK_SAYS(status, "Uid:\t65534\t65534\t65534\t65534\n");
  CHECK_SAYS(status, "Gid:\t1\t1\t1\t1\n");
  CHECK_SAYS(status, "CapEff:\t0000000000000000\n");
  const std::size_t groups = status.find("Groups:");
  CHECK_FALSE(Contains(status.substr(groups, status.find('\n', groups) - groups), "\t0"));
}

TEST_CASE("without a user a service is root's and has new privileges, unless it says otherwise") {
  if (!IsRoot()) return;
  const Home home;
  Inspect(home, "");
  CHECK_SAYS(home.Log("api/0"), "0\n0\n");
  CHECK_SAYS(home.Log("api/0"), "NoNewPrivs:\t0\n");
}

TEST_CASE("no_new_privs can be had without a user, and turned off with one") {
  if (!IsRoot()) return;
  {
    const Home home;
    Inspect(home, "no_new_privs = true\n");
    CHECK_SAYS(home.Log("api/0"), "NoNewPrivs:\t1\n");
  }
  const Home home;
  LetOthersThrough(home);
  Inspect(home, "user = 65534\nno_new_privs = false\n");
  CHECK_SAYS(home.Log("api/0"), "65534\n");
  CHECK_SAYS(home.Log("api/0"), "NoNewPrivs:\t0\n");
}

TEST_CASE("a user or group that there is not is told before anything is started") {
  if (!IsRoot()) return;
  const Home home;
  for (const char* key : {"user", "group"}) {
    home.Oxfile("[processes.api]\ncommand = \"sleep 1000000\"\n" + std::string(key) +
                " = \"no-such-one\"\n");
    const Outcome outcome = home.Run({"start"});
    CHECK(outcome.exit_code == 2);
    CHECK_SAYS(outcome.all(),
               std::string(key) + ": there is no " + key + " \"no-such-one\" on this machine");
    CHECK(home.List().empty());
  }
}

TEST_CASE("a user's daemon starts nothing as somebody else") {
  Home home;
  if (!home.RunAs(kNobody)) return;
  home.Oxfile("[processes.api]\ncommand = \"sleep 1000000\"\nuser = \"root\"\n");
  const Outcome outcome = home.Run({"start"});
  CHECK(outcome.exit_code == 2);
  CHECK_SAYS(outcome.all(), "only root's daemon may run it as user \"root\"");
  home.Oxfile(
      "[processes.api]\ncommand = \"sleep 1000000\"\nuser = \"nobody\"\nmin_uptime_ms = 50\n");
  home.MustRun({"start"});
}

TEST_CASE("a log that the Oxfile names is made and rotated with the rights of the service's user") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  const fs::path folder = FolderOf(home, "logs", kNobody);
  home.Oxfile(
      "[processes.api]\nuser = \"nobody\"\nmin_uptime_ms = 50\nlog_file = \"logs/deep/api.log\"\n"
      "command = [\"sh\", \"-c\", \"head -c 3000000 /dev/zero | tr '\\\\0' '\\\\n'; echo end; "
      "exec sleep 1000000\"]\nlogs = { max_size_mb = 1 }\n");
  home.MustRun({"start"});
  WaitUntil("a rotated log", [&] { return fs::exists(folder / "deep/api.log.1"); });
  WaitUntil("the last line", [&] { return Contains(home.Read("logs/deep/api.log"), "end\n"); });
  WaitUntil("a compressed log", [&] {
    return fs::exists(folder / "deep/api.log.2.gz") && !fs::exists(folder / "deep/api.log.2");
  });
  for (const char* name : {"deep", "deep/api.log", "deep/api.log.1", "deep/api.log.2.gz"}) {
    CHECK_MESSAGE(About(folder / name).st_uid == kNobody, name);
  }
}

TEST_CASE("a user's log that leads by a link to where only root may write is refused") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  const fs::path folder = FolderOf(home, "logs", kNobody);
  const fs::path secret = FolderOf(home, "of-root", 0);
  home.Write("of-root/file", "untouched\n");
  REQUIRE(symlink(secret.c_str(), (folder / "folder").c_str()) == 0);
  REQUIRE(symlink((secret / "file").c_str(), (folder / "link.log").c_str()) == 0);
  for (const char* path : {"logs/folder/new.log", "logs/folder/file", "logs/link.log"}) {
    home.Oxfile("[processes.api]\nuser = \"nobody\"\ncommand = \"echo hello\"\nlog_file = \"" +
                std::string(path) + "\"\n");
    const Outcome outcome = home.Run({"start"});
    CHECK_MESSAGE(outcome.exit_code == 1, path);
    CHECK_SAYS(outcome.all(), "open log");
    home.MustRun({"delete", "all"});
  }
  CHECK(home.Read("of-root/file") == "untouched\n");
  CHECK_FALSE(fs::exists(secret / "new.log"));
}

TEST_CASE("a service that runs as somebody else may open its standard output anew") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  home.Oxfile(
      "[processes.api]\nuser = \"nobody\"\nmin_uptime_ms = 50\n"
      "command = [\"sh\", \"-c\", \"echo again >/proc/self/fd/1; exec sleep 1000000\"]\n");
  home.MustRun({"start"});
  home.WaitForLog("api/0", "again\n");
}

TEST_CASE("a service that runs as somebody else says by sd_notify when it is ready") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  home.Oxfile(
      "[processes.api]\nuser = \"nobody\"\nready = \"notify\"\n"
      "env = { PATH = \"/usr/bin:/bin\" }\n"
      "command = [\"python3\", \"-c\", \"import os, socket, time; "
      "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
      "s.connect(os.environ['NOTIFY_SOCKET']); s.send(b'READY=1'); time.sleep(1000)\"]\n");
  home.MustRun({"start"});
  CHECK(home.Get("api/0").state == "ready");
  const fs::path folder = home.state_folder() / "run-notify";
  CHECK((About(folder).st_mode & 0777U) == 0711);
  for (const auto& entry : fs::directory_iterator(folder)) {
    CHECK(About(entry.path()).st_uid == kNobody);
    CHECK((About(entry.path()).st_mode & 0777U) == 0600);
  }
}

TEST_CASE("hooks and checks run as the service's user too") {
  if (!IsRoot()) return;
  const Home home;
  LetOthersThrough(home);
  const fs::path folder = FolderOf(home, "out", kNobody);
  home.Oxfile(
      "[processes.api]\nuser = \"nobody\"\ncommand = \"sleep 1000000\"\nmin_uptime_ms = 50\n"
      "pre_stop_cmd = [\"sh\", \"-c\", \"id -u >@folder/out/hook\"]\n"
      "[processes.api.health_check]\ninterval_secs = \"200ms\"\ncommand = [\"sh\", \"-c\", \"id -u "
      ">>@folder/out/check\"]\n");
  home.MustRun({"start"});
  WaitUntil("a check",
            [&] { return fs::exists(folder / "check") && fs::file_size(folder / "check") > 0; });
  home.MustRun({"stop"});
  CHECK(home.Read("out/hook") == "65534\n");
  CHECK_SAYS(home.Read("out/check"), "65534\n");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
