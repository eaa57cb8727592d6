#include "os/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "os/cgroup.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/listeners.h"
#include "os/process_tree.h"
#include "tests/os/scratch.h"

namespace oxherd::os {
namespace {

constexpr Duration kPatience = Seconds(10);
const std::string kMisbehave = std::string(OXHERD_BINARY_DIR) + "/programs/misbehave";

bool WaitFor(int fd) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(ToMillis(kPatience))) > 0;
}

std::string ReadLine(int fd) {
  std::string line;
  char byte = 0;
  while (WaitFor(fd) && ::read(fd, &byte, 1) == 1 && byte != '\n') line += byte;
  return line;
}

// A child made by Clone and RunChild, with its standard output in a pipe. Ended with the object.
class Offspring {
 public:
  explicit Offspring(std::vector<const char*> words, int cgroup = -1,
                     const char* program = kMisbehave.c_str()) {
    auto report = MakePipe(PipeReading::kBlocks);
    auto output = MakePipe(PipeReading::kBlocks);
    words.insert(words.begin(), "misbehave");
    words.push_back(nullptr);
    const std::array<const char*, 1> environment = {nullptr};
    auto cloned = Clone(cgroup);
    REQUIRE(cloned.has_value());
    if (cloned->is_child) {
      std::array descriptors = {ChildDescriptor{.source = output->write_end.get(), .target = 1}};
      ChildOrder order;
      order.program = program;
      order.arguments = words.data();
      order.environment = environment.data();
      order.directory = "/";
      order.descriptors = descriptors;
      order.report = report->write_end.get();
      RunChild(order);
    }
    report->write_end.Reset();
    pid = cloned->pid;
    pidfd = std::move(cloned->pidfd);
    out = std::move(output->read_end);
    REQUIRE(WaitFor(report->read_end.get()));
    bool reached_exec = false;
    start = ReadChildReport(report->read_end.get(), reached_exec);
  }
  ~Offspring() {
    if (!is_reaped) {
      ::kill(pid.number(), SIGKILL);
      ::waitpid(pid.number(), nullptr, 0);
    }
  }
  Offspring(const Offspring&) = delete;
  Offspring& operator=(const Offspring&) = delete;

  Reaped Reap() {
    REQUIRE(WaitFor(pidfd.get()));
    auto reaped = ReapOne();
    REQUIRE(reaped.has_value());
    REQUIRE(reaped->has_value());
    is_reaped = true;
    return **reaped;
  }

  Pid pid;
  Fd pidfd;
  Fd out;
  ChildReport start;
  bool is_reaped = false;
};

TEST_CASE("a child is started, signalled by its pidfd, and reaped with its status") {
  Offspring child({"sleep"});
  CHECK(child.start.state == ChildReport::State::kRuns);
  CHECK_FALSE(ReapOne().value().has_value());
  REQUIRE(SendSignal(child.pidfd.get(), SIGTERM).has_value());
  const Reaped reaped = child.Reap();
  CHECK(reaped.pid == child.pid);
  CHECK(reaped.status == ExitStatus::Signal(SIGTERM));
  CHECK(SendSignal(child.pidfd.get(), SIGTERM).error().number == ESRCH);
  CHECK_FALSE(ReapOne().value().has_value());  // no children at all is no error
}

TEST_CASE("a child that cannot exec says so, and one that dies before says nothing") {
  Offspring failing({"sleep"}, -1, "/no/such/program");
  CHECK(failing.start.state == ChildReport::State::kFailed);
  CHECK(failing.start.failure.stage == ChildStage::kExec);
  CHECK(failing.start.failure.error_number == ENOENT);
  CHECK(failing.Reap().status == ExitStatus::Code(127));

  auto report = MakePipe(PipeReading::kBlocks);
  auto cloned = Clone(-1);
  REQUIRE(cloned.has_value());
  if (cloned->is_child) ::kill(::getpid(), SIGKILL);
  report->write_end.Reset();
  bool reached_exec = false;
  REQUIRE(WaitFor(report->read_end.get()));
  CHECK(ReadChildReport(report->read_end.get(), reached_exec).state == ChildReport::State::kDied);
  ::waitpid(cloned->pid.number(), nullptr, 0);
}

