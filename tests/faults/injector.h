// Makes one system call of a running program fail, or kills the program in it: by ptrace(2), so the
// program is the one that ships.
//
// It counts the calls of one kind, in all threads, from the moment it is made; at the k-th it
// strikes, once, and lets the program run untouched from then on.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>

namespace oxherd::faults {

// What befalls the call.
struct Blow {
  long call = 0;  // its number, SYS_…
  int at = 1;     // the at-th one
  int error = 0;  // errno that it ends with, without being carried out; 0: SIGKILL instead
  bool only_files =
      false;  // counted only where its first argument is a file, in a folder or memory
};

class Injector {
 public:
  enum class Whom {
    kProcess,      // the process `pid`
    kNextProgram,  // what `pid` execs next under the name `program`, from its exec on
  };
  struct Target {
    Whom whom = Whom::kProcess;
    pid_t pid = 0;
    std::string program{};
  };

  // Begins to watch; when it returns, no call goes by unseen.
  Injector(Target target, const Blow& blow);
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;
  ~Injector();  // lets everybody go

  // False: this cannot be done here, see why().
  [[nodiscard]] bool works() const { return why_.empty(); }
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] bool has_struck() const { return struck_; }

  // Lets everybody go, as the destructor does, and says how often each call was seen.
  const std::map<long, int>& Finish();

 private:
  void Watch();
  bool SeizeAll();
  void Take(pid_t thread, int status);
  void TakeSyscallStop(pid_t thread);
  void Strike(pid_t thread);
  void TakeEvent(pid_t thread, int event);
  void Resume(pid_t thread, int signal = 0) const;
  [[nodiscard]] bool Counts(pid_t thread) const;
  [[nodiscard]] bool IsMeant(pid_t thread, long call, int descriptor) const;

  Target target_;
  Blow blow_;
  std::string why_;
  std::map<long, int> seen_;
  pid_t chosen_ = 0;              // of kNextProgram, once it is there
  std::optional<pid_t> to_fail_;  // the thread whose call is on its way back
  std::set<pid_t> threads_;
  std::atomic<bool> is_ready_ = false;
  std::atomic<bool> struck_ = false;
  std::atomic<bool> must_end_ = false;
  std::atomic<bool> has_ended_ = false;
  std::thread watcher_;
};

}  // namespace oxherd::faults
