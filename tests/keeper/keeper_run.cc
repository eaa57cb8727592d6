#include "tests/keeper/keeper_run.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "os/clock.h"
#include "os/file.h"
#include "os/message_socket.h"
#include "os/process.h"
#include "os/process_tree.h"
#include "tests/temporary.h"

namespace oxherd::keeper {
namespace {

const std::string kPrograms = OXHERD_BINARY_DIR;

bool WaitFor(int fd, Duration patience) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(ToMillis(patience))) > 0;
}

os::Fd ListenForDaemons(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  os::Fd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  REQUIRE(::bind(listener.get(), plain, sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 8) == 0);
  return listener;
}

void RemoveTree(const std::string& path) {
  ::nftw(
      path.c_str(), [](const char* file, const struct stat*, int, FTW*) { return ::remove(file); },
      8, FTW_DEPTH | FTW_PHYS);
}

}  // namespace

const WorldAnswer::One& WorldAnswer::Of(Token token) const {
  const auto found =
      std::ranges::find_if(records, [token](const One& one) { return one.record.token == token; });
  REQUIRE(found != records.end());
  return *found;
}

KeeperRun::KeeperRun(Cgroups cgroups) {
  home_ = test::MakeTemporaryFolder("keeper");
  listener_ = ListenForDaemons(home_ + "/test.sock");
  StartKeeper(cgroups);
  AwaitDaemon();
}

KeeperRun::~KeeperRun() {
  if (!keeper_is_gone_ && socket_) {
    MessageBuffer buffer;
    const Request bye = Bye{.exit_code = 0, .remains = Remains::kKill};
    static_cast<void>(os::SendMessage(socket_.get(), Encode(bye, buffer), {}).has_value());
    ::kill(daemon_pid_.number(), SIGKILL);
  }
  const Instant until = os::Now() + kPatience;
  while (!keeper_is_gone_ && ::waitpid(keeper_.number(), nullptr, WNOHANG) == 0) {
    if (os::Now() > until) ::kill(keeper_.number(), SIGKILL);
    ::poll(nullptr, 0, 1);
  }
  RemoveTree(home_);
}

void KeeperRun::StartKeeper(Cgroups cgroups) {
  const std::string program = kPrograms + "/oxherd-keeper";
  const std::string daemon = kPrograms + "/tests/keeper/stand_in_daemon";
  const std::string test_socket = home_ + "/test.sock";
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (cgroups == Cgroups::kOff) ::setenv("OXHERD_NO_CGROUP", "1", 1);
    ::execl(program.c_str(), "oxherd-keeper", "--state", home_.c_str(), "--runtime", home_.c_str(),
            "--daemon", daemon.c_str(), "--", "extra", test_socket.c_str(), nullptr);
    ::_exit(126);
  }
  keeper_ = Pid(pid);
}

void KeeperRun::AwaitDaemon() {
  REQUIRE(WaitFor(listener_.get(), kPatience));
  daemon_ = os::Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(WaitFor(daemon_.get(), kPatience));
  std::array<char, 4096> text{};
  auto received = os::ReceiveMessage(daemon_.get(), std::as_writable_bytes(std::span(text)));
  REQUIRE(received.has_value());
  REQUIRE(received->descriptor_count == 4);
  daemon_line_ = std::string(text.data(), received->size);
  daemon_pid_ = Pid(std::stoi(daemon_line_));
  socket_ = std::move(received->descriptors[0]);
  given_.clear();
  for (std::size_t i = 1; i < 4; ++i) given_.push_back(std::move(received->descriptors[i]));
  hello_ = Await<Hello>();
}

WorldAnswer KeeperRun::AskForWorld() {
  Send(World{});
  WorldAnswer answer;
  for (;;) {
    Heard heard = Next();
    if (const auto* record = std::get_if<WorldRecord>(&heard.report)) {
      answer.records.push_back({.record = *record, .attached = std::move(heard.attached)});
    } else if (const auto* held = std::get_if<WorldHeld>(&heard.report)) {
      answer.held.emplace_back(held->name.text());
      answer.held_descriptors.push_back(std::move(heard.attached.at(0)));
    } else if (const auto* end = std::get_if<WorldEnd>(&heard.report)) {
      CHECK(end->records == answer.records.size());
      CHECK(end->held == answer.held.size());
      answer.highest = end->highest;
      return answer;
    }
  }
}

void KeeperRun::KillDaemon() {
  socket_.Reset();
  given_.clear();
  ::kill(daemon_pid_.number(), SIGKILL);
  REQUIRE(WaitFor(daemon_.get(), kPatience));  // end of file
}

void KeeperRun::Send(const Request& request, std::span<const int> descriptors) {
  MessageBuffer buffer;
  const auto sent = os::SendMessage(socket_.get(), Encode(request, buffer), descriptors);
  REQUIRE(sent.has_value());
}

void KeeperRun::SendRaw(std::string_view bytes) {
  const auto raw = std::as_bytes(std::span(bytes.data(), bytes.size()));
  REQUIRE(os::SendMessage(socket_.get(), raw, {}).has_value());
}