TEST_CASE("a child that cannot become its user ends there, and nothing of its program runs") {
  const Scratch scratch;
  const std::string ran = scratch / "ran";
  auto report = MakePipe(PipeReading::kBlocks);
  auto cloned = Clone(-1);
  REQUIRE(cloned.has_value());
  if (cloned->is_child) {
    // Root without its capabilities may not change users, as anybody else.
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> none{};
    ::syscall(SYS_capset, &header, none.data());
    const std::array<const char*, 5> words = {"misbehave", "append", ran.c_str(), "x", nullptr};
    const std::array<const char*, 1> environment = {nullptr};
    ChildOrder order;
    order.program = kMisbehave.c_str();
    order.arguments = words.data();
    order.environment = environment.data();
    order.directory = "/";
    order.user = ChildUser{.uid = ::geteuid() + 1, .gid = ::getegid() + 1, .groups = {}};
    order.report = report->write_end.get();
    RunChild(order);
  }
  report->write_end.Reset();
  bool reached_exec = false;
  REQUIRE(WaitFor(report->read_end.get()));
  const ChildReport start = ReadChildReport(report->read_end.get(), reached_exec);
  CHECK(start.state == ChildReport::State::kFailed);
  CHECK(start.failure.stage == ChildStage::kUser);
  CHECK(start.failure.error_number == EPERM);
  CHECK_FALSE(reached_exec);
  int status = 0;
  REQUIRE(::waitpid(cloned->pid.number(), &status, 0) == cloned->pid.number());
  CHECK(::access(ran.c_str(), F_OK) != 0);
}

TEST_CASE("a signal reaches the whole group, also after its leader has ended") {
  Offspring child({"child", "then", "sleep"});
  const std::string line = ReadLine(child.out.get());
  const int other = std::stoi(line.substr(6));
  REQUIRE(SendSignal(child.pidfd.get(), SIGKILL).has_value());
  child.Reap();
  CHECK(::kill(other, 0) == 0);
  const auto sent = SendSignalToGroup(child.pidfd.get(), child.pid, SIGKILL, Leader::kReaped);
  if (!sent) {
    CHECK(sent.error().number == EINVAL);  // before Linux 6.9
    ::kill(other, SIGKILL);
  }
  const Instant until = Now() + kPatience;
  while (ReadFile("/proc/" + std::to_string(other) + "/stat", 4096).has_value() && Now() < until) {
    const auto stat =
        ParseStat(ReadFile("/proc/" + std::to_string(other) + "/stat", 4096).value_or(""));
    if (!stat || stat->state == 'Z') break;
  }
  CHECK(Now() < until);
}

// ---- /proc ----

TEST_CASE("a line of /proc/PID/stat is read whatever the command is called") {
  const std::string rest =
      " S 7 8 9 34816 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 987654 1000 200 18446744073709551615";
  const ProcessStat expected{.pid = Pid(42),
                             .parent = Pid(7),
                             .group = Pid(8),
                             .session = Pid(9),
                             .state = 'S',
                             .start_ticks = 987654};
  for (const char* name : {"sh", "a b", ")", "( )", ") S 1 1 1 (", "", "\n", "x) R 5 5 5"}) {
    CHECK(ParseStat("42 (" + std::string(name) + ")" + rest) == expected);
  }
  CHECK(ParseStat(ReadFile("/proc/self/stat", 4096).value())->pid == Pid(::getpid()));
}

TEST_CASE("what is no line of /proc/PID/stat is nothing, never worse") {
  const std::string line = ReadFile("/proc/self/stat", 4096).value();
  for (std::size_t size = 0; size < line.size(); ++size) {
    const auto stat = ParseStat(line.substr(0, size));
    if (stat) CHECK(stat->pid == Pid(::getpid()));
  }
  std::mt19937 random(7);  // NOLINT: the same bytes at each run
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = line;
    for (int change = 0; change < 3; ++change) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    static_cast<void>(ParseStat(changed));
  }
  for (const char* text :
       {"", "1", "1 ", "1 (", "1 ()", "1 () S", "-1 (x) S 1 1 1", "1 (x) S a b c"}) {
    CHECK_FALSE(ParseStat(text).has_value());
  }
}

