// Steps about processes: ending, forking, daemonising, and files that steer the next run.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <vector>

#include "steps.h"

namespace misbehave {
namespace {

void Sleep(Words words) {
  if (!words.empty()) {
    SleepMilliseconds(Number(words[0]));
    return;
  }
  while (true) {
    pause();
  }
}

void Exit(Words words) { _exit(static_cast<int>(Number(words[0]))); }

[[noreturn]] void LiveAsChild(Words words) {
  const auto wants = [&words](std::string_view option) {
    return std::find(words.begin(), words.end(), option) != words.end();
  };
  if (wants("session")) {
    Need(setsid(), "setsid");
  }
  if (wants("orphan") && Need(fork(), "fork") > 0) {
    _exit(0);
  }
  if (wants("ignore-term")) {
    struct sigaction action{};
    action.sa_handler = SIG_IGN;
    Need(sigaction(SIGTERM, &action, nullptr), "sigaction");
  }
  static std::vector<char> held;
  if (wants("heavy")) held.assign(80UL * 1024 * 1024, 'x');
  Say("child " + std::to_string(getpid()));
  if (wants("quiet")) {  // lets go of the output pipes
    for (int fd = 0; fd < 3; ++fd) {
      close(fd);
    }
  }
  if (wants("no-env")) {
    char name[] = "misbehave";
    char verb[] = "sleep";
    char* const arguments[] = {name, verb, nullptr};
    char* const nothing[] = {nullptr};
    execve("/proc/self/exe", arguments, nothing);
    _exit(71);
  }
  Sleep({});
  _exit(0);
}

// A child that sleeps for ever and says its pid.
void Child(Words words) {
  if (Need(fork(), "fork") == 0) {
    LiveAsChild(words);
  }
}

void Children(Words words) {
  for (long i = 0; i < Number(words[0]); ++i) {
    Child(words.subspan(1));
  }
}

// daemon(3) as old programs do it: two forks, a session between them, the first process exits 0.
void Daemonise(Words /*words*/) {
  if (Need(fork(), "fork") > 0) {
    _exit(0);
  }
  Need(setsid(), "setsid");
  if (Need(fork(), "fork") > 0) {
    _exit(0);
  }
  Say("daemon " + std::to_string(getpid()));
}

int Open(const std::string& path, int flags) {
  return static_cast<int>(Need(open(path.c_str(), flags | O_CLOEXEC, 0600), "open " + path));
}

// The first COUNT runs end with CODE; FILE, one byte longer per run, keeps the count.
void FailFirst(Words words) {
  const int fd = Open(words[1], O_WRONLY | O_CREAT | O_APPEND);
  WriteAll(fd, ".");
  struct stat status{};
  Need(fstat(fd, &status), "fstat");
  close(fd);
  if (status.st_size <= Number(words[0])) {
    _exit(static_cast<int>(Number(words[2])));
  }
}

void ExitIfFile(Words words) {
  if (access(words[0].c_str(), F_OK) == 0) {
    _exit(static_cast<int>(Number(words[1])));
  }
}

void WaitForFile(Words words) {
  while (access(words[0].c_str(), F_OK) != 0) {
    SleepMilliseconds(2);
  }
}

// One line, in one write, so that several processes may append to the same file.
void Append(Words words) {
  const int fd = Open(words[0], O_WRONLY | O_CREAT | O_APPEND);
  std::string line;
  for (const std::string& word : words.subspan(1)) {
    line += (word == "PID" ? std::to_string(getpid()) : word) + " ";
  }
  line.back() = '\n';
  WriteAll(fd, line);
  close(fd);
}

// Root altogether, as a set-uid program may make itself.
void BecomeRoot(Words /*words*/) { Need(setresuid(0, 0, 0), "setresuid"); }

// Takes so many megabytes, and touches them, again and again until it has MOST.
void Leak(Words words) {
  constexpr std::size_t kMegabyte = 1024UL * 1024;
  static std::vector<std::vector<char>> held;
  const auto megabytes = static_cast<std::size_t>(Number(words[0]));
  for (long has = 0; has < Number(words[2]); has += Number(words[0])) {
    held.emplace_back(megabytes * kMegabyte, 'x');
    SleepMilliseconds(Number(words[1]));
  }
}

void Burn(Words /*words*/) {
  std::atomic<unsigned long> rounds = 0;
  for (;;) rounds.fetch_add(1, std::memory_order_relaxed);
}

constexpr std::array kSteps{
    Step{"sleep", "[MILLISECONDS]", 0, Sleep},
    Step{"exit", "CODE", 1, Exit},
    Step{"child", "[session] [orphan] [ignore-term] [quiet] [no-env] [heavy: 80 MB]", 0, Child},
    Step{"children", "COUNT [the words of child]", 1, Children},
    Step{"daemonise", "", 0, Daemonise},
    Step{"become-root", ": for one that is set-uid", 0, BecomeRoot},
    Step{"leak", "MEGABYTES EVERY_MILLISECONDS MOST", 3, Leak},
    Step{"burn", "", 0, Burn},
    Step{"fail-first", "COUNT FILE CODE", 3, FailFirst},
    Step{"exit-if-file", "FILE CODE", 2, ExitIfFile},
    Step{"wait-for-file", "FILE", 1, WaitForFile},
    Step{"append", "FILE WORD...; PID stands for the pid", 2, Append},
};

}  // namespace

std::span<const Step> ProcessSteps() { return kSteps; }

}  // namespace misbehave
