// Kernel: the fake kernel. It has the processes, knows what is true of them, and what was done to
// them; the invariants are checked against it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"
#include "keeper/protocol.h"
#include "tests/sim/behaviour.h"
#include "tests/sim/random.h"

namespace oxherd::sim {

struct Process {
  enum class Life : std::uint8_t {
    kForked,  // before its exec
    kRunning,
    kMainGone,  // only what it left behind is alive
    kGone,
  };
  Token token;
  std::uint8_t service = 0;
  SlotIndex slot = 0;
  Generation generation;
  ProcessKind kind = ProcessKind::kInstance;
  std::uint32_t version = 0;  // in Scenario::versions
  Behaviour behaviour;
  std::optional<SocketNumber> socket;  // of every pool that its version lists
  bool finds = false;                  // listen = "auto": it is to tell the address that it binds

  Life life = Life::kForked;
  Instant forked_at;
  Instant exec_at;
  Instant started_at = kNever;  // when its exec was done
  Instant exit_at = kNever;     // its main process will be gone
  Instant empty_at = kNever;    // its tree will be
  Instant main_gone_at = kNever;
  ExitStatus status;

  Instant shut_at = kNever;  // it shuts its socket down
  bool has_shut = false;
  bool has_asked = false;               // for its address
  Instant asks_again = kNever;          // listen = "auto": it has told its address, and waits
  std::vector<std::string> keeps_open;  // addresses of closed pools of which its copy listens on

  bool is_in_doubt = false;       // its keeper is not sure that it is what was started
  bool was_hit_in_doubt = false;  // it got a signal all the same
  std::uint8_t stop_signals = 0;
  Instant kill_at = kNever;    // the last word of a Stop
  Instant killed_at = kNever;  // the first SIGKILL to its tree

  [[nodiscard]] bool is_alive() const { return life != Life::kGone; }
  [[nodiscard]] bool IsReady(Instant now) const;
  [[nodiscard]] bool IsHealthy(Instant now) const;
};

// What the kernel lets the keeper know.
struct KernelFact {
  enum class Kind : std::uint8_t { kStarted, kSpawnFailed, kExited, kEmpty };
  Kind kind = Kind::kStarted;
  Token token;
  ExitStatus status;
  keeper::Stage stage = keeper::Stage::kExec;
  std::int32_t number = 0;
};

class Kernel {
 public:
  void Reset() { processes_.clear(); }

  void Fork(Process process, Instant now);
  void Signal(Token token, Instant now);
  void Kill(Token token, Instant now);
  void NoteKillAt(Token token, Instant kill_at);
  // Its keeper has died before it could send the stop signal.
  void ForgetUnheardStop(Token token);
  void Forget(Token token);
  // From outside: the main process dies of `status`.
  void Strike(Token token, ExitStatus status, Instant now);
  // Its keeper has died: it is past its exec at once, true, or has ended.
  [[nodiscard]] bool GetOn(Token token, Instant now);
  // While nobody was there its main process has ended.
  void EndUnseen(Token token, Instant now);
  void PutInDoubt(Token token);
  // Faults are over: whatever hangs or refuses comes to its senses.
  void CalmDown(Instant now);

  // When the next fact comes about; kNever if none will.
  [[nodiscard]] Instant Next() const;
  // One of the facts that are due at `now`, of several any.
  [[nodiscard]] KernelFact Take(Instant now, Random& random);

  [[nodiscard]] std::span<const Process> processes() const { return processes_; }
  [[nodiscard]] std::span<Process> all() { return processes_; }
  [[nodiscard]] Process* Find(Token token);
  [[nodiscard]] const Process* Find(Token token) const;

 private:
  [[nodiscard]] static Instant Due(const Process& process);
  [[nodiscard]] static KernelFact Happen(Process& process, Instant now);

  std::vector<Process> processes_;
};

}  // namespace oxherd::sim