TEST_CASE("processes are found by session, by descent and by token") {
  REQUIRE(BecomeSubreaper().has_value());
  ::setenv("OXHERD_TOKEN", "77", 1);  // NOLINT(concurrency-mt-unsafe): one thread
  auto pipe = MakePipe(PipeReading::kBlocks);
  // In its environment the orphan has the token; its session and its parents are not the tree's.
  const pid_t middle = ::fork();
  if (middle == 0) {
    ::dup2(pipe->write_end.get(), 1);
    ::execl(kMisbehave.c_str(), "misbehave", "child", "session", nullptr);
    ::_exit(1);
  }
  ::unsetenv("OXHERD_TOKEN");  // NOLINT(concurrency-mt-unsafe)
  const int orphan = std::stoi(ReadLine(pipe->read_end.get()).substr(6));
  ::waitpid(middle, nullptr, 0);
  CHECK(TokenOf(Pid(orphan)) == Token(77));

  Offspring tree({"child", "then", "child", "session", "then", "sleep"});
  const int child = std::stoi(ReadLine(tree.out.get()).substr(6));
  const int apart = std::stoi(ReadLine(tree.out.get()).substr(6));
  CHECK_FALSE(TokenOf(tree.pid).is_set());

  auto trees = ProcessTrees::Open();
  REQUIRE(trees.has_value());
  std::vector<TreeRoot> roots = {{.main = Pid(999'999'999), .token = Token(77)},
                                 {.main = tree.pid, .token = Token(5)}};
  std::ranges::sort(roots, {}, &TreeRoot::main);
  REQUIRE(trees->Scan(Pid(::getpid()), roots).has_value());
  std::map<int, Token> owner;
  for (const Member& member : trees->members()) {
    if (member.tree != kNoTree) owner[member.stat.pid.number()] = roots[member.tree].token;
  }
  CHECK(owner == std::map<int, Token>{{orphan, Token(77)},
                                      {tree.pid.number(), Token(5)},
                                      {child, Token(5)},
                                      {apart, Token(5)}});
  for (const Member& member : trees->members()) {
    if (member.tree == kNoTree || member.stat.pid == tree.pid) continue;
    ProcessStat later = member.stat;
    ++later.start_ticks;
    CHECK(SignalExactly(later, SIGKILL).error().number == ESRCH);  // its number is somebody else's
    CHECK(SignalExactly(member.stat, SIGKILL).has_value());
  }
  ::waitpid(orphan, nullptr, 0);
}

TEST_CASE("who has got the number of a reaped main process, and its session, are strangers") {
  auto pipe = MakePipe(PipeReading::kBlocks);
  const pid_t stranger = ::fork();
  if (stranger == 0) {
    ::setsid();
    ::dup2(pipe->write_end.get(), 1);
    ::execl(kMisbehave.c_str(), "misbehave", "child", "then", "sleep", nullptr);
    ::_exit(1);
  }
  const int child = std::stoi(ReadLine(pipe->read_end.get()).substr(6));
  auto trees = ProcessTrees::Open();
  REQUIRE(trees.has_value());
  const auto tree_of = [&](int pid, bool main_is_reaped) {
    const TreeRoot root{.main = Pid(stranger), .token = Token(5), .main_is_reaped = main_is_reaped};
    REQUIRE(trees->Scan(Pid(::getpid()), std::span(&root, 1)).has_value());
    const auto found = std::ranges::find(trees->members(), Pid(pid),
                                         [](const Member& member) { return member.stat.pid; });
    REQUIRE(found != trees->members().end());
    return found->tree;
  };
  for (const int pid : {stranger, child}) {
    CHECK(tree_of(pid, false) == 0);
    CHECK(tree_of(pid, true) == kNoTree);
  }
  ::kill(child, SIGKILL);
  ::kill(stranger, SIGKILL);
  ::waitpid(stranger, nullptr, 0);
}

TEST_CASE("a process group is signalled one by one, and nobody beside it") {
  REQUIRE(BecomeSubreaper().has_value());
  Offspring tree({"child", "then", "child", "session", "then", "sleep"});
  int child = std::stoi(ReadLine(tree.out.get()).substr(6));
  int apart = std::stoi(ReadLine(tree.out.get()).substr(6));
  if (::getsid(child) == child) std::swap(child, apart);  // in whichever order they said it
  auto trees = ProcessTrees::Open();
  REQUIRE(trees.has_value());
  REQUIRE(SignalGroupOneByOne(*trees, tree.pidfd.get(), tree.pid, SIGKILL).has_value());
  REQUIRE(WaitFor(tree.pidfd.get()));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WTERMSIG(status) == SIGKILL);
  CHECK(::kill(apart, 0) == 0);
  ::kill(apart, SIGKILL);
  ::waitpid(apart, nullptr, 0);
}

TEST_CASE("nobody is told once the leader of a process group is reaped") {
  Offspring tree({"exit", "0"});
  REQUIRE(::waitpid(tree.pid.number(), nullptr, 0) == tree.pid.number());
  tree.is_reaped = true;
  auto trees = ProcessTrees::Open();
  REQUIRE(trees.has_value());
  const auto told = SignalGroupOneByOne(*trees, tree.pidfd.get(), tree.pid, SIGKILL);
  REQUIRE_FALSE(told.has_value());
  CHECK(told.error().number == ESRCH);
}

TEST_CASE("children are counted, the ended ones included") {
  auto file = OpenChildren();
  REQUIRE(file.has_value());
  const std::size_t before = CountChildren(file->get()).value();
  {
    Offspring one({"sleep"});
    Offspring two({"exit", "0"});
    CHECK(CountChildren(file->get()).value() == before + 2);
    REQUIRE(WaitFor(two.pidfd.get()));
    CHECK(CountChildren(file->get()).value() == before + 2);
  }
  CHECK(CountChildren(file->get()).value() == before);
}

// ---- Ports ----

