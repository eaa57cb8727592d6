#include "tests/e2e/command.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <utility>

namespace oxherd::e2e {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void Become(const Invocation& invocation, int out, int err) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) {
    _exit(126);
  }
  dup2(null, 0);
  dup2(out, 1);
  dup2(err, 2);
  if (!invocation.folder.empty() && chdir(invocation.folder.c_str()) != 0) {
    _exit(126);
  }
  invocation.before_exec();
  execve(invocation.words[0].c_str(), Pointers(invocation.words).data(),
         Pointers(invocation.environment).data());
  dprintf(2, "cannot execute %s: %s\n", invocation.words[0].c_str(), std::strerror(errno));
  _exit(127);
}

// Appends what is there; closes at the end.
void Drain(int& fd, std::string& to) {
  std::array<char, 65536> buffer;
  const ssize_t got = read(fd, buffer.data(), buffer.size());
  if (got > 0) {
    to.append(buffer.data(), static_cast<std::size_t>(got));
  } else {
    close(fd);
    fd = -1;
  }
}

milliseconds Left(SteadyClock::time_point until) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - SteadyClock::now()));
}

}  // namespace

Command::Command(const Invocation& invocation) : started_(SteadyClock::now()) {
  for (const std::string& word : invocation.words) {
    name_ += (name_.empty() ? "" : " ") + word;
  }
  int out[2];
  int err[2];
  REQUIRE(pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(pipe2(err, O_CLOEXEC) == 0);
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    Become(invocation, out[1], err[1]);
  }
  close(out[1]);
  close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
}

Command::Command(Command&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_fd_(std::exchange(other.out_fd_, -1)),
      err_fd_(std::exchange(other.err_fd_, -1)),
      name_(std::move(other.name_)),
      started_(other.started_),
      outcome_(std::move(other.outcome_)) {}

Command::~Command() {
  for (const int fd : {out_fd_, err_fd_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Command::Signal(int number) const {
  REQUIRE(pid_ > 0);
  kill(pid_, number);
}

std::string Command::Described() const {
  return "`" + name_ + "`; so far it said:\n" + outcome_.out + outcome_.err;
}

bool Command::ReadSome(SteadyClock::time_point until) {
  std::array<pollfd, 2> waiting{pollfd{out_fd_, POLLIN, 0}, pollfd{err_fd_, POLLIN, 0}};
  poll(waiting.data(), waiting.size(), static_cast<int>(Left(until).count()));
  if (waiting[0].revents != 0) {
    Drain(out_fd_, outcome_.out);
  }
  if (waiting[1].revents != 0) {
    Drain(err_fd_, outcome_.err);
  }
  return out_fd_ >= 0 || err_fd_ >= 0;
}

std::string Command::ReadUntil(std::string_view text, milliseconds deadline) {
  const auto until = SteadyClock::now() + deadline * kPatience;
  while (outcome_.out.find(text) == std::string::npos) {
    const bool more = ReadSome(until);
    if (!more || SteadyClock::now() >= until) {
      FAIL("no \"" << text << "\" within " << deadline.count() << " ms from " << Described());
    }
  }
  return outcome_.out;
}

Outcome Command::Wait(milliseconds deadline) {
  REQUIRE(pid_ > 0);
  const auto until = SteadyClock::now() + deadline * kPatience;
  while (ReadSome(until)) {
    if (SteadyClock::now() >= until) {
      FAIL("no end within " << deadline.count() << " ms of " << Described());
    }
  }
  int status = 0;
  WaitUntil(
      "the end of " + name_, [&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, deadline);
  pid_ = -1;
  outcome_.took = std::chrono::ceil<milliseconds>(SteadyClock::now() - started_);
  outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome_;
}

void WaitUntil(std::string_view what, const std::function<bool()>& condition,
               milliseconds deadline) {
  const auto until = SteadyClock::now() + deadline * kPatience;
  while (!condition()) {
    if (SteadyClock::now() >= until) {
      FAIL("not within " << deadline.count() << " ms: " << what);
    }
    poll(nullptr, 0, 2);
  }
}

}  // namespace oxherd::e2e
