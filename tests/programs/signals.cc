// Steps about signals.
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "steps.h"

namespace misbehave {
namespace {

volatile sig_atomic_t exit_code = 0;
volatile sig_atomic_t exit_delay_ms = 0;

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  Need(sigaction(signal, &action, nullptr), "sigaction");
}

// Where to write when SIGTERM came; the steps' words live as long as the program.
const std::string* clock_file = nullptr;

void IgnoreTerm(Words words) {
  clock_file = words.empty() ? nullptr : &words[0];
  Handle(SIGTERM, [](int) {
    if (clock_file != nullptr) {
      AppendClock(*clock_file);
    }
    WriteAll(1, "ignored SIGTERM\n");
  });
}

void OnTerm(Words words) {
  exit_code = static_cast<int>(Number(words[0]));
  exit_delay_ms = words.size() > 1 ? static_cast<int>(Number(words[1])) : 0;
  Handle(SIGTERM, [](int) {
    WriteAll(1, "told to stop\n");
    SleepMilliseconds(exit_delay_ms);
    _exit(exit_code);
  });
}

void SaySignal(Words words) {
  Handle(static_cast<int>(Number(words[0])),
         [](int signal) { WriteAll(1, "got signal " + std::to_string(signal) + "\n"); });
}

void Crash(Words words) {
  const rlimit no_core{0, 0};
  Need(setrlimit(RLIMIT_CORE, &no_core), "setrlimit");
  const int signal = static_cast<int>(Number(words[0]));
  if (signal != SIGKILL) {
    Handle(signal, SIG_DFL);
  }
  Need(kill(getpid(), signal), "kill");
}

void StopSelf(Words /*words*/) { Need(kill(getpid(), SIGSTOP), "kill"); }

constexpr std::array kSteps{
    Step{"ignore-term", "[FILE for the clock at each]", 0, IgnoreTerm},
    Step{"on-term", "CODE [MILLISECONDS]", 1, OnTerm},
    Step{"say-signal", "NUMBER", 1, SaySignal},
    Step{"crash", "SIGNAL", 1, Crash},
    Step{"stop-self", "", 0, StopSelf},
};

}  // namespace

std::span<const Step> SignalSteps() { return kSteps; }

}  // namespace misbehave
