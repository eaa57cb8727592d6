#include "tests/faults/injector.h"

#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

namespace oxherd::faults {
namespace {

namespace fs = std::filesystem;

constexpr int kWake = SIGURG;  // only to get the watcher out of waitpid(2)

std::string ProgramOf(pid_t pid) {
  std::error_code gone;
  return fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", gone).filename();
}

std::set<pid_t> ThreadsOf(pid_t pid) {
  std::set<pid_t> threads;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    threads.insert(static_cast<pid_t>(std::stol(entry.path().filename())));
  }
  return threads;
}

bool IsEntry(pid_t thread, long& call, int& first_argument) {
  __ptrace_syscall_info info{};
  const long size =
      ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), thread, sizeof info, &info);
  if (size <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY) {
    return false;
  }
  call = static_cast<long>(info.entry.nr);
  first_argument = static_cast<int>(info.entry.args[0]);
  return true;
}

#if defined(__x86_64__)

constexpr bool kCanChange = true;

// The kernel skips a call whose number is none, and the program sees what we put in its place.
void SkipCall(pid_t thread) {
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, thread, nullptr, &registers) == 0) {
    registers.orig_rax = ~0ULL;
    ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
  }
}

void SetResult(pid_t thread, long result) {
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, thread, nullptr, &registers) == 0) {
    registers.rax = static_cast<unsigned long long>(result);
    ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
  }
}

#else

constexpr bool kCanChange = false;
void SkipCall(pid_t /*thread*/) {}
void SetResult(pid_t /*thread*/, long /*result*/) {}

#endif

}  // namespace

Injector::Injector(Target target, const Blow& blow) : target_(std::move(target)), blow_(blow) {
  if (!kCanChange) {
    why_ = "calls can be made to fail on x86-64 only";
    return;
  }
  struct sigaction nothing{};
  nothing.sa_handler = [](int) {};
  sigaction(kWake, &nothing, nullptr);
  watcher_ = std::thread([this] { Watch(); });
  is_ready_.wait(false);
}

Injector::~Injector() { Finish(); }

const std::map<long, int>& Injector::Finish() {
  if (!watcher_.joinable()) {
    return seen_;
  }
  must_end_ = true;
  // The signal may come just before it waits: it is sent until it has been heard.
  while (!has_ended_) {
    pthread_kill(watcher_.native_handle(), kWake);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  watcher_.join();
  return seen_;
}

// Everybody is let go when this thread ends (ptrace(2)).
void Injector::Watch() {
  const bool seized = SeizeAll();
  is_ready_ = true;
  is_ready_.notify_all();
  while (seized && !must_end_) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (thread < 0 && errno == ECHILD) {
      break;
    }
    if (thread > 0) {
      Take(thread, status);
    }
  }
  has_ended_ = true;
}

bool Injector::SeizeAll() {
  long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
  if (target_.whom == Whom::kNextProgram) {
    options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
  }
  for (const pid_t thread : ThreadsOf(target_.pid)) {
    if (ptrace(PTRACE_SEIZE, thread, nullptr, options) != 0) {
      why_ = "cannot trace a process: " + std::string(std::strerror(errno));
      return false;
    }
    threads_.insert(thread);
    ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
  }
  // From its first stop on each is followed from call to call.
  for (const pid_t thread : threads_) {
    int status = 0;
    if (waitpid(thread, &status, __WALL | __WNOTHREAD) == thread && WIFSTOPPED(status)) {
      Resume(thread);
    }
  }
  return true;
}

bool Injector::Counts(pid_t thread) const {
  if (struck_) {
    return false;
  }
  if (target_.whom == Whom::kProcess) {
    return threads_.contains(thread);
  }
  return chosen_ != 0 && threads_.contains(thread) && thread != target_.pid;
}

void Injector::Resume(pid_t thread, int signal) const {
  const bool follow = Counts(thread) || to_fail_ == thread;
  ptrace(follow ? PTRACE_SYSCALL : PTRACE_CONT, thread, nullptr, signal);
}

void Injector::Take(pid_t thread, int status) {
  if (!WIFSTOPPED(status)) {
    threads_.erase(thread);
    return;
  }
  const int signal = WSTOPSIG(status);
  const int event = status >> 16;
  if (signal == (SIGTRAP | 0x80)) {
    TakeSyscallStop(thread);
  } else if (event != 0) {
    TakeEvent(thread, event);
  } else {
    Resume(thread, signal);
  }
}

bool Injector::IsMeant(pid_t thread, long call, int descriptor) const {
  if (call != blow_.call || !blow_.only_files) {
    return call == blow_.call;
  }
  std::error_code gone;
  const std::string link = "/proc/" + std::to_string(thread) + "/fd/" + std::to_string(descriptor);
  return fs::read_symlink(link, gone).string().starts_with("/");  // a memfd is "/memfd:…"
}

void Injector::TakeSyscallStop(pid_t thread) {
  long call = 0;
  int descriptor = -1;
  if (to_fail_ == thread) {
    SetResult(thread, -blow_.error);
    to_fail_.reset();
  } else if (Counts(thread) && IsEntry(thread, call, descriptor)) {
    const bool counts = call != blow_.call || IsMeant(thread, call, descriptor);
    if (counts && ++seen_[call] == blow_.at && call == blow_.call) {
      Strike(thread);
    }
  }
  Resume(thread);
}

void Injector::Strike(pid_t thread) {
  struck_ = true;
  if (blow_.error == 0) {
    kill(chosen_ != 0 ? chosen_ : target_.pid, SIGKILL);
  } else {
    SkipCall(thread);
    to_fail_ = thread;
  }
}

void Injector::TakeEvent(pid_t thread, int event) {
  if (event == PTRACE_EVENT_STOP && target_.whom == Whom::kProcess) {
    threads_.insert(thread);  // a new thread of it, or one whose first stop this is
  } else if (event == PTRACE_EVENT_EXEC && target_.whom == Whom::kNextProgram) {
    if (chosen_ == 0 && ProgramOf(thread) == target_.program) {
      chosen_ = thread;
      threads_.insert(thread);
    } else {
      ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
      return;
    }
  } else if (event == PTRACE_EVENT_STOP && chosen_ != 0 && ThreadsOf(chosen_).contains(thread)) {
    threads_.insert(thread);
  }
  Resume(thread);
}

}  // namespace oxherd::faults
