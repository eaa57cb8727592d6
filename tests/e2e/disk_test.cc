// Disks that are full, read-only, somebody else's, or not there.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"
#include "tests/temporary.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// A file system of its own of a few megabytes; gone with the object.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& megabytes) {
    const std::string name = test::MakeTemporaryFolder("disk");
    folder_ = name;
    mounted_ = mount("none", name.c_str(), "tmpfs", 0, ("size=" + megabytes + "m").c_str()) == 0;
    if (!mounted_) {
      MESSAGE("skipped: cannot mount a small tmpfs: " << std::string(std::strerror(errno)));
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) {
      umount2(folder_.c_str(), MNT_DETACH);
    }
    rmdir(folder_.c_str());
  }

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const fs::path& folder() const { return folder_; }

  void Fill() const {
    const int fd = open((folder_ / "ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    const std::string block(4096, 'x');
    while (write(fd, block.data(), block.size()) > 0) {
    }
    CHECK(errno == ENOSPC);
    close(fd);
  }
  void MakeRoom() const { fs::remove(folder_ / "ballast"); }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

std::string LinesWith(const std::string& text, std::string_view part) {
  std::string found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    found += Contains(line, part) ? line + "\n" : "";
  }
  return found;
}

TEST_SUITE_BEGIN("disk");

TEST_CASE("a full disk: programs go on, commands work, and the log says how much is missing") {
  const SmallDisk disk("8");
  if (!disk.mounted()) {
    return;
  }
  const Home home(Cgroups::kWhereWeCan, disk.folder() / "home");
  home.Oxfile(R"(
[processes.chatty]
command = "@misbehave say before then wait-for-file @folder/go then lines 50000 100 then append @folder/done x then wait-for-file @folder/room then say after then on-term 0 then sleep"
min_uptime_ms = 50
[processes.other]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("chatty/0", "before\n");
  const pid_t pid = home.Pid("chatty/0");
  const pid_t daemon = home.Daemon();
  disk.Fill();

  home.Write("go", "");
  home.WaitForLine("done", "x");
  CHECK(home.Pid("chatty/0") == pid);
  CHECK(home.Get("chatty/0").state == "ready");
  home.MustRun({"restart", "other"});
  home.MustRun({"stop", "other"});
  CHECK(home.Get("other/0").state == "stopped");
  CHECK(home.Daemon() == daemon);

  disk.MakeRoom();
  home.WaitForLog("chatty/0", "missing here");  // the disk is tried again once a second
  home.Write("room", "");
  home.WaitForLog("chatty/0", "after\n");
  CHECK_SAYS(LinesWith(home.Log("chatty/0"), "[oxherd]"), "missing here: No space left on device");
  CHECK(home.Pid("chatty/0") == pid);
}

TEST_CASE(
    "a push that cannot be written down is done, but its sender is not told that it is safe") {
  const SmallDisk disk("4");
  if (!disk.mounted()) {
    return;
  }
  const Home home(Cgroups::kWhereWeCan, disk.folder() / "home");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
webhook = { port = @port, secret = "it's a secret", on_push = ["echo $OXHERD_PUSH_COMMIT >> pushed"] }
)");
  home.MustRun({"start"});
  const auto push = [&](const std::string& commit) {
    return HttpPost(home.port(), "/",
                    "Content-Type: application/json\r\nX-Gitlab-Event: Push Hook\r\n"
                    "X-Gitlab-Token: it's a secret\r\n",
                    R"({"object_kind":"push","ref":"refs/heads/main","after":")" + commit + "\"}");
  };
  disk.Fill();
  const HttpAnswer unsafe = push("abc");
  CHECK(unsafe.status == 500);
  CHECK_SAYS(unsafe.body, "No space left on device");
  home.WaitForLine("pushed", "abc");
  disk.MakeRoom();
  CHECK(push("def").status == 202);
  home.WaitForLine("pushed", "def");
}

TEST_CASE("what was wanted while the disk was full is saved once there is room") {
  const SmallDisk disk("4");
  if (!disk.mounted()) {
    return;
  }
  const Home home(Cgroups::kWhereWeCan, disk.folder() / "home");
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.kept]
command = "@misbehave on-term 0 then sleep"
[processes.stopped]
command = "@misbehave on-term 0 then sleep"
)");
  home.MustRun({"start"});
  disk.Fill();
  home.MustRun({"stop", "stopped"});
  disk.MakeRoom();
  home.MustRun({"daemon", "stop"});

  Command daemon = home.Begin({"daemon", "run"});
  WaitUntil("the daemon answers", [&] { return home.Run({"ping"}).exit_code == 0; });
  home.WaitForState("kept/0", "ready");
  CHECK(home.Find("stopped/0").value_or(Instance{}).pid == 0);
  daemon.Signal(SIGTERM);
  CHECK(daemon.Wait().exit_code == 0);
}

TEST_CASE("a home that cannot be made is one line that names OXHERD_HOME") {
  Home home;
  home.Oxfile("[processes.api]\ncommand = \"@misbehave sleep\"\n");
  home.Write("file", "not a folder");
  for (const fs::path& place : {home.folder() / "file/home", fs::path("/proc/no/such/place")}) {
    home.SetEnvironment("OXHERD_HOME", place);
    const Outcome outcome = home.Run({"start"});
    CHECK(outcome.exit_code == 1);
    CHECK(CountOf(outcome.err, "\n") == 1);
    CHECK_SAYS(outcome.err, "OXHERD_HOME");
    CHECK_SAYS(outcome.err, place.string());
  }
}

TEST_CASE("a home that is somebody else's, or a symlink, is refused") {
  Home home;
  home.Oxfile("[processes.api]\ncommand = \"@misbehave sleep\"\n");
  fs::create_directory(home.folder() / "real");
  fs::create_directory_symlink(home.folder() / "real", home.folder() / "link");
  home.SetEnvironment("OXHERD_HOME", home.folder() / "link");
  const Outcome symlink = home.Run({"start"});
  CHECK(symlink.exit_code == 1);
  CHECK_SAYS(symlink.err, (home.folder() / "link").string());

  if (getuid() == 0) {
    fs::create_directory(home.folder() / "theirs");
    REQUIRE(chown((home.folder() / "theirs").c_str(), 65534, 65534) == 0);
    home.SetEnvironment("OXHERD_HOME", home.folder() / "theirs");
    const Outcome theirs = home.Run({"start"});
    CHECK(theirs.exit_code == 1);
    CHECK_SAYS(theirs.err, (home.folder() / "theirs").string());
  }
  CHECK(home.Keepers().empty());
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
