// The real keeper: stopping, killing, and trees of all shapes.
#include <csignal>

#include "os/clock.h"
#include "tests/keeper/keeper_run.h"

namespace oxherd::keeper {
namespace {

// SIGKILL comes at kill_at and not before; so much later on a busy machine.
constexpr Duration kLate = Millis(50);

TEST_CASE("a process that ends on the stop signal is gone at once") {
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"on-term", "3", "then", "say", "up", "then", "sleep"});
  CHECK(ReadLine(output.get()) == "up");
  run.Send(Stop{Token(1), SIGTERM, Scope::kGroup, os::Now() + Seconds(60)});
  CHECK(run.Await<Exited>().record.status == ExitStatus::Code(3));
  run.Await<Gone>();
}

TEST_CASE("a process that ignores the stop signal is killed exactly at kill_at") {
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    const os::Fd output =
        run.Spawn(Token(1), {"ignore-term", "then", "say", "up", "then", "sleep"});
    CHECK(ReadLine(output.get()) == "up");
    const Instant kill_at = os::Now() + Millis(300);
    run.Send(Stop{Token(1), SIGTERM, Scope::kGroup, kill_at});
    CHECK(ReadLine(output.get()) == "ignored SIGTERM");
    const Instant fired = run.Await<KillFired>().at;
    CHECK(fired >= kill_at);
    CHECK(fired < kill_at + kLate);
    const auto exited = run.Await<Exited>();
    CHECK(exited.record.status == ExitStatus::Signal(SIGKILL));
    CHECK(exited.record.at < kill_at + kLate);
    run.Await<Gone>();
  }
}

TEST_CASE("a process that was stopped by SIGSTOP still hears the stop signal") {
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output =
      run.Spawn(Token(1), {"on-term", "0", "then", "say", "up", "then", "stop-self"});
  CHECK(ReadLine(output.get()) == "up");
  run.Send(Stop{Token(1), SIGTERM, Scope::kGroup, os::Now() + Seconds(60)});
  CHECK(run.Await<Exited>().record.status == ExitStatus::Code(0));
}

TEST_CASE("a stop reaches the group, or the main process alone") {
  KeeperRun run;
  run.AskForWorld();
  for (const Scope scope : {Scope::kGroup, Scope::kMain}) {
    const Token token(scope == Scope::kGroup ? 1 : 2);
    const os::Fd output = run.Spawn(token, {"child", "then", "sleep"});
    const Pid child = PidAfter("child", ReadLine(output.get()));
    const Instant kill_at = os::Now() + Millis(scope == Scope::kGroup ? 60'000 : 300);
    run.Send(Stop{token, SIGTERM, scope, kill_at});
    CHECK(run.Await<Exited>().record.status == ExitStatus::Signal(SIGTERM));
    if (scope == Scope::kMain) {
      CHECK(IsAlive(child));
      CHECK(run.Await<KillFired>().at >= kill_at);
    }
    run.Await<Gone>();
    CHECK_FALSE(IsAlive(child));
  }
}

TEST_CASE("what has left the group gets the stop signal when the main process has ended") {
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    const os::Fd output = run.Spawn(Token(1), {"child", "session", "then", "sleep"});
    const Pid child = PidAfter("child", ReadLine(output.get()));
    run.Send(Stop{Token(1), SIGTERM, Scope::kGroup, os::Now() + Seconds(60)});
    CHECK(run.Await<Exited>().record.status == ExitStatus::Signal(SIGTERM));
    run.Await<Gone>();  // well before kill_at
    CHECK_FALSE(IsAlive(child));
  }
}

TEST_CASE("Gone is said when the last process of the tree has ended, whatever it had done") {
  const std::vector<std::vector<std::string>> shapes = {
      {"child"},           {"child", "session"},
      {"child", "orphan"}, {"child", "session", "orphan"},
      {"child", "no-env"}, {"children", "20", "session", "orphan"}};
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    std::uint64_t number = 0;
    for (const std::vector<std::string>& shape : shapes) {
      const Token token(++number);
      std::vector<std::string> words = shape;
      words.insert(words.end(), {"then", "say", "made", "then", "sleep"});
      const os::Fd output = run.Spawn(token, words);
      std::vector<Pid> children;
      const std::size_t wanted = shape[0] == "children" ? 20 : 1;
      for (bool made = false; !made || children.size() < wanted;) {
        const std::string line = ReadLine(output.get());
        if (line == "made") {
          made = true;
        } else {
          children.push_back(PidAfter("child", line));
        }
      }
      run.Send(Signal{token, SIGKILL, Scope::kMain});
      run.Await<Exited>();
      for (const Pid child : children) CHECK(IsAlive(child));
      run.Send(Kill{token});
      run.Await<Gone>();
      for (const Pid child : children) CHECK_FALSE(IsAlive(child));
      run.Send(Ack{token});
    }
  }
}

TEST_CASE("the tree is empty by itself: Gone follows the last process, nobody being killed") {
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    const os::Fd output = run.Spawn(Token(1), {"child", "session", "orphan", "then", "exit", "0"});
    const Pid child = PidAfter("child", ReadLine(output.get()));
    run.Await<Exited>();
    run.ExpectSilence(Millis(100));
    REQUIRE(::kill(child.number(), SIGKILL) == 0);
    run.Await<Gone>();
  }
}

