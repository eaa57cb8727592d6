// The real keeper: what survives its daemon, and how the home is held.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "os/clock.h"
#include "os/file.h"
#include "os/local_socket.h"
#include "os/lock.h"
#include "tests/keeper/keeper_run.h"
#include "tests/temporary.h"

namespace oxherd::keeper {
namespace {

TEST_CASE("a daemon is given its home, its number and its arguments") {
  KeeperRun run;
  CHECK(run.hello().version == kProtocolVersion);
  CHECK(run.hello().keeper == run.keeper());
  CHECK(run.hello().daemon_number == 1);
  CHECK(run.hello().use_image);
  CHECK(run.daemon_line().ends_with(" --state " + run.home() + " --runtime " + run.home() +
                                    " extra " + run.home() + "/test.sock"));
}

TEST_CASE("a killed daemon is replaced in under 200 ms, and the new one sees all that lives") {
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"say", "one", "then", "sleep"});
  const Pid pid = run.Await<Started>().pid;
  CHECK(ReadLine(output.get()) == "one");
  const os::Fd second = run.Spawn(Token(2), {"wait-for-file", run.home() + "/go", "then", "say",
                                             "last words", "then", "exit", "9"});
  run.Await<Started>();
  const Instant kill_at = os::Now() + Seconds(60);
  run.Send(Hold{HeldName("3000")}, std::array{output.get()});
  run.Send(Stop{Token(1), 0, Scope::kGroup, kill_at});
  REQUIRE(::ftruncate(run.image(), 4096) == 0);

  const Instant killed = os::Now();
  run.KillDaemon();
  const os::Fd go(::open((run.home() + "/go").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  run.AwaitDaemon();
  CHECK(os::Now() - killed < Millis(200));
  CHECK(run.hello().daemon_number == 2);
  struct stat image{};
  REQUIRE(::fstat(run.image(), &image) == 0);
  CHECK(image.st_size == 4096);

  const Instant until = os::Now() + kPatience;
  WorldAnswer world = run.AskForWorld();
  while (world.Of(Token(2)).record.phase != Phase::kGone) {
    REQUIRE(os::Now() < until);
    world = run.AskForWorld();
  }
  CHECK(world.records.size() == 2);
  CHECK(world.held == std::vector<std::string>{"3000"});
  const WorldAnswer::One& alive = world.Of(Token(1));
  CHECK(alive.record.phase == Phase::kRunning);
  CHECK(alive.record.pid == pid);
  CHECK(alive.record.kill_at == kill_at);
  CHECK(alive.attached.size() == 2);
  CHECK(IsAlive(pid));
  const WorldAnswer::One& dead = world.Of(Token(2));
  CHECK(dead.record.exit.status == ExitStatus::Code(9));
  CHECK(ReadLine(dead.attached.at(1).get()) == "last words");
}

TEST_CASE("a deadline is kept while no daemon is alive") {
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"ignore-term", "then", "say", "up", "then", "sleep"});
  ReadLine(output.get());
  const Instant kill_at = os::Now() + Millis(150);
  run.Send(Stop{Token(1), SIGTERM, Scope::kGroup, kill_at});
  // Sent before its death, and so it counts.
  run.KillDaemon();
  run.AwaitDaemon();
  const Instant until = os::Now() + kPatience;
  WorldAnswer world = run.AskForWorld();
  while (world.Of(Token(1)).record.phase != Phase::kGone) {
    REQUIRE(os::Now() < until);
    world = run.AskForWorld();
  }
  const WorldRecord& record = world.Of(Token(1)).record;
  CHECK(record.stop_sent_at < kill_at);
  CHECK(record.kill_fired_at >= kill_at);
  CHECK(record.kill_fired_at < kill_at + Millis(50));
}

TEST_CASE("checks die with their daemon; hooks do not") {
  KeeperRun run;
  run.AskForWorld();
  const os::Fd check_output =
      run.SpawnPlan(Token(1), run.PlanFor(Token(1), {"sleep"}), ProcessKind::kCheck);
  const Pid check = run.Await<Started>().pid;
  const os::Fd hook_output =
      run.SpawnPlan(Token(2), run.PlanFor(Token(2), {"sleep"}), ProcessKind::kHook);
  const Pid hook = run.Await<Started>().pid;
  run.KillDaemon();
  run.AwaitDaemon();
  AwaitDeath(check);
  CHECK(IsAlive(hook));
  const WorldAnswer world = run.AskForWorld();
  REQUIRE(world.records.size() == 1);
  CHECK(world.records[0].record.label.kind == ProcessKind::kHook);
}

