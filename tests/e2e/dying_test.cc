// Processes that take their time to die, or that somebody else has in his hands: a debugger, a core
// dump. Only the kernel's word that a process is gone counts.
#include <doctest/doctest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

// Holds a process as a debugger does; lets it go at the end.
class Tracer {
 public:
  explicit Tracer(pid_t pid, long options = 0) : pid_(pid) {
    holds_ = ptrace(PTRACE_SEIZE, pid, nullptr, options) == 0;
    if (!holds_) {
      MESSAGE("skipped: cannot trace a process: " << std::string(std::strerror(errno)));
    }
  }
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  ~Tracer() { ptrace(PTRACE_DETACH, pid_, nullptr, nullptr); }

  [[nodiscard]] bool holds() const { return holds_; }

  void Interrupt() const { REQUIRE(ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) == 0); }
  void Continue(int signal) const { REQUIRE(ptrace(PTRACE_CONT, pid_, nullptr, signal) == 0); }
  // The status of the next thing that happens to it.
  [[nodiscard]] int Wait() const {
    int status = 0;
    WaitUntil("news of the traced process",
              [&] { return waitpid(pid_, &status, WNOHANG | __WALL) == pid_; });
    return status;
  }

 private:
  pid_t pid_;
  bool holds_ = false;
};

TEST_SUITE_BEGIN("faults");

TEST_CASE("a process that dies slowly, as in a core dump, is not replaced before it is gone") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave append @folder/starts PID then on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  const pid_t pid = home.Pid("api/0");
  {
    const Tracer tracer(pid, PTRACE_O_TRACEEXIT);
    if (!tracer.holds()) {
      return;
    }
    kill(pid, SIGSEGV);
    CHECK(WSTOPSIG(tracer.Wait()) == SIGSEGV);
    tracer.Continue(SIGSEGV);
    // Its signal has struck, and it stays on its way out as if a slow disk took its memory.
    CHECK((tracer.Wait() >> 8) == (SIGTRAP | PTRACE_EVENT_EXIT << 8));
    home.MustRun({"ping"});
    CHECK(home.Get("api/0").state == "ready");
    CHECK(home.Pid("api/0") == pid);
    CHECK(home.Lines("starts").size() == 1);
  }
  WaitUntil("the next one", [&] { return home.Lines("starts").size() == 2; });
  const Instance next = home.WaitForState("api/0", "ready");
  CHECK(next.pid != pid);
  CHECK(next.last_exit.value("signal", "") == "SIGSEGV");
}

TEST_CASE("a process that a debugger has stopped is not taken for dead, and is killed in time") {
  for (const Cgroups cgroups : {Cgroups::kWhereWeCan, Cgroups::kNever}) {
    CAPTURE(cgroups == Cgroups::kNever);
    const Home home(cgroups);
    home.Oxfile(R"(
[processes.api]
command = "@misbehave append @folder/starts PID then on-term 0 then sleep"
min_uptime_ms = 50
stop_timeout_ms = 300
)");
    home.MustRun({"start"});
    const pid_t pid = home.Pid("api/0");
    const Tracer tracer(pid);
    if (!tracer.holds()) {
      return;
    }
    tracer.Interrupt();
    CHECK(WIFSTOPPED(tracer.Wait()));
    CHECK(home.Get("api/0").state == "ready");
    Command stopping = home.Begin({"stop"});
    // The debugger is the first to hear of the end, and passes it on by hearing of it.
    int status = tracer.Wait();
    while (WIFSTOPPED(status)) {
      status = tracer.Wait();
    }
    CHECK(WTERMSIG(status) == SIGKILL);
    const Outcome stopped = stopping.Wait();
    CHECK(stopped.exit_code == 0);
    CHECK(stopped.took >= milliseconds(300));
    CHECK(home.Get("api/0").last_exit.value("signal", "") == "SIGKILL");
    CHECK(home.Lines("starts").size() == 1);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
