// One system call of the daemon or the keeper fails, or is its last: whichever it is, nothing that
// runs is forgotten, nothing runs twice, and the next command works.
//
// The short form, part of every test run, takes a sample for 20 s. OXHERD_FAULTS=long goes on to
// the last call of each kind (`./dev bench faults`), "long write" to that of one;
// OXHERD_FAULTS="the daemon: write number 8 fails: ENOSPC" does that one again.
#include <doctest/doctest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "tests/e2e/home.h"
#include "tests/faults/injector.h"

namespace oxherd::faults {
namespace {

using e2e::Home;
using e2e::Instance;
using e2e::milliseconds;
using e2e::Outcome;
using e2e::seconds;
using e2e::SteadyClock;

constexpr milliseconds kShortForm = seconds(20);
constexpr int kLastOfAll = 400;  // no script needs so many calls of a kind

struct Kind {
  const char* name;
  long call;
  std::vector<int> errors;
  bool only_files = false;  // an eventfd or a socket is never full in this way
};

// Those that touch something outside the process. futex(2) and munmap(2) do not fail in a program
// that is right; close(2) cannot be helped.
const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kKinds = {
      {"openat", SYS_openat, {EMFILE, EACCES, ENOENT, ENOMEM}},
      {"mmap", SYS_mmap, {ENOMEM}},
      {"ftruncate", SYS_ftruncate, {ENOSPC}},
      {"fsync", SYS_fsync, {EIO}},
      {"rename", SYS_rename, {ENOSPC}},
      {"renameat", SYS_renameat, {ENOSPC}},
      {"link", SYS_link, {EPERM}},
      {"mkdir", SYS_mkdir, {EACCES}},
      {"mkdirat", SYS_mkdirat, {EACCES}},
      {"unlinkat", SYS_unlinkat, {EBUSY}},
      {"read", SYS_read, {EIO}, true},
      {"pread64", SYS_pread64, {EIO}},
      {"write", SYS_write, {ENOSPC, EIO}, true},
      {"pwrite64", SYS_pwrite64, {ENOSPC}, true},
      {"splice", SYS_splice, {ENOSPC, EINVAL}},
      {"ioctl", SYS_ioctl, {ENOTTY}},
      {"newfstatat", SYS_newfstatat, {ENOMEM, EACCES}},
      {"getdents64", SYS_getdents64, {ENOMEM}},
      {"readlink", SYS_readlink, {ENOENT}},
      {"fcntl", SYS_fcntl, {EMFILE}},
      {"pipe2", SYS_pipe2, {EMFILE}},
      {"memfd_create", SYS_memfd_create, {EMFILE}},
      {"eventfd2", SYS_eventfd2, {EMFILE}},
      {"epoll_ctl", SYS_epoll_ctl, {ENOMEM, ENOSPC}},
      {"epoll_wait", SYS_epoll_wait, {EINTR}},
      {"epoll_pwait2", SYS_epoll_pwait2, {EINTR}},
      {"poll", SYS_poll, {EINTR}},
      {"socket", SYS_socket, {EMFILE}},
      {"socketpair", SYS_socketpair, {EMFILE}},
      {"accept4", SYS_accept4, {EMFILE, ECONNABORTED}},
      {"accept", SYS_accept, {EMFILE, ECONNABORTED}},
      {"getsockopt", SYS_getsockopt, {ENOTCONN}},
      {"setsockopt", SYS_setsockopt, {ENOMEM}},
      {"sendmsg", SYS_sendmsg, {EAGAIN, ENOBUFS, EPIPE}},
      {"recvmsg", SYS_recvmsg, {EAGAIN, ECONNRESET}},
      {"sendto", SYS_sendto, {EAGAIN, EPIPE}},
      {"recvfrom", SYS_recvfrom, {EAGAIN}},
      {"clone3", SYS_clone3, {EAGAIN, ENOMEM}},
      {"pidfd_open", SYS_pidfd_open, {EMFILE, ESRCH}},
      {"pidfd_send_signal", SYS_pidfd_send_signal, {EPERM, ESRCH}},
      {"wait4", SYS_wait4, {EINTR}},
      {"prlimit64", SYS_prlimit64, {EPERM}},
      {"getrandom", SYS_getrandom, {EAGAIN}},
  };
  return kKinds;
}

enum class Victim { kDaemon, kKeeper, kNewDaemon };
constexpr int kNoError = 0;  // SIGKILL instead

std::string NameOf(Victim victim) {
  switch (victim) {
    case Victim::kDaemon:
      return "the daemon";
    case Victim::kKeeper:
      return "the keeper";
    case Victim::kNewDaemon:
      return "a daemon that begins";
  }
  return "";
}

struct Trial {
  Victim victim = Victim::kDaemon;
  const Kind* kind = nullptr;
  int error = kNoError;
  int at = 1;