TEST_CASE("the owner of a port is told from those who merely run") {
  Fd listener(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const std::uint16_t port = ntohs(address.sin6_port);

  const auto inodes = ListeningInodes(port);
  REQUIRE(inodes.has_value());
  REQUIRE(inodes->size() == 1);
  CHECK(TreeOwnsSocket(Pid(::getpid()), *inodes).value() == Ownership::kOwns);
  Offspring other({"sleep"});
  CHECK(TreeOwnsSocket(other.pid, *inodes).value() == Ownership::kDoesNotOwn);
  listener.Reset();
  CHECK(ListeningInodes(port).value().empty());
}

TEST_CASE("a port that a child of the instance listens on is the instance's") {
  Fd reserved(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(reserved.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(reserved.get(), 1) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(reserved.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const auto inodes = ListeningInodes(ntohs(address.sin_port)).value();
  auto said = MakePipe(PipeReading::kBlocks);
  const pid_t leader = ::fork();
  if (leader == 0) {
    ::setsid();
    if (::fork() == 0) {
      if (::write(said->write_end.get(), "\n", 1) != 1) ::_exit(1);
      ::pause();
      ::_exit(0);
    }
    reserved.Reset();
    if (::write(said->write_end.get(), "\n", 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  reserved.Reset();
  ReadLine(said->read_end.get());
  ReadLine(said->read_end.get());
  CHECK(TreeOwnsSocket(Pid(leader), inodes).value() == Ownership::kOwns);
  ::kill(-leader, SIGKILL);
  ::waitpid(leader, nullptr, 0);
}

// ---- cgroups ----

TEST_CASE("the cgroup mount and our own path are found in what the kernel writes") {
  const std::string mixed =
      "30 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
      "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw\n"
      "32 30 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
  CHECK(FindCgroupMount(mixed) == CgroupMount{.directory = "/sys/fs/cgroup/unified", .root = "/"});
  CHECK(FindCgroupMount("36 35 0:30 /docker/1\\0402 /sys/fs/c\\040g rw - cgroup2 cgroup rw\n") ==
        CgroupMount{.directory = "/sys/fs/c g", .root = "/docker/1 2"});
  for (const char* text :
       {"", "\n", "1 2 3", "1 2 3 / /x rw - ", "1 2 3 / /x rw - ext4 /dev/x rw\n"}) {
    CHECK_FALSE(FindCgroupMount(text).has_value());
  }
  CHECK(FindCgroupPath("4:memory:/a\n0::/user.slice/x\n") == "/user.slice/x");
  CHECK_FALSE(FindCgroupPath("4:memory:/a\n").has_value());
}

TEST_CASE("a tree in a cgroup is killed whole and seen to be empty") {
  auto root = MakeOwnCgroup("oxherd-os-test-" + std::to_string(::getpid()));
  if (!root) {
    MESSAGE("skipped: " << root.error().message);
    return;
  }
  for (const int kill_file : {0, ENOENT}) {
    auto group = MakeCgroup(root->get(), "api.0");
    REQUIRE(group.has_value());
    auto events = OpenCgroupEvents(group->get());
    REQUIRE(events.has_value());
    CHECK_FALSE(IsPopulated(events->get()).value());
    Offspring child({"children", "5", "session", "orphan", "then", "say", "up", "then", "sleep"},
                    group->get());
    for (int line = 0; line < 6; ++line) ReadLine(child.out.get());
    CHECK(IsPopulated(events->get()).value());
    CHECK(RemoveCgroup(root->get(), "api.0").error().number == EBUSY);
    // As before Linux 5.14, where there is no cgroup.kill.
    if (kill_file != 0) FailCall(0, kill_file);
    REQUIRE(KillCgroup(group->get()).has_value());
    CHECK(child.Reap().status == ExitStatus::Signal(SIGKILL));
    const Instant until = Now() + kPatience;
    while (IsPopulated(events->get()).value()) {
      while (ReapOne().value().has_value()) {
      }
      REQUIRE(Now() < until);
    }
    CHECK(OomKills(group->get()) == 0);
    CHECK(RemoveCgroup(root->get(), "api.0").has_value());
  }
  RemoveOwnCgroup(root->get(), "oxherd-os-test-" + std::to_string(::getpid()));
  while (ReapOne().value().has_value()) {
  }
}

TEST_CASE("cgroups are not used where the environment forbids it") {
  ::setenv("OXHERD_NO_CGROUP", "1", 1);  // NOLINT(concurrency-mt-unsafe): one thread
  CHECK_FALSE(MakeOwnCgroup("oxherd-os-test").has_value());
  ::unsetenv("OXHERD_NO_CGROUP");  // NOLINT(concurrency-mt-unsafe)
}

TEST_CASE("the limit of open files is raised, and what it was is known") {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto first = RaiseOpenFiles();
    const auto second = RaiseOpenFiles();
    const bool right = first && second && second->soft == first->hard;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace oxherd::os
