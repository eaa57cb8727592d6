#include "os/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstring>

namespace oxherd::os {
namespace {

constexpr std::byte kReachedExec{'x'};
constexpr int kExitNotStarted = 127;

struct FailureMessage {
  std::uint8_t mark = 'f';
  std::uint8_t stage = 0;
  std::int32_t error_number = 0;
};

// The child's work, in the order of ChildOrder; a failed step ends it.
class Child {
 public:
  explicit Child(const ChildOrder& order) : order_(order), report_(order.report) {}

  [[noreturn]] void Run() {
    UnblockSignals();
    if (order_.new_session) NewSession();
    SetLimits();
    MapDescriptors();
    SetUser();
    EnterDirectory();
    Exec();
  }

 private:
  void Must(long result, ChildStage stage) const {
    if (result < 0) FailChild(report_, stage, errno);
  }

  static void UnblockSignals() {
    sigset_t none{};
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  }

  void NewSession() const {
    Must(Try([] { return ::setsid(); }), ChildStage::kSession);
  }

  void SetLimits() const {
    for (const ChildLimit& limit : order_.limits) {
      const rlimit wanted{.rlim_cur = limit.soft, .rlim_max = limit.hard};
      Must(Try([&] { return ::syscall(SYS_prlimit64, 0, limit.resource, &wanted, nullptr); }),
           ChildStage::kLimits);
    }
    if (order_.nice) {
      Must(Try([&] { return ::setpriority(PRIO_PROCESS, 0, *order_.nice); }), ChildStage::kLimits);
    }
    if (order_.oom_score_adj) SetOomScoreAdj(*order_.oom_score_adj);
    if (order_.umask) ::umask(static_cast<mode_t>(*order_.umask));
  }

  void SetOomScoreAdj(int score) const {
    const int file = Try([] { return ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); });
    Must(file, ChildStage::kLimits);
    std::array<char, 16> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), score);
    const auto size = static_cast<std::size_t>(end.ptr - text.data());
    Must(Try([&] { return ::write(file, text.data(), size); }), ChildStage::kLimits);
    ::close(file);
  }

  // First every source goes above all targets, so that no target destroys one; then each to its
  // place. Everything that is not at a place then is close-on-exec.
  void MapDescriptors() {
    int above = 3;
    for (const ChildDescriptor& one : order_.descriptors) above = std::max(above, one.target + 1);
    report_ = Must(Duplicate(report_, above), ChildStage::kDescriptors);
    const Fd nothing(Try([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }));
    Must(nothing.get(), ChildStage::kSession);
    const int null = Must(Duplicate(nothing.get(), above), ChildStage::kDescriptors);
    for (ChildDescriptor& one : order_.descriptors) one.source = Lift(one, above);
    MarkAllCloseOnExec();
    for (const int standard : {0, 1, 2}) {
      Must(Try([&] { return ::dup2(null, standard); }), ChildStage::kDescriptors);
    }
    for (const ChildDescriptor& one : order_.descriptors) {
      Must(Try([&] { return ::dup2(one.source, one.target); }), ChildStage::kDescriptors);
    }
  }

  [[nodiscard]] int Lift(const ChildDescriptor& one, int above) const {
    if (!one.open_anew) return Must(Duplicate(one.source, above), ChildStage::kDescriptors);
    const int anew = Must(OpenAnew(one.source, O_RDWR), ChildStage::kDescriptors);
    return anew >= above ? anew : Must(Duplicate(anew, above), ChildStage::kDescriptors);
  }

  // The child never closes by hand what exec closes anyway.
  [[nodiscard]] int Must(SystemResult<Fd> result, ChildStage stage) const {
    if (!result) FailChild(report_, stage, result.error().number);
    return result->Release();
  }

  // All our descriptors are close-on-exec from birth; this is for those that others left us with.
  // From 5.11 on.
  static void MarkAllCloseOnExec() {
    constexpr unsigned kCloseOnExec = 1U << 2;
    ::syscall(SYS_close_range, 3U, ~0U, kCloseOnExec);
  }

  void SetUser() const {
    if (order_.user) {
      const ChildUser& user = *order_.user;
      static_assert(sizeof(gid_t) == sizeof(std::uint32_t));
      Must(Try([&] { return ::setgroups(user.groups.size(), user.groups.data()); }),
           ChildStage::kUser);
      Must(Try([&] { return ::setresgid(user.gid, user.gid, user.gid); }), ChildStage::kUser);
      Must(Try([&] { return ::setresuid(user.uid, user.uid, user.uid); }), ChildStage::kUser);
      Verify(user);
    }
    if (order_.no_new_privs) {
      Must(Try([] { return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }), ChildStage::kUser);
    }
  }

  // Nothing runs as root because something between us and the kernel said yes and did not do it.
  void Verify(const ChildUser& user) const {
    std::array<uid_t, 3> uids{};
    std::array<gid_t, 3> gids{};
    Must(::getresuid(&uids[0], &uids[1], &uids[2]), ChildStage::kUser);
    Must(::getresgid(&gids[0], &gids[1], &gids[2]), ChildStage::kUser);
    const bool all = std::ranges::all_of(uids, [&](uid_t one) { return one == user.uid; }) &&
                     std::ranges::all_of(gids, [&](gid_t one) { return one == user.gid; });
    if (!all) FailChild(report_, ChildStage::kUser, EPERM);
  }

  void EnterDirectory() const {
    Must(Try([&] { return ::chdir(order_.directory); }), ChildStage::kDirectory);
  }

  [[noreturn]] void Exec() const {
    Must(Try([&] { return ::write(report_, &kReachedExec, 1); }), ChildStage::kExec);
    const bool is_lost = order_.parent.is_set() && ::getppid() != order_.parent.number();
    if (is_lost) ::_exit(kExitNotStarted);
    if (!FailureIsDue()) {
      // execve takes pointers to what it never changes.
      ::execve(order_.program, const_cast<char* const*>(order_.arguments),
               const_cast<char* const*>(order_.environment));
    }
    FailChild(report_, ChildStage::kExec, errno);
  }

  const ChildOrder& order_;
  int report_;
};

