#include "os/captured_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "os/clock.h"
#include "os/fd.h"
#include "os/process.h"

namespace oxherd::os {
namespace {

constexpr Millis kCommandTime{120'000};

class SetUp {
 public:
  SetUp(const std::string& folder, int out, int err) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, out, 1);
    ::posix_spawn_file_actions_adddup2(&actions_, err, 2);
    ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
  }
  ~SetUp() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SetUp(const SetUp&) = delete;
  SetUp& operator=(const SetUp&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// A child and its group, which does not outlive this.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ > 0) static_cast<void>(End());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Kills whoever is left of the group; the status is the child's own if it had ended by itself.
  ExitStatus End() {
    int status = 0;
    // Its number stays taken until it is reaped: the group cannot be a stranger's.
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return ExitStatus::FromWait(status);
  }

  // Blocks until it has ended or the deadline passes; false: it still runs. Source: pidfd_open(2).
  [[nodiscard]] bool Await(Instant deadline) const {
    const auto pidfd = OpenPidfd(Pid(pid_));
    if (!pidfd) return false;
    pollfd waiting{.fd = pidfd->get(), .events = POLLIN, .revents = 0};
    const auto left = std::chrono::ceil<Millis>(deadline - Now()).count();
    return ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) > 0;
  }

 private:
  pid_t pid_;
};

// False: the stream has ended.
bool ReadSome(int fd, std::string& text) {
  std::array<char, 16384> buffer{};
  const ssize_t count = ::read(fd, buffer.data(), buffer.size());
  if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
}

Status ReadBoth(const CapturedProgram& program, std::array<Fd, 2>& pipes, Captured& captured,
                Instant deadline) {
  const std::array<std::string*, 2> texts = {&captured.out, &captured.err};
  while (pipes[0] || pipes[1]) {
    const auto left = std::chrono::ceil<Millis>(deadline - Now()).count();
    if (left <= 0) {
      return MakeError(program.name + " did not end within " +
                       std::to_string(program.time.count()) + " ms");
    }
    std::array<pollfd, 2> waiting{};
    for (std::size_t i = 0; i < 2; ++i) waiting[i] = {pipes[i].get(), POLLIN, 0};
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left)) < 0 && errno != EINTR) {
      return ErrnoError("poll");
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (waiting[i].revents == 0) continue;
      if (!ReadSome(pipes[i].get(), *texts[i])) pipes[i] = Fd();
      if (texts[i]->size() > program.most) {
        return MakeError(program.name + " printed more than " + std::to_string(program.most) +
                         " bytes");
      }
    }
  }
  return {};
}

}  // namespace

Result<Captured> RunCaptured(const CapturedProgram& program) {
  auto out = MakePipe(PipeReading::kDoesNotBlock);
  if (!out) return ToError("pipe", out.error());
  auto err = MakePipe(PipeReading::kDoesNotBlock);
  if (!err) return ToError("pipe", err.error());
  const SetUp set_up(program.folder, out->write_end.get(), err->write_end.get());
  std::vector<std::string> words{program.name};
  words.insert(words.end(), program.arguments.begin(), program.arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  const Instant deadline = Now() + program.time;
  pid_t pid = 0;
  const int failure = ::posix_spawnp(&pid, program.name.c_str(), set_up.actions(),
                                     set_up.attributes(), pointers.data(), ::environ);
  if (failure != 0) return ErrnoError("start " + program.name, failure);
  Child child(pid);
  out->write_end = Fd();
  err->write_end = Fd();
  std::array<Fd, 2> pipes = {std::move(out->read_end), std::move(err->read_end)};
  Captured captured;
  OXHERD_TRY(ReadBoth(program, pipes, captured, deadline));
  if (!child.Await(deadline)) {
    return MakeError(program.name + " did not end within " + std::to_string(program.time.count()) +
                     " ms");
  }
  captured.status = child.End();
  return captured;
}

Result<CommandOutcome> RunCommand(const std::vector<std::string>& words) {
  OXHERD_TRY_ASSIGN(const Captured captured,
                    RunCaptured({.name = words.front(),
                                 .arguments = {words.begin() + 1, words.end()},
                                 .folder = ".",
                                 .time = kCommandTime}));
  CommandOutcome outcome;
  const bool by_signal = captured.status.kind == ExitStatus::Kind::kSignal;
  outcome.exit_code = captured.status.number + (by_signal ? 128 : 0);
  outcome.output = captured.out + captured.err;
  while (outcome.output.ends_with('\n')) outcome.output.pop_back();
  return outcome;
}

}  // namespace oxherd::os
