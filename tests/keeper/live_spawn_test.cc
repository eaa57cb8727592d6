// The real keeper: what a child is given, and what is said when it cannot be started.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/keeper/keeper_run.h"

namespace oxherd::keeper {
namespace {

std::set<std::string> Lines(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  return lines;
}

TEST_CASE("a process is started, exits, is gone and is forgotten, with its exit code") {
  for (const Cgroups cgroups : {Cgroups::kOn, Cgroups::kOff}) {
    KeeperRun run(cgroups);
    run.AskForWorld();
    const os::Fd output = run.Spawn(Token(5), {"say", "hello", "then", "exit", "7"});
    std::vector<os::Fd> attached;
    const auto started = run.Await<Started>(&attached);
    CHECK(started.token == Token(5));
    CHECK(started.pid.is_set());
    CHECK(attached.size() == 1);
    CHECK(run.Await<Exited>().record.status == ExitStatus::Code(7));
    CHECK(run.Await<Gone>().token == Token(5));
    CHECK(ReadLine(output.get()) == "hello");
    run.Send(Ack{Token(5)});
    const WorldAnswer world = run.AskForWorld();
    CHECK(world.records.empty());
    CHECK(world.highest == Token(5));
  }
}

TEST_CASE("a child has the descriptors of its map and no others") {
  KeeperRun run;
  run.AskForWorld();
  std::array<int, 2> held{};
  REQUIRE(::pipe2(held.data(), O_CLOEXEC) == 0);
  const os::Fd held_read(held[0]);
  const os::Fd held_write(held[1]);
  run.Send(Hold{HeldName("3000")}, std::array{held[0]});
  Plan plan = run.PlanFor(Token(1), {"print-fds"});
  plan.descriptors.push_back({.target = 3,
                              .source = MappedDescriptor::Source::kHeld,
                              .open = MappedDescriptor::Open::kAsItIs,
                              .attached = 0,
                              .name = "3000"});
  plan.descriptors.push_back({.target = 200,
                              .source = MappedDescriptor::Source::kHeld,
                              .open = MappedDescriptor::Open::kAsItIs,
                              .attached = 0,
                              .name = "3000"});
  const os::Fd output = run.SpawnPlan(Token(1), plan);
  run.Await<Gone>();
  std::array<char, 64> link{};
  const std::string own = "/proc/self/fd/" + std::to_string(held[0]);
  const ssize_t size = ::readlink(own.c_str(), link.data(), link.size());
  const std::string pipe(link.data(), static_cast<std::size_t>(size));
  const std::string out_path = "/proc/self/fd/" + std::to_string(output.get());
  const ssize_t out_size = ::readlink(out_path.c_str(), link.data(), link.size());
  const std::string out(link.data(), static_cast<std::size_t>(out_size));
  run.Send(Ack{Token(1)});
  run.AskForWorld();  // the keeper's copies of the pipe are closed by now
  CHECK(Lines(ReadAll(output.get())) == std::set<std::string>{"fd 0 /dev/null", "fd 1 " + out,
                                                              "fd 2 " + out, "fd 3 " + pipe,
                                                              "fd 200 " + pipe});
}

TEST_CASE("a child has default signals, its own session, its folder, and the limits it asks for") {
  KeeperRun run;
  run.AskForWorld();
  Plan plan = run.PlanFor(Token(1), {"print-signals", "then", "print-ids", "then", "print-limits",
                                     "then", "print-folder"});
  plan.limits = {{.resource = RLIMIT_NOFILE, .soft = 321, .hard = 654}};
  plan.umask = 027;
  plan.nice = 3;
  plan.oom_score_adj = 77;
  const os::Fd output = run.SpawnPlan(Token(1), plan);
  const Pid pid = run.Await<Started>().pid;
  run.Await<Gone>();
  run.Send(Ack{Token(1)});
  run.AskForWorld();
  const std::set<std::string> lines = Lines(ReadAll(output.get()));
  const std::string number = std::to_string(pid.number());
  CHECK(lines.contains("SigBlk:\t0000000000000000"));
  CHECK(lines.contains("SigIgn:\t0000000000000000"));
  CHECK(lines.contains("pid " + number + " group " + number + " session " + number + " parent " +
                       std::to_string(run.keeper().number())));
  CHECK(lines.contains("open_files 321 654"));
  CHECK(lines.contains("umask " + std::to_string(027)));
  CHECK(lines.contains("nice 3"));
  CHECK(lines.contains("oom_score_adj 77"));
  CHECK(std::ranges::any_of(
      lines, [&](const std::string& line) { return line.find(run.home()) != std::string::npos; }));
}

TEST_CASE("without a limit of its own a child has that which the keeper was started with") {
  rlimit mine{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &mine) == 0);
  KeeperRun run;
  run.AskForWorld();
  const os::Fd output = run.Spawn(Token(1), {"print-limits"});
  run.Await<Gone>();
  CHECK(ReadLine(output.get()) ==
        "open_files " + std::to_string(mine.rlim_cur) + " " + std::to_string(mine.rlim_max));
}

struct Failing {
  const char* what;
  Stage stage;
  int error_number;
};

TEST_CASE("a start that fails says in which stage and why, and leaves nothing behind") {
  KeeperRun run;
  run.AskForWorld();
  const std::string plain = run.home() + "/plain";
  std::ofstream(plain) << "no program at all\n";
  const std::string busy = run.home() + "/busy";
  std::ofstream(busy) << "#!/bin/sh\n";
  REQUIRE(::chmod(busy.c_str(), 0700) == 0);
  const std::string script = run.home() + "/script";
  std::ofstream(script) << "echo no first line\n";
  REQUIRE(::chmod(script.c_str(), 0700) == 0);
  const os::Fd writing(::open(busy.c_str(), O_WRONLY | O_CLOEXEC));

  std::uint64_t token = 0;
  const auto fails = [&](Stage stage, int error_number, auto change) {
    Plan plan = run.PlanFor(Token(++token), {"sleep"});
    change(plan);
    const os::Fd output = run.SpawnPlan(Token(token), plan);
    const Heard heard = run.Next();
    REQUIRE(std::holds_alternative<SpawnFailed>(heard.report));
    CHECK(std::get<SpawnFailed>(heard.report) ==
          SpawnFailed{.token = Token(token), .stage = stage, .error_number = error_number});
  };
  fails(Stage::kExec, ENOENT, [](Plan& plan) { plan.program = "/no/such/program"; });
  fails(Stage::kExec, EACCES, [&](Plan& plan) { plan.program = plain; });
  fails(Stage::kExec, ENOEXEC, [&](Plan& plan) { plan.program = script; });
  fails(Stage::kExec, ETXTBSY, [&](Plan& plan) { plan.program = busy; });
  fails(Stage::kExec, E2BIG,
        [](Plan& plan) { plan.environment.push_back("BIG=" + std::string(200 * 1024, 'x')); });
  fails(Stage::kDirectory, ENOENT, [](Plan& plan) { plan.directory = "/no/such/folder"; });
  fails(Stage::kDirectory, ENOTDIR, [&](Plan& plan) { plan.directory = plain; });
  fails(Stage::kDescriptors, EBADF, [](Plan& plan) {
    plan.descriptors.push_back({.target = 5,
                                .source = MappedDescriptor::Source::kHeld,
                                .open = MappedDescriptor::Open::kAsItIs,
                                .attached = 0,
                                .name = "nobody"});
  });
  fails(Stage::kLimits, EINVAL,
        [](Plan& plan) { plan.limits = {{.resource = RLIMIT_NOFILE, .soft = 10, .hard = 5}}; });
  fails(Stage::kPlan, EBADMSG, [](Plan& plan) { plan.arguments.clear(); });
  CHECK(run.AskForWorld().records.empty());
}

TEST_CASE("a plan that is not sealed is not trusted") {
  KeeperRun run;
  run.AskForWorld();
  auto file = os::MakeMemfd("plan");
  REQUIRE(file.has_value());
  const std::string bytes = EncodePlan(run.PlanFor(Token(1), {"sleep"}));
  REQUIRE(::write(file->get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  Spawn spawn;
  spawn.token = Token(1);
  spawn.roles.Add(Role::kPlan);
  run.Send(spawn, std::array{file->get()});
  CHECK(run.Await<SpawnFailed>().stage == Stage::kPlan);
}

TEST_CASE("a start runs under the user and the groups of its plan") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root to become somebody else");
    return;
  }
  KeeperRun run;
  run.AskForWorld();
  REQUIRE(::chmod(run.home().c_str(), 0755) == 0);
  Plan plan = run.PlanFor(Token(1), {});
  plan.program = "/bin/sh";
  plan.arguments = {"sh", "-c", "echo $(id -u) $(id -g) $(id -G)"};
  plan.identity = Identity{.uid = 1234, .gid = 2345, .groups = {2345, 3456}};
  const os::Fd output = run.SpawnPlan(Token(1), plan);
  CHECK(ReadLine(output.get()) == "1234 2345 2345 3456");
  run.Await<Gone>();
}

TEST_CASE("a child enters its folder as its own user: root's is closed to it, also behind a link") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root to become somebody else");
    return;
  }
  KeeperRun run;
  run.AskForWorld();
  REQUIRE(::chmod(run.home().c_str(), 0755) == 0);
  const std::string closed = run.home() + "/closed";
  REQUIRE(::mkdir(closed.c_str(), 0700) == 0);
  const std::string link = run.home() + "/link";
  REQUIRE(::symlink(closed.c_str(), link.c_str()) == 0);
  std::uint64_t token = 0;
  for (const std::string& folder : {closed, link}) {
    Plan plan = run.PlanFor(Token(++token), {"sleep"});
    plan.directory = folder;
    plan.identity = Identity{.uid = 1234, .gid = 1234, .groups = {}};
    const os::Fd output = run.SpawnPlan(Token(token), plan);
    CHECK(run.Await<SpawnFailed>() ==
          SpawnFailed{.token = Token(token), .stage = Stage::kDirectory, .error_number = EACCES});
  }
}

TEST_CASE("what is no request is answered, and the keeper goes on") {
  KeeperRun run;
  run.AskForWorld();
  for (int i = 0; i < 50; ++i) {
    run.Send(Upgrade{});
    CHECK(run.Await<Refused>().error_number == EMFILE);
  }
  run.Send(Hold{HeldName("nothing attached")});
  CHECK(run.Await<Refused>().error_number == EMFILE);
  const std::string nonsense = "this is no message";
  run.SendRaw(nonsense);
  CHECK(run.Await<Refused>().error_number == EBADMSG);
  Spawn lost;
  lost.token = Token(9);
  lost.roles.Add(Role::kPlan);
  run.Send(lost);
  CHECK(run.Await<SpawnFailed>().error_number == EMFILE);
  const os::Fd output = run.Spawn(Token(1), {"exit", "0"});
  run.Await<Gone>();
}

}  // namespace
}  // namespace oxherd::keeper
