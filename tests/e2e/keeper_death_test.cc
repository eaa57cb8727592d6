// The keeper's death, alone and together with the daemon's: what runs is found again.
#include <doctest/doctest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <span>

#include "keeper/succession.h"
#include "tests/e2e/home.h"
#include "tests/e2e/http.h"
#include "tests/e2e/survivors.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// At once, as far as anybody can tell: the daemon is stopped before its keeper dies.
void KillBoth(const Home& home) {
  const Watched keeper(home.Keeper());
  const Watched daemon(home.Daemon());
  daemon.Signal(SIGSTOP);
  keeper.Signal(SIGKILL);
  static_cast<void>(keeper.WaitForEnd());
  daemon.Signal(SIGKILL);
  static_cast<void>(daemon.WaitForEnd());
}

// SIGKILL; another one is there and a daemon that answers.
void KillKeeper(const Home& home) {
  const pid_t before = home.Keeper();
  {
    const Watched keeper(before);
    keeper.Signal(SIGKILL);
    static_cast<void>(keeper.WaitForEnd());
  }
  WaitUntil(
      "another keeper and a daemon that answers",
      [&] {
        const auto keepers = home.Keepers();
        return keepers.size() == 1 && keepers[0] != before && home.Daemons().size() == 1 &&
               home.Run({"ping"}).exit_code == 0;
      },
      seconds(20));
}

TEST_SUITE_BEGIN("keeper");

TEST_CASE(
    "kill -9 of the keeper: the daemon brings up another one, and every instance keeps its pid") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    const Home home(cgroups);
    home.Oxfile(kTwoServices);
    home.MustRun({"start"});
    const auto before = home.List();
    for (int time = 0; time < 3; ++time) {
      KillKeeper(home);
      CHECK(SamePids(before, home.List()));
    }
    for (const Instance& instance : home.List()) {
      CHECK(instance.state == "ready");
      CHECK(instance.restarts == 0);
    }
    home.KillDaemon();
    home.MustRun({"ping"});
    CHECK(SamePids(before, home.List()));
    // What the new keeper is not the parent of is stopped all the same.
    home.MustRun({"stop"});
    for (const Instance& old : before) CHECK_FALSE(IsAlive(old.pid));
  }
}

TEST_CASE("a user's keeper, killed alone and with its daemon, is replaced without root's rights") {
  constexpr uid_t kSomebody = 54321;
  for (const auto& kill : {KillKeeper, KillBoth}) {
    Home home;
    if (!home.RunAs(kSomebody)) return;
    home.Oxfile(kTwoServices);
    home.MustRun({"start"});
    const auto before = home.List();
    for (int time = 0; time < 2; ++time) {
      kill(home);
      home.MustRun({"start"});
      CHECK(SamePids(before, home.List()));
    }
    for (const Instance& instance : home.List()) CHECK(instance.restarts == 0);
    home.MustRun({"stop"});
    for (const Instance& old : before) CHECK_FALSE(IsAlive(old.pid));
  }
}

