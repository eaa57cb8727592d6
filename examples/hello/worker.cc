// A small worker with nothing to install: it does one job after the other and says so. At SIGTERM
// it finishes the job at hand, takes no other, and exits 0.

#include <csignal>
#include <cstdio>
#include <ctime>

namespace {

constexpr int kSteps = 5;
constexpr timespec kStep{0, 200'000'000};
constexpr timespec kBetweenJobs{1, 0};

// Stands for real work; nothing interrupts it, the stop signals are blocked.
void DoJob(unsigned job) {
  std::printf("job %u: started\n", job);
  for (int step = 0; step < kSteps; ++step) {
    nanosleep(&kStep, nullptr);
  }
  std::printf("job %u: done\n", job);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  sigprocmask(SIG_BLOCK, &stop_signals, nullptr);

  // Between two jobs is the one place where it may end.
  unsigned job = 0;
  do {
    DoJob(++job);
  } while (sigtimedwait(&stop_signals, nullptr, &kBetweenJobs) < 0);
  std::printf("told to stop after %u jobs, goodbye\n", job);
  return 0;
}
