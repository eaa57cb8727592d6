#include "os/full_screen.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "os/fd.h"

namespace oxherd::os {
namespace {

// Alternate screen, no cursor, no wrapping (a character whose width we have wrong must not scroll),
// pasted text in brackets (a pasted "x" is no key).
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?2004l\x1b[?7h\x1b[0m\x1b[?25h\x1b[?1049l";

constexpr std::array kHeard = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
constexpr std::array kCrashes = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// How long the way back may take where the terminal does not take it: milliseconds.
constexpr int kLeavePatience = 500;

// For the handler of a crash: complete before it is installed.
termios terminal_before{};
std::array<char, 64UL * 1024> crash_stack{};

// Async-signal-safe, write(2) and tcsetattr(3); the second time it is the default's turn.
extern "C" void OnCrash(int number) {
  if (::write(STDOUT_FILENO, kLeave.data(), kLeave.size()) < 0) {
    // The terminal is gone too.
  }
  ::tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
  ::raise(number);
}

// Returns the signal stack that was there.
stack_t RestoreInACrash() {
  stack_t stack{};
  stack_t before{};
  stack.ss_sp = crash_stack.data();
  stack.ss_size = crash_stack.size();
  ::sigaltstack(&stack, &before);
  struct sigaction action{};
  action.sa_handler = OnCrash;
  action.sa_flags = static_cast<int>(SA_RESETHAND | static_cast<unsigned>(SA_NODEFER | SA_ONSTACK));
  for (const int number : kCrashes) ::sigaction(number, &action, nullptr);
  return before;
}

termios RawFrom(termios terminal) {
  terminal.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL | INLCR | IGNCR | ISTRIP | BRKINT);
  terminal.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  terminal.c_cc[VMIN] = 0;
  terminal.c_cc[VTIME] = 0;
  return terminal;
}

// The same terminal, not blocking, and without making it so for the shell that shares ours. Where
// it may not be opened (after su) ours has to do.
Fd OwnEndOf(int descriptor, int flags) {
  auto own = OpenAnew(descriptor, flags | O_NONBLOCK | O_NOCTTY);
  if (own) return std::move(*own);
  auto duplicate = Duplicate(descriptor);
  return duplicate ? std::move(*duplicate) : Fd();
}

}  // namespace

struct FullScreen::Held {
  Fd in;
  Fd out;
  Fd signals;
  sigset_t mask_before{};
  stack_t stack_before{};
  std::vector<std::string> shown;  // what the screen shows, once `pending` is written
  std::string pending;

  void Take() {
    const termios raw = RawFrom(terminal_before);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    shown.clear();
    pending = kEnter;
    Write();
  }

  void GiveBack() {
    // Behind half a sequence the way back would not be understood.
    pending = "\x18" + std::string(kLeave);
    for (int tries = 0; tries < 10 && !pending.empty(); ++tries) {
      Write();
      pollfd waiting{.fd = out.get(), .events = POLLOUT, .revents = 0};
      if (!pending.empty() && ::poll(&waiting, 1, kLeavePatience) <= 0) break;
    }
    pending.clear();
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
  }

  void Write() {
    while (!pending.empty()) {
      const ssize_t written = ::write(out.get(), pending.data(), pending.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0 && errno == EAGAIN) return;
      if (written < 0) return pending.clear();  // it is gone: SIGHUP or the keys say so
      pending.erase(0, static_cast<std::size_t>(written));
    }
  }
};

Result<FullScreen> FullScreen::Open() {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
    return ErrnoError("terminal", ENOTTY);
  }
  if (::tcgetattr(STDIN_FILENO, &terminal_before) != 0) return ErrnoError("terminal");
  auto held = std::make_unique<Held>();
  held->in = OwnEndOf(STDIN_FILENO, O_RDONLY);
  held->out = OwnEndOf(STDOUT_FILENO, O_WRONLY);
  if (!held->in || !held->out) return ErrnoError("terminal");
  sigset_t heard;
  ::sigemptyset(&heard);
  for (const int number : kHeard) ::sigaddset(&heard, number);
  held->signals = Fd(::signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!held->signals) return ErrnoError("signalfd");
  ::pthread_sigmask(SIG_BLOCK, &heard, &held->mask_before);
  held->stack_before = RestoreInACrash();
  held->Take();
  return FullScreen(std::move(held));
}

FullScreen::FullScreen(std::unique_ptr<Held> held) : held_(std::move(held)) {}
FullScreen::FullScreen(FullScreen&&) noexcept = default;

FullScreen::~FullScreen() {
  if (!held_) return;
  held_->GiveBack();
  for (const int number : kCrashes) ::signal(number, SIG_DFL);
  ::sigaltstack(&held_->stack_before, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &held_->mask_before, nullptr);
}

int FullScreen::keys() const { return held_->in.get(); }
int FullScreen::signals() const { return held_->signals.get(); }
int FullScreen::output() const { return held_->out.get(); }
bool FullScreen::is_writing() const { return !held_->pending.empty(); }
void FullScreen::Flush() { held_->Write(); }
void FullScreen::Forget() { held_->shown.clear(); }

std::optional<std::string> FullScreen::ReadKeys() {
  std::array<char, 4096> typed{};
  const ssize_t size = ::read(keys(), typed.data(), typed.size());
  if (size > 0) return std::string(typed.data(), static_cast<std::size_t>(size));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::string();
  // VMIN is 0: a read of nothing is an end only if the terminal has hung up.
  pollfd waiting{.fd = keys(), .events = POLLIN, .revents = 0};
  const bool is_gone =
      size < 0 || (::poll(&waiting, 1, 0) > 0 && (waiting.revents & (POLLHUP | POLLERR)) != 0);
  return is_gone ? std::nullopt : std::optional(std::string());
}

int FullScreen::NextSignal() {
  signalfd_siginfo came{};
  const ssize_t size = ::read(signals(), &came, sizeof came);
  return size == static_cast<ssize_t>(sizeof came) ? static_cast<int>(came.ssi_signo) : 0;
}

ScreenSize FullScreen::Size() const {
  winsize size{};
  if (::ioctl(output(), TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

void FullScreen::Show(const std::vector<std::string>& lines) {
  if (is_writing()) return;
  std::string& out = held_->pending;
  if (held_->shown.size() != lines.size()) {
    held_->shown.clear();
    out += "\x1b[0m\x1b[2J";
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i < held_->shown.size() && held_->shown[i] == lines[i]) continue;
    out += "\x1b[" + std::to_string(i + 1) + ";1H\x1b[0m\x1b[K" + lines[i];
  }
  held_->shown = lines;
  held_->Write();
}

void FullScreen::Suspend() {
  held_->GiveBack();
  ::raise(SIGSTOP);
  TakeAgain();
}

void FullScreen::TakeAgain() { held_->Take(); }

}  // namespace oxherd::os