// From Linux 6.15 on a pidfd tells how its process has ended even when somebody else has reaped it.
// Before that it is known only where we look in time, and otherwise *unknown*.
bool IsExitKept() {
  utsname kernel{};
  REQUIRE(uname(&kernel) == 0);
  char* rest = nullptr;
  const long major = std::strtol(kernel.release, &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return major > 6 || (major == 6 && minor >= 15);
}

TEST_CASE("kill -9 of the keeper: exits meanwhile and afterwards are known with their codes") {
  const Home home;
  home.Oxfile(R"(
[processes.meanwhile]
command = "@misbehave wait-for-file @folder/go then exit 41"
restart = "never"
min_uptime_ms = 50
[processes.afterwards]
command = "@misbehave wait-for-file @folder/later then exit 42"
restart = "never"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const Watched meanwhile(home.Pid("meanwhile/0"));
  const Watched keeper(home.Keeper());
  const Watched daemon(home.Daemon());
  daemon.Signal(SIGSTOP);
  keeper.Signal(SIGKILL);
  static_cast<void>(keeper.WaitForEnd());
  home.Write("go", "");
  static_cast<void>(meanwhile.WaitForEnd());
  daemon.Signal(SIGCONT);

  const int code = home.WaitForState("meanwhile/0", "exited").last_exit.value("code", -1);
  CHECK((code == 41 || (code == -1 && !IsExitKept())));
  home.Write("later", "");
  const int later = home.WaitForState("afterwards/0", "exited").last_exit.value("code", -1);
  CHECK((later == 42 || (later == -1 && !IsExitKept())));
}

TEST_CASE("kill -9 of the keeper while a program prints: nothing is lost, and it gets no SIGPIPE") {
  const Home home;
  home.Oxfile(R"(
[processes.chatty]
command = "@misbehave drip 1000 1 then say done then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  KillKeeper(home);
  home.WaitForLog("chatty/0", "done\n");
  std::string expected;
  for (int line = 1; line <= 1000; ++line) expected += "drip " + std::to_string(line) + "\n";
  CHECK(home.Log("chatty/0") == expected + "done\n");
}

TEST_CASE("kill -9 of the keeper in a reload: it goes on, and its caller gets the answer") {
  CheckThatAReloadOutlives([](const Home& home) { KillKeeper(home); });
}

TEST_CASE("kill -9 of the keeper in a stop: SIGKILL comes at its time all the same") {
  const Home home;
  home.Oxfile(R"(
[processes.stubborn]
command = "@misbehave ignore-term then say up then sleep"
stop_timeout_ms = 1500
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("stubborn/0", "up");
  const Watched process(home.Pid("stubborn/0"));
  Command stopping = home.Begin({"stop"});
  home.WaitForLog("stubborn/0", "ignored SIGTERM");
  KillKeeper(home);
  CHECK(stopping.Wait().exit_code == 0);
  CHECK(process.ended());
  CHECK(home.Get("stubborn/0").last_exit.value("signal", "") == "SIGKILL");
  CHECK(CountOf(home.Log("stubborn/0"), "ignored SIGTERM") == 1);
}

TEST_CASE("requests are served through the death of the keeper, and of keeper and daemon") {
  const Home home;
  StartWeb(home);
  const auto before = home.List();
  const auto served = [&] {
    for (int i = 0; i < 10; ++i) CHECK(HttpGet(home.port(), "/").status == 200);
  };
  served();
  KillKeeper(home);
  served();
  CHECK(SamePids(before, home.List()));
  home.MustRun({"reload"});
  served();
  const auto reloaded = home.List();
  KillBoth(home);
  served();  // nobody of ours is there
  home.MustRun({"start"});
  served();
  CHECK(SamePids(reloaded, home.List()));
  home.MustRun({"reload"});
  served();
  CHECK(home.List().size() == 2);
}

TEST_CASE(
    "kill -9 of keeper and daemon: the next start finds what runs, and starts no second one") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    const Home home(cgroups);
    home.Oxfile(kTwoServices);
    home.MustRun({"start"});
    const auto before = home.List();
    for (int time = 0; time < 2; ++time) {
      KillBoth(home);
      home.MustRun({"start"});
      CHECK(SamePids(before, home.List()));
    }
    home.MustRun({"reload"});
    for (const Instance& old : before) CHECK_FALSE(IsAlive(old.pid));
    CHECK(home.List().size() == 3);
    home.MustRun({"stop"});
  }
}

TEST_CASE("kill -9 of keeper and daemon: what is found is stopped with all of its tree") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    const Home home(cgroups);
    home.Oxfile(R"(
[processes.family]
command = "sh -c 'trap \"\" TERM; sleep 1000 & (sleep 1001 &); echo up; wait; sleep 1002'"
stop_timeout_ms = 300
min_uptime_ms = 50
)");
    home.MustRun({"start"});
    home.WaitForLog("family/0", "up");
    KillBoth(home);
    home.MustRun({"start"});
    home.MustRun({"stop"});
    CHECK(home.Get("family/0").state == "stopped");
    // ~Home checks that no process is left.
  }
}