TEST_CASE("a process that is about to end is nobody's stray") {
  KeeperRun run(Cgroups::kOff);
  run.AskForWorld();
  for (std::uint64_t round = 1; round <= 20; ++round) {
    // The parents of thirty orphans end while their main process does.
    const os::Fd output =
        run.Spawn(Token(round), {"children", "30", "session", "orphan", "then", "exit", "0"});
    run.Await<Exited>();
    run.Send(Kill{Token(round)});
    for (bool gone = false; !gone;) {
      const Heard heard = run.Next();
      CHECK_FALSE(std::holds_alternative<Stray>(heard.report));
      gone = std::holds_alternative<Gone>(heard.report);
    }
    run.Send(Ack{Token(round)});
  }
}

TEST_CASE(
    "a program that daemonises has exited; what it left is known and killed at the deadline") {
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    const os::Fd output =
        run.Spawn(Token(1), {"daemonise", "then", "ignore-term", "then", "sleep"});
    const Pid daemon = PidAfter("daemon", ReadLine(output.get()));
    CHECK(run.Await<Exited>().record.status == ExitStatus::Code(0));
    const Instant kill_at = os::Now() + Millis(100);
    run.Send(Stop{Token(1), SIGTERM, Scope::kGroup, kill_at});
    CHECK(run.Await<KillFired>().at >= kill_at);
    run.Await<Gone>();
    CHECK_FALSE(IsAlive(daemon));
  }
}

TEST_CASE(
    "without cgroups what cleared its environment and made its own session is a stray, and left "
    "alone") {
  KeeperRun run(Cgroups::kOff);
  run.AskForWorld();
  const os::Fd output =
      run.Spawn(Token(1), {"child", "session", "orphan", "no-env", "then", "sleep", "100"});
  const Pid stray = PidAfter("child", ReadLine(output.get()));
  // A second tree keeps somebody to be looked for.
  const os::Fd other = run.Spawn(Token(2), {"child", "session", "then", "exit", "0"});
  ReadLine(other.get());
  CHECK(run.Await<Stray>().pid == stray);
  run.Send(Kill{Token(1)});
  run.Send(Kill{Token(2)});
  run.Await<Gone>();
  run.Await<Gone>();
  CHECK(IsAlive(stray));
  REQUIRE(::kill(stray.number(), SIGKILL) == 0);
  AwaitDeath(stray);
}

TEST_CASE("a hundred processes that ignore everything are killed together at their deadline") {
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    constexpr std::uint64_t kMany = 100;
    std::vector<os::Fd> outputs;
    for (std::uint64_t token = 1; token <= kMany; ++token) {
      outputs.push_back(
          run.Spawn(Token(token), {"ignore-term", "then", "say", "up", "then", "sleep"}));
    }
    for (const os::Fd& output : outputs) CHECK(ReadLine(output.get()) == "up");
    const Instant kill_at = os::Now() + Millis(200);
    for (std::uint64_t token = 1; token <= kMany; ++token) {
      run.Send(Stop{Token(token), SIGTERM, Scope::kGroup, kill_at});
    }
    Instant last{};
    for (std::uint64_t token = 1; token <= kMany; ++token) last = run.Await<Gone>().at;
    CHECK(last >= kill_at);
    CHECK(last < kill_at + Millis(500));
    MESSAGE("100 killed trees were gone " << ToMillis(last - kill_at) << " ms after kill_at");
  }
}

TEST_CASE("a slot whose process was killed starts again in a cgroup of its own") {
  KeeperRun run;
  run.AskForWorld();
  bool in_cgroup = true;
  for (std::uint64_t number = 1; number <= 4 && in_cgroup; ++number) {
    const Token token(number);
    Plan plan = run.PlanFor(token, {"child", "session", "then", "sleep"});
    plan.cgroup = "api.0";
    const os::Fd output = run.SpawnPlan(token, plan);
    in_cgroup = run.Await<Started>().in_cgroup;
    ReadLine(output.get());
    run.Send(Kill{token});
    run.Await<Gone>();
    run.Send(Ack{token});
  }
  if (!in_cgroup) MESSAGE("skipped: no cgroups here");
}

TEST_CASE("an instance that makes cgroups of its own does not spoil its slot") {
  KeeperRun run;
  run.AskForWorld();
  for (std::uint64_t number = 1; number <= 3; ++number) {
    const Token token(number);
    Plan plan = run.PlanFor(token, {});
    plan.program = "/bin/sh";
    plan.arguments = {"sh", "-c",
                      "own=$(sed -n s,^0::,,p /proc/self/cgroup); "
                      "mount=$(awk '$0 ~ / - cgroup2 / {print $5; exit}' /proc/self/mountinfo); "
                      "mkdir $mount$own/inner 2>/dev/null; echo made; exec sleep 1000"};
    plan.cgroup = "api.0";
    const os::Fd output = run.SpawnPlan(token, plan);
    CHECK(ReadLine(output.get()) == "made");
    run.Send(Kill{token});
    run.Await<Gone>();
    run.Send(Ack{token});
  }
}

TEST_CASE("a Kill in the middle of a fork storm leaves nobody") {
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    const os::Fd output =
        run.Spawn(Token(1), {"children", "200", "session", "orphan", "then", "sleep"});
    ReadLine(output.get());
    run.Send(Kill{Token(1)});
    run.Await<Gone>();
    // Everybody who could write into the pipe is dead; the keeper's and our ends are read ends.
    run.Send(Ack{Token(1)});
    run.AskForWorld();
    ReadAll(output.get());
  }
}

TEST_CASE("strangers that are left to the keeper are reaped") {
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"child", "session", "orphan", "then", "sleep"});
  const Pid child = PidAfter("child", ReadLine(output.get()));
  REQUIRE(::kill(child.number(), SIGKILL) == 0);
  const Instant until = os::Now() + Seconds(1);
  while (::kill(child.number(), 0) == 0) REQUIRE(os::Now() < until);
}

}  // namespace
}  // namespace oxherd::keeper