std::optional<Heard> KeeperRun::Receive(Duration patience) {
  const Instant until = os::Now() + patience;
  while (os::Now() < until && WaitFor(socket_.get(), until - os::Now())) {
    MessageBuffer buffer;
    auto received = os::ReceiveMessage(socket_.get(), buffer);
    REQUIRE(received.has_value());
    REQUIRE(received->size > 0);
    const auto report = DecodeReport(std::span<const std::byte>(buffer).first(received->size));
    REQUIRE(report.has_value());
    CHECK(AttachedCount(*report) == received->descriptor_count);
    if (const auto* beat = std::get_if<Beat>(&*report)) {
      Send(BeatAnswer{beat->number});
      continue;
    }
    if (const auto* started = std::get_if<Started>(&*report)) {
      std::erase_if(writers_, [&](const Writer& one) { return one.token == started->token; });
    }
    Heard heard{.report = *report, .attached = {}};
    for (std::size_t i = 0; i < received->descriptor_count; ++i) {
      heard.attached.push_back(std::move(received->descriptors[i]));
    }
    return heard;
  }
  return std::nullopt;
}

Heard KeeperRun::Next() {
  std::optional<Heard> heard = Receive(kPatience);
  REQUIRE_MESSAGE(heard.has_value(), "the keeper said nothing");
  return std::move(*heard);
}

void KeeperRun::ExpectSilence(Duration length) {
  const std::optional<Heard> heard = Receive(length);
  const std::size_t kind = heard ? heard->report.index() : 0;
  CHECK_MESSAGE(!heard.has_value(), "the keeper sent a report of kind ", kind);
}

Plan KeeperRun::PlanFor(Token token, const std::vector<std::string>& words) const {
  Plan plan;
  plan.program = kPrograms + "/programs/misbehave";
  plan.arguments = {"misbehave"};
  plan.arguments.insert(plan.arguments.end(), words.begin(), words.end());
  plan.environment = {"PATH=/usr/bin:/bin", "OXHERD_TOKEN=" + std::to_string(token.number())};
  plan.directory = home_;
  for (const int target : {1, 2}) {
    plan.descriptors.push_back({.target = target,
                                .source = MappedDescriptor::Source::kAttached,
                                .open = MappedDescriptor::Open::kReadWrite,
                                .attached = 1,
                                .name = ""});
  }
  plan.cgroup = "api." + std::to_string(token.number());
  return plan;
}

os::Fd KeeperRun::Spawn(Token token, const std::vector<std::string>& words) {
  return SpawnPlan(token, PlanFor(token, words));
}

os::Fd KeeperRun::SpawnPlan(Token token, const Plan& plan, ProcessKind kind) {
  const std::string bytes = EncodePlan(plan);
  auto file = os::MakeSealedMemfd("plan", std::as_bytes(std::span(bytes.data(), bytes.size())));
  REQUIRE(file.has_value());
  auto pipe = os::MakePipe(os::PipeReading::kBlocks);
  REQUIRE(pipe.has_value());
  keeper::Spawn spawn;
  spawn.token = token;
  spawn.label.service = Name("api");
  spawn.label.kind = kind;
  spawn.roles.Add(Role::kPlan);
  spawn.roles.Add(Role::kStdout);
  const std::array descriptors = {file->get(), pipe->read_end.get()};
  Send(spawn, descriptors);
  writers_.push_back({.token = token, .write_end = std::move(pipe->write_end)});
  return std::move(pipe->read_end);
}

int KeeperRun::NextSignalOfDaemon() {
  REQUIRE(WaitFor(daemon_.get(), kPatience));
  std::byte number{};
  REQUIRE(::recv(daemon_.get(), &number, 1, 0) == 1);
  return std::to_integer<int>(number);
}

int KeeperRun::AwaitExit() {
  const Instant until = os::Now() + kPatience;
  int status = 0;
  while (::waitpid(keeper_.number(), &status, WNOHANG) == 0) {
    REQUIRE(os::Now() < until);
    ::poll(nullptr, 0, 1);
  }
  keeper_is_gone_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

void KeeperRun::SignalKeeper(int signal) const { ::kill(keeper_.number(), signal); }

long KeeperRun::TicksOfKeeper() const {
  const auto text = os::ReadFile("/proc/" + std::to_string(keeper_.number()) + "/stat", 4096);
  REQUIRE(text.has_value());
  std::istringstream fields(text->substr(text->rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return user + system;
}

std::string ReadLine(int pipe) {
  std::string line;
  char byte = 0;
  while (line.empty() || line.back() != '\n') {
    REQUIRE_MESSAGE(WaitFor(pipe, kPatience), "no line came");
    if (::read(pipe, &byte, 1) <= 0) return line;
    line += byte;
  }
  line.pop_back();
  return line;
}

std::string ReadAll(int pipe) {
  std::string all;
  std::array<char, 4096> text{};
  for (;;) {
    REQUIRE_MESSAGE(WaitFor(pipe, kPatience), "the pipe stays open");
    const ssize_t size = ::read(pipe, text.data(), text.size());
    if (size <= 0) return all;
    all.append(text.data(), static_cast<std::size_t>(size));
  }
}

Pid PidAfter(const std::string& word, const std::string& line) {
  REQUIRE_MESSAGE(line.starts_with(word + " "), line);
  return Pid(std::stoi(line.substr(word.size() + 1)));
}

bool IsAlive(Pid pid) {
  const auto text = os::ReadFile("/proc/" + std::to_string(pid.number()) + "/stat", 4096);
  if (!text) return false;
  const auto stat = os::ParseStat(*text);
  return stat && stat->state != 'Z' && stat->state != 'X';
}

void AwaitDeath(Pid pid) {
  const Instant until = os::Now() + kPatience;
  while (IsAlive(pid)) {
    REQUIRE_MESSAGE(os::Now() < until, "process " << pid.number() << " lives");
    ::poll(nullptr, 0, 1);
  }
}

}  // namespace oxherd::keeper