TEST_CASE("kill -9 of keeper and daemon: what was printed meanwhile is in the log, in order") {
  const Home home;
  home.Oxfile(R"(
[processes.chatty]
command = "@misbehave say before then wait-for-file @folder/go then drip 500 1 then say done then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("chatty/0", "before");
  KillBoth(home);
  home.Write("go", "");
  home.MustRun({"start"});
  home.WaitForLog("chatty/0", "done\n");
  std::string expected = "before\n";
  for (int line = 1; line <= 500; ++line) expected += "drip " + std::to_string(line) + "\n";
  CHECK(home.Log("chatty/0") == expected + "done\n");
}

TEST_CASE("an instance that was found again ends, and its exit code is known") {
  const Home home;
  home.Oxfile(R"(
[processes.job]
command = "@misbehave wait-for-file @folder/go then exit 42"
restart = "never"
min_uptime_ms = 50
[processes.killed]
command = "@misbehave sleep"
restart = "never"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  KillBoth(home);
  home.MustRun({"start"});
  const Watched killed(home.Pid("killed/0"));
  home.Write("go", "");
  const int code = home.WaitForState("job/0", "exited").last_exit.value("code", -1);
  CHECK((code == 42 || (code == -1 && !IsExitKept())));
  killed.Signal(SIGKILL);
  const auto signal = home.WaitForState("killed/0", "exited").last_exit.value("signal", "");
  CHECK((signal == "SIGKILL" || (signal.empty() && !IsExitKept())));
}

TEST_CASE("an instance that was found again crashes, and is started again") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  KillBoth(home);
  home.MustRun({"start"});
  const pid_t before = home.Pid("worker/0");
  ::kill(before, SIGKILL);
  WaitUntil("a new process", [&] {
    const Instance now = home.Get("worker/0");
    return now.state == "ready" && now.pid != before;
  });
  CHECK(home.Get("worker/0").restarts == 1);
}

TEST_CASE("what ended while nobody lived counts as failed: a oneshot is not run twice") {
  const Home home;
  home.Oxfile(R"(
[processes.migrate]
type = "oneshot"
command = "@misbehave append @folder/runs x then wait-for-file @folder/go then exit 0"
[processes.api]
command = "@misbehave sleep"
min_uptime_ms = 50
restart_delay_ms = 50
)");
  Command starting = home.Begin({"start"});
  home.WaitForLine("runs", "x");
  home.WaitForState("api/0", "ready");
  const Watched migrate(home.Pid("migrate/0"));
  const Watched api(home.Pid("api/0"));
  KillBoth(home);
  static_cast<void>(starting.Wait());
  home.Write("go", "");
  static_cast<void>(migrate.WaitForEnd());
  api.Signal(SIGKILL);
  static_cast<void>(api.WaitForEnd());

  home.MustRun({"start", "api"});

  home.WaitForState("api/0", "ready");
  // Its code can still be read while whoever inherited it has not reaped it; else it is unknown.
  const std::string state = home.Get("migrate/0").state;
  CHECK_MESSAGE((state == "failed" || state == "done"), state);
  CHECK(home.Lines("runs").size() == 1);
}

TEST_CASE("who has another user by now is in doubt: kept, shown, and never signalled") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can start a program that changes its user");
    return;
  }
  const Home home;
  home.Oxfile(R"(
[processes.changed]
command = "setpriv --reuid=65534 --clear-groups sleep 1000"
stop_timeout_ms = 200
min_uptime_ms = 50
[processes.worker]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const Watched changed(home.Pid("changed/0"));
  const auto before = home.List();
  KillBoth(home);
  home.MustRun({"start"});

  CHECK(SamePids(before, home.List()));
  CHECK_SAYS(home.MustRun({"list"}).out, "in doubt: pid " + std::to_string(home.Pid("changed/0")));
  CHECK_SAYS(home.MustRun({"status", "changed"}).out, "gets no signal");
  const Outcome stopped = home.Run({"stop", "changed"});
  CHECK(stopped.exit_code == 1);
  CHECK_FALSE(changed.ended());
  home.MustRun({"stop", "worker"});
  changed.Signal(SIGKILL);
  home.WaitForState("changed/0", "stopped");
}

// What the keeper has written down, changed by `change`.
void ChangeWrittenDown(const fs::path& file, const std::function<void(keeper::Estate&)>& change) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  Result<keeper::Estate> estate = keeper::DecodeEstate(std::as_bytes(std::span(bytes)));
  REQUIRE(estate.has_value());
  REQUIRE(estate->processes.size() == 3);
  change(*estate);
  std::ofstream(file, std::ios::binary | std::ios::trunc) << keeper::EncodeEstate(*estate);
}

