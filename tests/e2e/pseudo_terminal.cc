#include "tests/e2e/pseudo_terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <array>
#include <csignal>
#include <cstring>
#include <vector>

namespace oxherd::e2e {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

PseudoTerminal::PseudoTerminal(const Invocation& invocation, unsigned short columns,
                               unsigned short rows) {
  const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  REQUIRE(::openpty(&master_, &slave_, nullptr, nullptr, &size) == 0);
  ::fcntl(master_, F_SETFD, FD_CLOEXEC);
  ::fcntl(slave_, F_SETFD, FD_CLOEXEC);
  REQUIRE(::tcgetattr(slave_, &before_) == 0);
  std::vector<std::string> environment = invocation.environment;
  environment.emplace_back("TERM=xterm-256color");
  const std::vector<char*> words = Pointers(invocation.words);
  const std::vector<char*> variables = Pointers(environment);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ > 0) return;
  const bool is_ready = ::login_tty(slave_) == 0 && ::chdir(invocation.folder.c_str()) == 0;
  if (is_ready) ::execve(words[0], words.data(), variables.data());
  ::_exit(127);
}

PseudoTerminal::~PseudoTerminal() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(master_);
  ::close(slave_);
}

void PseudoTerminal::Type(std::string_view keys) const {
  REQUIRE(::write(master_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
}

void PseudoTerminal::Resize(unsigned short columns, unsigned short rows) const {
  const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  REQUIRE(::ioctl(master_, TIOCSWINSZ, &size) == 0);
}

bool PseudoTerminal::ReadSome(int timeout_ms) {
  pollfd waiting{.fd = master_, .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, timeout_ms) <= 0) return false;
  std::array<char, 8192> drawn{};
  const ssize_t size = ::read(master_, drawn.data(), drawn.size());
  if (size <= 0) return false;
  all_.append(drawn.data(), static_cast<std::size_t>(size));
  return true;
}

std::string PseudoTerminal::ReadUntil(std::string_view text, milliseconds deadline) {
  const auto until = SteadyClock::now() + deadline * kPatience;
  for (;;) {
    const std::size_t found = all_.find(text, read_);
    if (found != std::string::npos) {
      std::string seen = all_.substr(read_, found + text.size() - read_);
      read_ = found + text.size();
      return seen;
    }
    if (SteadyClock::now() >= until) {
      FAIL("not drawn: \"" << text << "\" in:\n" << all_.substr(read_));
    }
    ReadSome(50);
  }
}

int PseudoTerminal::Wait(milliseconds deadline) {
  const auto until = SteadyClock::now() + deadline * kPatience;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (SteadyClock::now() >= until) FAIL("it has not ended");
    ReadSome(10);
  }
  pid_ = -1;
  while (ReadSome(0)) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

termios PseudoTerminal::Settings() const {
  termios now{};
  REQUIRE(::tcgetattr(slave_, &now) == 0);
  return now;
}

bool PseudoTerminal::IsAsBefore() const {
  const termios now = Settings();
  const bool same = now.c_iflag == before_.c_iflag && now.c_oflag == before_.c_oflag &&
                    now.c_lflag == before_.c_lflag && now.c_cflag == before_.c_cflag &&
                    std::memcmp(now.c_cc, before_.c_cc, sizeof now.c_cc) == 0;
  const auto last = [&](std::string_view text) { return all_.rfind(text); };
  const bool was_taken = last("\x1b[?1049h") != std::string::npos;
  const auto given_back = [&](std::string_view taken, std::string_view back) {
    return last(back) != std::string::npos && last(back) > last(taken);
  };
  return same && was_taken && given_back("\x1b[?1049h", "\x1b[?1049l") &&
         given_back("\x1b[?25l", "\x1b[?25h") && given_back("\x1b[?7l", "\x1b[?7h") &&
         given_back("\x1b[?2004h", "\x1b[?2004l");
}

}  // namespace oxherd::e2e