SystemResult<Cloned> Cloning(long pid, int pidfd) {
  if (pid < 0) return LastErrno();
  if (pid == 0) return Cloned{.is_child = true, .pid = Pid(), .pidfd = Fd()};
  return Cloned{.is_child = false, .pid = Pid(static_cast<std::int32_t>(pid)), .pidfd = Fd(pidfd)};
}

}  // namespace

void FailChild(int report, ChildStage stage, int error_number) {
  FailureMessage message;
  message.stage = static_cast<std::uint8_t>(stage);
  message.error_number = error_number;
  if (::write(report, &message, sizeof message) < 0) {
    // The parent is gone or will see end of file: nothing else can be done here.
  }
  ::_exit(kExitNotStarted);
}

void RunChild(const ChildOrder& order) { Child(order).Run(); }

SystemResult<Cloned> Clone(int cgroup) {
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup);
  }
  const long pid = Try([&] { return ::syscall(SYS_clone3, &arguments, sizeof arguments); });
  // Old container run times answer clone3 with ENOSYS or EPERM; clone(2) they let through.
  if (pid >= 0 || (errno != ENOSYS && errno != EPERM)) return Cloning(pid, pidfd);
  if (cgroup >= 0) return LastErrno();
  return Cloning(Try([&] {
                   return ::syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr,
                                    nullptr);
                 }),
                 pidfd);
}

ChildReport ReadChildReport(int report, bool& reached_exec) {
  for (;;) {
    FailureMessage message;
    const ssize_t size = Try([&] { return ::read(report, &message, 1); });
    if (size < 0) return {};
    if (size == 0) {
      const auto state = reached_exec ? ChildReport::State::kRuns : ChildReport::State::kDied;
      return {.state = state, .failure = {}};
    }
    if (message.mark == std::to_integer<std::uint8_t>(kReachedExec)) {
      reached_exec = true;
      continue;
    }
    // A failure is written in one piece: the rest of it is there.
    auto* rest = reinterpret_cast<char*>(&message) + 1;
    if (Try([&] { return ::read(report, rest, sizeof message - 1); }) < 0) return {};
    const auto stage = std::min(message.stage, static_cast<std::uint8_t>(ChildStage::kExec));
    return {
        .state = ChildReport::State::kFailed,
        .failure = {.stage = static_cast<ChildStage>(stage), .error_number = message.error_number}};
  }
}

}  // namespace oxherd::os