  [[nodiscard]] std::string Text() const {
    return NameOf(victim) + ": " + kind->name + " number " + std::to_string(at) +
           (error == kNoError ? " is the last" : " fails: " + std::string(strerrorname_np(error)));
  }
};

// "": the short form; "long", "long write"; else the text of one trial, which is tried again.
std::string Form() {
  const char* form = std::getenv("OXHERD_FAULTS");
  return form == nullptr ? "" : form;
}

// A home that many trials may share, as long as nobody has died.
class Place {
 public:
  Place() {
    home_.Oxfile(R"(
[defaults]
min_uptime_ms = 20
stop_timeout_ms = 400
restart_delay_ms = 0
[processes.api]
command = "@misbehave on-term 0 then sleep"
instances = 2
[processes.worker]
command = "@misbehave say up then on-term 0 then sleep"
)");
    home_.MustRun({"start"});
    keeper_ = home_.Keeper();
    daemon_ = home_.Daemon();
  }

  // How often each call is made when nothing befalls anybody.
  std::map<long, int> Count(Victim victim) {
    Injector injector(TargetOf(victim), {.call = -1});
    Play(victim);
    return injector.Finish();
  }

  // What is wrong after it; empty: nothing.
  std::string Try(const Trial& trial, bool& struck) {
    {
      const Injector injector(TargetOf(trial.victim), {.call = trial.kind->call,
                                                       .at = trial.at,
                                                       .error = trial.error,
                                                       .only_files = trial.kind->only_files});
      if (!injector.works()) {
        return injector.why();
      }
      Play(trial.victim);
      struck = injector.has_struck();
    }
    may_be_succeeded_ = trial.victim == Victim::kKeeper && trial.error == kNoError;
    return problem_.empty() ? LookAround() : problem_;
  }

  // Whoever died makes the keeper patient with the next one (back-off).
  [[nodiscard]] bool is_as_new() const {
    return problem_.empty() && home_.Daemons() == std::vector{daemon_} &&
           home_.Keepers() == std::vector{keeper_};
  }

 private:
  Injector::Target TargetOf(Victim victim) const {
    switch (victim) {
      case Victim::kDaemon:
        return {.whom = Injector::Whom::kProcess, .pid = daemon_};
      case Victim::kKeeper:
        return {.whom = Injector::Whom::kProcess, .pid = keeper_};
      case Victim::kNewDaemon:
        break;
    }
    return {.whom = Injector::Whom::kNextProgram, .pid = keeper_, .program = "oxherd-daemon"};
  }

  // Whether it succeeds is not the point here, but it ends, and says something.
  void Type(const e2e::Words& words) {
    Outcome outcome;
    try {
      outcome = home_.Run(words, seconds(25));
    } catch (...) {  // it hangs, which is a failure by now
      MESSAGE(home_.Run({"list", "--json"}).all());
      MESSAGE(home_.Run({"status", "--json"}).all());
      throw;
    }
    const bool is_code = outcome.exit_code >= 0 && outcome.exit_code <= 4;
    if (!is_code || (outcome.exit_code != 0 && outcome.all().empty())) {
      problem_ = "oxherd " + words[0] + " ended with " + std::to_string(outcome.exit_code) + ": " +
                 outcome.all();
    }
  }

  void Play(Victim victim) {
    if (victim == Victim::kNewDaemon) {
      home_.KillDaemon();
      Type({"list"});
      Type({"restart", "worker"});
      return;
    }
    const auto workers = ProcessesCalled("misbehave");
    Type({"restart", "worker"});
    if (!workers.empty()) {
      kill(workers.front(), SIGKILL);  // a crash
    }
    Type({"reload", "api"});
    Type({"stop", "worker"});
    Type({"list"});
  }

  [[nodiscard]] std::vector<pid_t> ProcessesCalled(std::string_view program) const {
    std::vector<pid_t> pids;
    for (const e2e::Process& process : e2e::ProcessesOf(home_.folder())) {
      if (process.program == program) {
        pids.push_back(process.pid);
      }
    }
    std::sort(pids.begin(), pids.end());
    return pids;
  }

  // The next command works, and what the kernel shows is what the list shows.
  std::string LookAround() {
    const Outcome started = home_.Run({"start"}, seconds(25));
    if (started.exit_code != 0) {
      return Failed("oxherd start ended with " + std::to_string(started.exit_code) + ": " +
                    started.all());
    }
    const auto keepers = home_.Keepers();
    if (may_be_succeeded_ ? keepers.size() != 1 : keepers != std::vector{keeper_}) {
      return Failed("the keeper is gone, or not alone");
    }
    std::vector<pid_t> listed;
    for (const Instance& instance : home_.List()) {
      if (instance.state != "ready") {
        return Failed(instance.name + " is " + instance.state);
      }
      listed.push_back(instance.pid);
    }
    std::sort(listed.begin(), listed.end());
    if (listed.size() != 3) {
      return Failed(std::to_string(listed.size()) + " instances are listed");
    }
    // Between clone and exec a child still is its parent's program: look again.
    for (int look = 0; ProcessesCalled("misbehave") != listed; ++look) {
      if (look == 100) {
        return Failed("other processes run than are listed: " +
                      std::to_string(ProcessesCalled("misbehave").size()));
      }
    }
    for (int look = 0; !e2e::ZombiesOf(home_.folder()).empty(); ++look) {
      if (look == 100) {
        return Failed("a zombie stays");
      }
    }
    return {};
  }

