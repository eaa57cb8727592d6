#include "os/process.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2)  // Linux 6.9; Debian 12's headers are older
#endif

namespace oxherd::os {
namespace {

Duration FromTimeval(const timeval& time) {
  return Seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

long PidfdSendSignal(int pidfd, int signal, unsigned flags) {
  return Try([=] { return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, flags); });
}

}  // namespace

SystemResult<Fd> OpenPidfd(Pid pid) {
  const long number = Try([=] { return ::syscall(SYS_pidfd_open, pid.number(), 0); });
  if (number < 0) return LastErrno();
  return Fd(static_cast<int>(number));
}

SystemStatus SendSignal(int pidfd, int signal) {
  if (PidfdSendSignal(pidfd, signal, 0) < 0) return LastErrno();
  return {};
}

SystemStatus SendSignalToGroup(int pidfd, Pid leader, int signal, Leader state) {
  if (PidfdSendSignal(pidfd, signal, PIDFD_SIGNAL_PROCESS_GROUP) == 0) return {};
  if (errno != EINVAL || state == Leader::kReaped) return LastErrno();
  if (Try([=] { return ::kill(-leader.number(), signal); }) < 0) return LastErrno();
  return {};
}

SystemResult<std::optional<Reaped>> ReapOne() {
  int status = 0;
  rusage used{};
  const pid_t pid = Try([&] { return ::wait4(-1, &status, WNOHANG, &used); });
  if (pid < 0) {
    if (errno == ECHILD) return std::nullopt;
    return LastErrno();
  }
  if (pid == 0) return std::nullopt;
  return Reaped{.pid = Pid(pid),
                .status = ExitStatus::FromWait(status),
                .user_time = FromTimeval(used.ru_utime),
                .system_time = FromTimeval(used.ru_stime)};
}

std::optional<ExitStatus> ReapByPidfd(int pidfd) {
  siginfo_t ended{};
  const auto id = static_cast<id_t>(pidfd);
  if (Try([&] { return ::waitid(P_PIDFD, id, &ended, WEXITED | WNOHANG); }) < 0)
    return std::nullopt;
  if (ended.si_pid == 0) return std::nullopt;
  return ended.si_code == CLD_EXITED ? ExitStatus::Code(ended.si_status)
                                     : ExitStatus::Signal(ended.si_status);
}

SystemStatus BecomeSubreaper() {
  if (Try([] { return ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }) < 0) return LastErrno();
  return {};
}

SystemResult<OpenFiles> RaiseOpenFiles() {
  rlimit limit{};
  if (Try([&] { return ::getrlimit(RLIMIT_NOFILE, &limit); }) < 0) return LastErrno();
  const OpenFiles before{.soft = limit.rlim_cur, .hard = limit.rlim_max};
  limit.rlim_cur = limit.rlim_max;
  if (Try([&] { return ::setrlimit(RLIMIT_NOFILE, &limit); }) < 0) return LastErrno();
  return before;
}

int OomScoreAdj() {
  const Fd file(Try([] { return ::open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC); }));
  if (!file) return 0;
  std::array<char, 16> text{};
  const ssize_t size = Try([&] { return ::read(file.get(), text.data(), text.size()); });
  if (size <= 0) return 0;
  int score = 0;
  std::from_chars(text.data(), text.data() + size, score);
  return score;
}

void ReleaseProgramPages() {
  constexpr auto kRelease = [](dl_phdr_info* program, std::size_t, void*) {
    for (int i = 0; i < program->dlpi_phnum; ++i) {
      const auto& segment = program->dlpi_phdr[i];
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
      constexpr std::uintptr_t kPage = 4096;  // a larger page size only makes the call fail
      const std::uintptr_t start = (program->dlpi_addr + segment.p_vaddr) & ~(kPage - 1);
      const std::uintptr_t end = program->dlpi_addr + segment.p_vaddr + segment.p_memsz;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): that is how a program header says where it is
      ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
    }
    return 1;  // the program itself comes first; its libraries, if it has any, are shared
  };
  ::dl_iterate_phdr(kRelease, nullptr);
}

SystemStatus BlockAllSignals() {
  sigset_t all{};
  ::sigfillset(&all);
  // Unlike most calls it returns its errno.
  const int number = ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  if (number != 0) return std::unexpected(Errno{number});
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  // SIGKILL and SIGSTOP cannot be set: errors mean nothing here.
  for (int signal = 1; signal <= SIGRTMAX; ++signal) ::sigaction(signal, &standard, nullptr);
  // The two that glibc keeps for itself it does not let anybody set, but posix_spawn(3) has left
  // them ignored, and our children would inherit that.
  constexpr std::array<unsigned long, 4> kDefault{};  // handler, flags, restorer, mask
  for (int signal = __SIGRTMIN; signal < SIGRTMIN; ++signal) {
    ::syscall(SYS_rt_sigaction, signal, kDefault.data(), nullptr, sizeof(unsigned long));
  }
  return {};
}

SystemResult<Fd> OpenSignals() {
  sigset_t wanted{};
  ::sigemptyset(&wanted);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&wanted, signal);
  const int number = Try([&] { return ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK); });
  if (number < 0) return LastErrno();
  return Fd(number);
}

SystemResult<std::optional<SignalSeen>> NextSignal(int signals) {
  signalfd_siginfo seen{};
  const ssize_t size = Try([&] { return ::read(signals, &seen, sizeof seen); });
  if (size < 0) {
    if (errno == EAGAIN) return std::nullopt;
    return LastErrno();
  }
  return SignalSeen{.number = static_cast<int>(seen.ssi_signo),
                    .from_kernel = seen.ssi_code == SI_KERNEL};
}

Result<std::string> FindInstalled(std::string_view name) {
  std::array<char, 4096> buffer{};
  const ssize_t size = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
  if (size <= 0) return ErrnoError("find this program's folder");
  std::string folder(buffer.data(), static_cast<std::size_t>(size));
  folder.erase(folder.rfind('/'));
  for (const std::string_view place : {"", "/../lib/oxherd", "/../libexec/oxherd"}) {
    std::string path = folder;
    path += place;
    path += '/';
    path += name;
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return MakeError("cannot find " + std::string(name) + " beside the program in " + folder);
}

}  // namespace oxherd::os
