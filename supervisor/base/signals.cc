#include "base/signals.h"

#include <array>
#include <cctype>
#include <csignal>

#include "base/exit_status.h"
#include "base/number.h"

#include <sys/wait.h>

namespace oxherd {
namespace {

struct Named {
  std::string_view name;
  int number;
};

constexpr std::array kSignals = {
    Named{"SIGHUP", SIGHUP},       Named{"SIGINT", SIGINT},       Named{"SIGQUIT", SIGQUIT},
    Named{"SIGILL", SIGILL},       Named{"SIGTRAP", SIGTRAP},     Named{"SIGABRT", SIGABRT},
    Named{"SIGBUS", SIGBUS},       Named{"SIGFPE", SIGFPE},       Named{"SIGKILL", SIGKILL},
    Named{"SIGUSR1", SIGUSR1},     Named{"SIGSEGV", SIGSEGV},     Named{"SIGUSR2", SIGUSR2},
    Named{"SIGPIPE", SIGPIPE},     Named{"SIGALRM", SIGALRM},     Named{"SIGTERM", SIGTERM},
    Named{"SIGSTKFLT", SIGSTKFLT}, Named{"SIGCHLD", SIGCHLD},     Named{"SIGCONT", SIGCONT},
    Named{"SIGSTOP", SIGSTOP},     Named{"SIGTSTP", SIGTSTP},     Named{"SIGTTIN", SIGTTIN},
    Named{"SIGTTOU", SIGTTOU},     Named{"SIGURG", SIGURG},       Named{"SIGXCPU", SIGXCPU},
    Named{"SIGXFSZ", SIGXFSZ},     Named{"SIGVTALRM", SIGVTALRM}, Named{"SIGPROF", SIGPROF},
    Named{"SIGWINCH", SIGWINCH},   Named{"SIGIO", SIGIO},         Named{"SIGPWR", SIGPWR},
    Named{"SIGSYS", SIGSYS},
};
// Real-time signals end here on Linux; glibc's SIGRTMAX is a function call with the same answer.
constexpr int kLastSignal = 64;

}  // namespace

std::optional<int> SignalNumber(std::string_view name) {
  if (const auto number = ParseNumber<int>(name)) {
    return *number >= 1 && *number <= kLastSignal ? number : std::nullopt;
  }
  std::string upper;
  for (const char c : name) {
    upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  if (!upper.starts_with("SIG")) upper.insert(0, "SIG");
  for (const Named& signal : kSignals) {
    if (signal.name == upper) return signal.number;
  }
  return std::nullopt;
}

std::string SignalName(int number) {
  for (const Named& signal : kSignals) {
    if (signal.number == number) return std::string(signal.name);
  }
  return "signal " + std::to_string(number);
}

ExitStatus ExitStatus::FromWait(int wait_status) {
  if (WIFEXITED(wait_status)) return Code(WEXITSTATUS(wait_status));
  if (WIFSIGNALED(wait_status)) return Signal(WTERMSIG(wait_status));
  return {};
}

std::string ExitStatus::Text() const {
  switch (kind) {
    case Kind::kCode:
      return "exit " + std::to_string(number);
    case Kind::kSignal:
      return SignalName(number) + (out_of_memory ? " (out of memory)" : "");
    case Kind::kUnknown:
      break;
  }
  return "exit status unknown";
}

}  // namespace oxherd
