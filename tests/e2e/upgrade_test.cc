// `oxherd daemon upgrade`: other programs go on where the running ones are, and nothing else
// changes.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/e2e/home.h"
#include "tests/e2e/http.h"
#include "tests/e2e/survivors.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// The programs once more, as another version's.
fs::path OtherPrograms(const Home& home) {
  const fs::path folder = home.folder() / "new";
  fs::create_directory(folder);
  for (const char* name : {"oxherd", "oxherd-daemon", "oxherd-keeper", "liboxherd-listen.so"}) {
    fs::copy_file(ProgramFolder() / name, folder / name);
  }
  return folder;
}

void Replace(const fs::path& program, std::string_view script) {
  fs::remove(program);
  std::ofstream(program) << script;
  fs::permissions(program, fs::perms::owner_all);
}

Outcome UpgradeWith(const Home& home, const fs::path& programs, const Words& more = {}) {
  Invocation upgrade = home.Typed({"daemon", "upgrade"});
  upgrade.words.at(0) = programs / "oxherd";
  upgrade.words.insert(upgrade.words.end(), more.begin(), more.end());
  return Command(upgrade).Wait(seconds(40));
}

fs::path ProgramOf(pid_t pid) { return fs::read_symlink("/proc/" + std::to_string(pid) + "/exe"); }

TEST_SUITE_BEGIN("upgrade");

TEST_CASE("an upgrade exchanges daemon and keeper, and every instance keeps its pid") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    const Home home(cgroups);
    home.Oxfile(kTwoServices);
    home.MustRun({"start"});
    const auto before = home.List();
    const pid_t keeper = home.Keeper();
    const pid_t daemon = home.Daemon();
    const fs::path programs = OtherPrograms(home);

    const Outcome upgraded = UpgradeWith(home, programs);

    CHECK_MESSAGE(upgraded.exit_code == 0, upgraded.all());
    CHECK_SAYS(upgraded.out, "3 instances untouched");
    CHECK(home.Keeper() == keeper);
    CHECK(ProgramOf(keeper) == programs / "oxherd-keeper");
    CHECK(home.Daemon() != daemon);
    CHECK(ProgramOf(home.Daemon()) == programs / "oxherd-daemon");
    CHECK(SamePids(before, home.List()));
    for (const Instance& instance : home.List()) {
      CHECK(instance.state == "ready");
      CHECK(instance.restarts == 0);
    }
    // Once more, back to the first; then everything is as ever.
    home.MustRun({"daemon", "upgrade"});
    CHECK(ProgramOf(keeper) == ProgramFolder() / "oxherd-keeper");
    CHECK(SamePids(before, home.List()));
    home.KillDaemon();
    home.MustRun({"restart", "worker"});
    home.MustRun({"stop"});
    for (const Instance& old : before) CHECK_FALSE(IsAlive(old.pid));
  }
}

TEST_CASE("an upgrade in the middle of a reload: the reload goes on, its caller gets the answer") {
  CheckThatAReloadOutlives([](const Home& home) { home.MustRun({"daemon", "upgrade"}); });
}

TEST_CASE("an upgrade loses no output, no exit code and no deadline") {
  const Home home;
  home.Oxfile(R"(
[processes.chatty]
command = "@misbehave drip 1000 1 then say done then exit 42"
restart = "never"
min_uptime_ms = 50
[processes.stubborn]
command = "@misbehave ignore-term then say up then sleep"
stop_timeout_ms = 2000
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("stubborn/0", "up");
  Command stopping = home.Begin({"stop", "stubborn"});
  home.WaitForLog("stubborn/0", "ignored SIGTERM");
  home.MustRun({"daemon", "upgrade"});
  CHECK(stopping.Wait().exit_code == 0);
  CHECK(home.Get("stubborn/0").last_exit.value("signal", "") == "SIGKILL");
  CHECK(CountOf(home.Log("stubborn/0"), "ignored SIGTERM") == 1);
  home.WaitForLog("chatty/0", "done\n");
  std::string expected;
  for (int line = 1; line <= 1000; ++line) expected += "drip " + std::to_string(line) + "\n";
  CHECK(home.Log("chatty/0") == expected + "done\n");
  CHECK(home.WaitForState("chatty/0", "exited").last_exit.value("code", -1) == 42);
}

TEST_CASE("requests are served through an upgrade") {
  const Home home;
  StartWeb(home);
  const auto before = home.List();
  Command upgrading = home.Begin({"daemon", "upgrade"});
  for (int i = 0; i < 200; ++i) CHECK(HttpGet(home.port(), "/").status == 200);
  CHECK(upgrading.Wait().exit_code == 0);
  CHECK(SamePids(before, home.List()));
  home.MustRun({"reload"});
  for (int i = 0; i < 20; ++i) CHECK(HttpGet(home.port(), "/").status == 200);
}

TEST_CASE("a new program that is broken is refused in plain words, and the old ones stay") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  const pid_t keeper = home.Keeper();
  const pid_t daemon = home.Daemon();
  const fs::path programs = OtherPrograms(home);
  const auto refused = [&](std::string_view why) {
    const Outcome outcome = UpgradeWith(home, programs);
    CHECK(outcome.exit_code == 1);
    CHECK_SAYS(outcome.err, why);
    CHECK_SAYS(outcome.err, "the old one");
    CHECK(home.Keeper() == keeper);
    CHECK(home.Daemon() == daemon);
    CHECK(ProgramOf(keeper) == ProgramFolder() / "oxherd-keeper");
    CHECK(SamePids(before, home.List()));
  };
  Replace(programs / "oxherd-daemon", "#!/bin/sh\necho 'this image is too old' >&2\nexit 3\n");
  refused("this image is too old");
  Replace(programs / "oxherd-daemon", "#!/bin/sh\nkill -SEGV $$\n");
  refused("SIGSEGV");
  Replace(programs / "oxherd-daemon", "#!/bin/sh\necho 'protocol 999'\n");
  refused("different versions");
  fs::remove(programs / "oxherd-daemon");
  fs::copy_file(ProgramFolder() / "oxherd-daemon", programs / "oxherd-daemon");
  Replace(programs / "oxherd-keeper", "#!/bin/sh\nexit 1\n");
  refused("oxherd-keeper cannot go on from here: exit 1");
}

TEST_CASE("daemon upgrade --json says which daemon there is now; without a daemon it is exit 3") {
  const Home home;
  home.Oxfile(kTwoServices);
  CHECK(home.Run({"daemon", "upgrade"}).exit_code == 3);
  home.MustRun({"start"});
  const Json said = home.RunJson({"daemon", "upgrade"});
  CHECK(said.at("daemon").at("pid") == home.Daemon());
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
