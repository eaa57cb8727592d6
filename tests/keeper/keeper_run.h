// A real keeper in a home of its own, whose daemon is the test itself (stand_in_daemon.cc).
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "keeper/plan.h"
#include "keeper/protocol.h"
#include "os/fd.h"

namespace oxherd::keeper {

// Everything that should happen does so within this time, or the test fails.
constexpr Duration kPatience = Seconds(10);

struct Heard {
  Report report;
  std::vector<os::Fd> attached;
};

struct WorldAnswer {
  struct One {
    WorldRecord record;
    std::vector<os::Fd> attached;
  };
  std::vector<One> records;
  std::vector<std::string> held;
  std::vector<os::Fd> held_descriptors;
  Token highest;

  [[nodiscard]] const One& Of(Token token) const;
};

enum class Cgroups { kOn, kOff };

class KeeperRun {
 public:
  explicit KeeperRun(Cgroups cgroups = Cgroups::kOn);
  ~KeeperRun();
  KeeperRun(const KeeperRun&) = delete;
  KeeperRun& operator=(const KeeperRun&) = delete;

  // The next daemon is up: its descriptors are ours, Hello is read.
  void AwaitDaemon();
  // Asks for the world and reads the whole answer.
  WorldAnswer AskForWorld();
  // SIGKILL for the daemon; waits until it is gone.
  void KillDaemon();

  void Send(const Request& request, std::span<const int> descriptors = {});
  void SendRaw(std::string_view bytes);
  // The next report that is no Beat; fails the test if none comes.
  Heard Next();
  // The next report of this kind; others before it are kept out of the way.
  template <typename Wanted>
  Wanted Await(std::vector<os::Fd>* attached = nullptr) {
    for (;;) {
      Heard heard = Next();
      if (auto* wanted = std::get_if<Wanted>(&heard.report)) {
        if (attached != nullptr) *attached = std::move(heard.attached);
        return *wanted;
      }
    }
  }
  // Fails the test if anything but a Beat comes within the time.
  void ExpectSilence(Duration length);

  // misbehave with these words, standard output in a pipe; returns its read end.
  os::Fd Spawn(Token token, const std::vector<std::string>& words);
  // The same with a plan that is the caller's.
  os::Fd SpawnPlan(Token token, const Plan& plan, ProcessKind kind = ProcessKind::kInstance);
  [[nodiscard]] Plan PlanFor(Token token, const std::vector<std::string>& words) const;

  // The number of the next signal that the daemon has got.
  int NextSignalOfDaemon();
  // Waits until the keeper has exited; its exit code.
  int AwaitExit();
  void SignalKeeper(int signal) const;

  [[nodiscard]] const Hello& hello() const { return hello_; }
  [[nodiscard]] const std::string& daemon_line() const { return daemon_line_; }
  [[nodiscard]] const std::string& home() const { return home_; }
  [[nodiscard]] int control_socket() const { return given_[0].get(); }
  [[nodiscard]] int image() const { return given_[2].get(); }
  [[nodiscard]] Pid keeper() const { return keeper_; }
  // The CPU time that the keeper has used.
  [[nodiscard]] long TicksOfKeeper() const;

 private:
  void StartKeeper(Cgroups cgroups);
  std::optional<Heard> Receive(Duration patience);

  std::string home_;
  os::Fd listener_;
  Pid keeper_;
  bool keeper_is_gone_ = false;
  os::Fd daemon_;  // where the stand-in reports its signals
  Pid daemon_pid_;
  std::string daemon_line_;
  os::Fd socket_;  // to the keeper
  std::vector<os::Fd> given_;
  // A pipe without a writer is at its end: we are one until the child has opened it.
  struct Writer {
    Token token;
    os::Fd write_end;
  };
  std::vector<Writer> writers_;
  Hello hello_;
};

// The bytes up to the next end of line, or to the end of the pipe.
std::string ReadLine(int pipe);
// All bytes until the last writer is gone.
std::string ReadAll(int pipe);
// The number after `word` and a blank at the start of the text; fails the test if it is not so.
Pid PidAfter(const std::string& word, const std::string& line);
// False once there is no such process, or only a zombie.
bool IsAlive(Pid pid);
// Waits until IsAlive is false.
void AwaitDeath(Pid pid);

}  // namespace oxherd::keeper