  std::string Failed(std::string text) { return problem_ = std::move(text); }

  Home home_;
  pid_t keeper_ = 0;
  pid_t daemon_ = 0;
  bool may_be_succeeded_ = false;  // the keeper was killed: another one is as good
  std::string problem_;
};

// Trials one after the other, in as few homes as possible.
class Series {
 public:
  // False: this cannot be done here.
  bool Try(const Trial& trial, bool& struck) {
    INFO(trial.Text());
    if (place_ == nullptr) {
      place_ = std::make_unique<Place>();
    }
    const std::string problem = place_->Try(trial, struck);
    if (problem.starts_with("cannot trace") || problem.starts_with("calls can be")) {
      MESSAGE("skipped: " << problem);
      return false;
    }
    CHECK_MESSAGE(problem.empty(), problem);
    ++tried_;
    struck_ += struck ? 1 : 0;
    if (!place_->is_as_new()) {
      place_.reset();
    }
    return true;
  }
  [[nodiscard]] std::string Text() const {
    return std::to_string(tried_) + " scripts, in " + std::to_string(struck_) +
           " of them a call failed";
  }

 private:
  std::unique_ptr<Place> place_;
  int tried_ = 0;
  int struck_ = 0;
};

std::vector<Trial> AllOf(Victim victim) {
  std::vector<Trial> all;
  for (const Kind& kind : Kinds()) {
    for (const int error : kind.errors) {
      all.push_back({.victim = victim, .kind = &kind, .error = error});
    }
    all.push_back({.victim = victim, .kind = &kind, .error = kNoError});
  }
  return all;
}

// `only`: the name of a call; empty: all of them.
void TryAll(Victim victim, std::string_view only) {
  Series series;
  for (Trial trial : AllOf(victim)) {
    if (!only.empty() && only != trial.kind->name) {
      continue;
    }
    bool struck = true;
    for (trial.at = 1; struck && trial.at <= kLastOfAll; ++trial.at) {
      struck = false;
      if (!series.Try(trial, struck)) {
        return;
      }
    }
    MESSAGE("up to " << trial.Text());
  }
  MESSAGE(NameOf(victim) << ": " << series.Text());
}

void TrySome(Victim victim, milliseconds time) {
  const auto until = SteadyClock::now() + time;
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  std::map<long, int> counts = Place().Count(victim);
  std::vector<Trial> all = AllOf(victim);
  std::erase_if(all, [&](const Trial& trial) { return counts[trial.kind->call] == 0; });
  std::shuffle(all.begin(), all.end(), random);
  Series series;
  for (Trial& trial : all) {
    if (SteadyClock::now() > until) {
      break;
    }
    trial.at = 1 + static_cast<int>(random() % static_cast<unsigned>(counts[trial.kind->call]));
    bool struck = false;
    if (!series.Try(trial, struck)) {
      return;
    }
  }
  MESSAGE(NameOf(victim) << ": " << series.Text());
}

void TryAgain(Victim victim, const std::string& text) {
  Series series;
  for (Trial trial : AllOf(victim)) {
    for (trial.at = 1; trial.at <= kLastOfAll; ++trial.at) {
      bool struck = false;
      if (trial.Text() == text && !series.Try(trial, struck)) {
        return;
      }
    }
  }
}

void TryAsLongAsAsked(Victim victim) {
  if (e2e::kSanitized) {
    MESSAGE("skipped: the sanitizer's own calls would fail as well");
    return;
  }
  if (Form().starts_with("long")) {
    const std::string form = Form();
    TryAll(victim, std::string_view(form).substr(std::min<std::size_t>(form.size(), 5)));
  } else if (Form().empty()) {
    TrySome(victim, kShortForm / 3);
  } else {
    TryAgain(victim, Form());
  }
}

TEST_CASE("whichever system call of the daemon fails or is its last, the next command works") {
  TryAsLongAsAsked(Victim::kDaemon);
}

TEST_CASE("whichever system call of the keeper fails or is its last, the next command works") {
  TryAsLongAsAsked(Victim::kKeeper);
}

TEST_CASE("whichever system call of a daemon that begins fails, one comes and knows what runs") {
  TryAsLongAsAsked(Victim::kNewDaemon);
}

}  // namespace
}  // namespace oxherd::faults