TEST_CASE("what is written down is of another boot, or names a pid of somebody else: no signal") {
  const Home home(Cgroups::kNever);  // nobody would remove theirs
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  const fs::path file = home.ControlSocket().parent_path() / "instances";
  std::vector<std::unique_ptr<Watched>> strangers;
  for (const Instance& one : before) strangers.push_back(std::make_unique<Watched>(one.pid));
  bool other_boot = false;
  SUBCASE("another boot") { other_boot = true; }
  SUBCASE("another start time") {}
  KillBoth(home);
  ChangeWrittenDown(file, [&](keeper::Estate& estate) {
    if (other_boot) estate.preamble.boot[0] = '!';
    for (keeper::LeftProcess& one : estate.processes) one.start_ticks += other_boot ? 0 : 1;
  });

  home.MustRun({"start"});

  const auto after = home.List();
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(after[i].state == "ready");
    CHECK(after[i].pid != before[i].pid);
  }
  home.MustRun({"stop"});
  for (const auto& stranger : strangers) {
    CHECK_FALSE(stranger->ended());
    stranger->Signal(SIGKILL);
  }
}

TEST_CASE("what was written down is damaged or gone: what runs is found all the same") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    for (const bool is_gone : {false, true}) {
      const Home home(cgroups);
      home.Oxfile(kTwoServices);
      home.MustRun({"start"});
      const auto before = home.List();
      const fs::path runtime = home.ControlSocket().parent_path();
      KillBoth(home);
      if (is_gone) {
        fs::remove_all(runtime);
      } else {
        std::ofstream(runtime / "instances", std::ios::trunc) << "nonsense";
      }
      home.MustRun({"start"});
      CHECK(SamePids(before, home.List()));
      home.MustRun({"stop"});
      for (const Instance& old : before) CHECK_FALSE(IsAlive(old.pid));
    }
  }
}

TEST_CASE("as a unit of systemd: the daemon waits for the unit's next keeper and gives it all") {
  Home home;
  home.Oxfile(kTwoServices);
  home.SetEnvironment("INVOCATION_ID", "0123456789abcdef0123456789abcdef");
  const Command first(home.Typed({"daemon", "run"}));
  WaitUntil("the daemon", [&] { return home.Run({"ping"}).exit_code == 0; });
  home.MustRun({"start"});
  const auto before = home.List();
  const Watched keeper(first.pid());
  first.Signal(SIGKILL);
  static_cast<void>(keeper.WaitForEnd());  // systemd starts no other one before
  Command second(home.Typed({"daemon", "run"}));
  WaitUntil("the second keeper and its daemon", [&] {
    const auto keepers = home.Keepers();
    return keepers.size() == 1 && keepers[0] == second.pid() && home.Daemons().size() == 1 &&
           home.Run({"ping"}).exit_code == 0;
  });
  CHECK(SamePids(before, home.List()));
  for (const Instance& instance : home.List()) CHECK(instance.restarts == 0);
  home.MustRun({"reload"});
  home.MustRun({"daemon", "stop"});
  const Outcome ended = second.Wait();
  CHECK_MESSAGE(ended.exit_code == 0, ended.exit_code << ": " << ended.all());
}

TEST_CASE("as a unit of systemd whose keeper does not come back: the daemon becomes it after 5 s") {
  Home home;
  home.Oxfile(kTwoServices);
  home.SetEnvironment("INVOCATION_ID", "0123456789abcdef0123456789abcdef");
  const Command first(home.Typed({"daemon", "run"}));
  WaitUntil("the daemon", [&] { return home.Run({"ping"}).exit_code == 0; });
  home.MustRun({"start"});
  const auto before = home.List();
  const pid_t daemon = home.Daemon();
  first.Signal(SIGKILL);
  WaitUntil(
      "another keeper", [&] { return home.Keepers() == std::vector<pid_t>{daemon}; }, seconds(15));
  home.MustRun({"ping"});
  CHECK(SamePids(before, home.List()));
}

TEST_CASE("daemon stop --keep leaves what runs, and the next start finds it") {
  const Home home;
  home.Oxfile(kTwoServices);
  home.MustRun({"start"});
  const auto before = home.List();
  home.MustRun({"daemon", "stop", "--keep"});
  WaitUntil("the keeper's end", [&] { return home.Keepers().empty(); });
  for (const Instance& instance : before) CHECK(IsAlive(instance.pid));
  home.MustRun({"start"});
  CHECK(SamePids(before, home.List()));
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