TEST_CASE("clients that connect while no daemon is alive wait for the next one") {
  KeeperRun run;
  run.AskForWorld();
  run.KillDaemon();
  const auto client = os::ConnectLocally(run.home(), "control.sock");
  REQUIRE(client.has_value());
  run.AwaitDaemon();
  const os::Fd accepted(::accept4(run.control_socket(), nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(accepted);
}

TEST_CASE("signals for the keeper go to the daemon, and those it does not know do nothing") {
  KeeperRun run;
  run.AskForWorld();
  for (const int signal : {SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGQUIT, SIGTSTP}) {
    run.SignalKeeper(signal);
  }
  run.SignalKeeper(SIGHUP);
  CHECK(run.NextSignalOfDaemon() == SIGHUP);
  run.SignalKeeper(SIGTERM);
  CHECK(run.NextSignalOfDaemon() == SIGTERM);
  run.SignalKeeper(SIGINT);
  CHECK(run.NextSignalOfDaemon() == SIGTERM);
  run.KillDaemon();
  run.AwaitDaemon();
  CHECK(run.hello().terminations == 2);
}

TEST_CASE("after Bye the keeper ends with the daemon's code and leaves no socket and no process") {
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"child", "session", "then", "sleep"});
  const Pid child = PidAfter("child", ReadLine(output.get()));
  run.Send(Bye{.exit_code = 6, .remains = Remains::kKill});
  run.KillDaemon();
  CHECK(run.AwaitExit() == 6);
  CHECK_FALSE(IsAlive(child));
  CHECK(::access((run.home() + "/control.sock").c_str(), F_OK) != 0);
}

TEST_CASE("the lock says who serves the home, and a second keeper names him") {
  KeeperRun run;
  const auto holder = os::ReadLock(run.home() + "/daemon.lock");
  REQUIRE(holder.has_value());
  REQUIRE(holder->has_value());
  CHECK((*holder)->pid == run.keeper());
  CHECK((*holder)->socket == run.home() + "/control.sock");

  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const os::Fd text(ends[0]);
  os::Fd writer(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], 2);
    const std::string program = std::string(OXHERD_BINARY_DIR) + "/oxherd-keeper";
    ::execl(program.c_str(), "oxherd-keeper", "--state", run.home().c_str(), "--runtime",
            run.home().c_str(), "--daemon", "/bin/true", nullptr);
    ::_exit(126);
  }
  writer.Reset();
  const std::string said = ReadAll(text.get());
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(said.find("(pid " + std::to_string(run.keeper().number()) + ")") != std::string::npos);
  CHECK(said.find("OXHERD_HOME") != std::string::npos);
}

TEST_CASE("a control socket that somebody deletes is made again, and the daemon gets it") {
  KeeperRun run;
  run.AskForWorld();
  REQUIRE(::unlink((run.home() + "/control.sock").c_str()) == 0);
  std::vector<os::Fd> attached;
  run.Await<NewControlSocket>(&attached);
  REQUIRE(attached.size() == 1);
  const auto client = os::ConnectLocally(run.home(), "control.sock");
  REQUIRE(client.has_value());
  const os::Fd accepted(::accept4(attached[0].get(), nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(accepted);
  struct stat about{};
  REQUIRE(::stat((run.home() + "/control.sock").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
}

TEST_CASE("an idle keeper uses no time and little memory") {
  KeeperRun run;
  run.AskForWorld();
  std::vector<os::Fd> outputs;
  for (std::uint64_t token = 1; token <= 100; ++token) {
    outputs.push_back(run.Spawn(Token(token), {"sleep"}));
    run.Await<Started>();
  }
  const long before = run.TicksOfKeeper();
  run.ExpectSilence(Seconds(6));
  CHECK(run.TicksOfKeeper() - before <= 1);
  const auto rollup =
      os::ReadFile("/proc/" + std::to_string(run.keeper().number()) + "/smaps_rollup", 1 << 16);
  REQUIRE(rollup.has_value());
  const std::size_t at = rollup->find("\nPss:");
  REQUIRE(at != std::string::npos);
  MESSAGE("keeper with 100 processes:" << rollup->substr(at + 5, 24));
}

TEST_CASE("a daemon that cannot be started at all ends the keeper with a clear line") {
  const std::string home = test::MakeTemporaryFolder("keeper");
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const os::Fd text(ends[0]);
  os::Fd writer(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], 2);
    const std::string program = std::string(OXHERD_BINARY_DIR) + "/oxherd-keeper";
    ::execl(program.c_str(), "oxherd-keeper", "--state", home.c_str(), "--runtime", home.c_str(),
            "--daemon", "/no/such/daemon", nullptr);
    ::_exit(126);
  }
  writer.Reset();
  const std::string said = ReadAll(text.get());
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(said == "oxherd: cannot start the daemon /no/such/daemon: No such file or directory\n");
  ::unlink((home + "/daemon.lock").c_str());
  CHECK(::rmdir(home.c_str()) == 0);
}

}  // namespace
}  // namespace oxherd::keeper
