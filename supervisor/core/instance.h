// One instance: its state machine as sum types, one On() per state and one total table.
//
// An Instance is a lineage: one slot, one generation, from its first start to its last end, through
// crashes and restarts. Each process in it has a token of its own. States are entered whole;
// deadlines are in the states. What a state does with an event is in kInstanceTable: each cell is
// handled, or ignored because of a reason; On() is only called for handled cells.
//
// Rollouts, dependencies and requests are not known here: whoever drives the instance reads its
// state afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"
#include "core/action.h"
#include "core/failure.h"
#include "core/spec.h"

namespace oxherd {

// A process we started, or told the keeper to start.
struct Process {
  Token token;
  Pid pid;             // not set until the keeper said Started
  Instant spawned_at;  // when the Spawn was decided
  friend bool operator==(const Process&, const Process&) = default;
};

// The asking in Starting, Ready and Unhealthy. One question at a time.
struct Probing {
  Instant next = kNever;     // when to ask; kNever while asked, or without a health check
  bool asking = false;       // an answer is on its way
  std::uint16_t streak = 0;  // answers in a row that speak for a change of state
  friend bool operator==(const Probing&, const Probing&) = default;
};

// What follows when the tree of a stopping or killed process is gone.
enum class After : std::uint8_t {
  kStopped,  // Stopped; what the slot wants then decides whether a new instance is started in it
  kCrash,    // as restart policy and crash count say
  kAgain,    // started again at once, and nothing is counted
};

// Whether a start waits for the service's dependencies (a command, a boot) or not (a crash).
enum class Order : std::uint8_t { kAfterDependencies, kAtOnce };

struct Waiting {                 // for dependencies, a delay, or its turn among many starts
  Instant delay_until = kNever;  // kNever: there is no delay, or it is over
  Order order = Order::kAfterDependencies;
  friend bool operator==(const Waiting&, const Waiting&) = default;
};
struct Starting {
  Process process;
  bool confirmed = false;  // exec succeeded
  Instant ready_by;        // ready_timeout; kNever for a oneshot without one
  Instant proven_at;       // ReadyBy::kUptime: when it has lived long enough; else kNever
  Probing probing;
  friend bool operator==(const Starting&, const Starting&) = default;
};
struct Ready {
  Process process;
  Instant since;
  Probing probing;
  Instant deaf_at = kNever;  // it has shut a socket of its: then it is as good as unhealthy
  friend bool operator==(const Ready&, const Ready&) = default;
};
struct Unhealthy {
  Process process;
  Instant ready_since;
  Instant since;     // of the last bad threshold
  Instant next_try;  // to replace it
  std::uint16_t tries = 0;
  Probing probing;
  friend bool operator==(const Unhealthy&, const Unhealthy&) = default;
};
struct Draining {
  Process process;
  Instant ready_since;
  Instant until;                     // then the stop signal, drained or not
  Instant not_before;                // drained earlier, it waits for this
  bool drained = true;               // with traffic: nothing of it is under way any more
  bool watched = true;               // with traffic: WatchDrain was said
  Instant unhealthy_since = kNever;  // what it was before; kNever: Ready
  friend bool operator==(const Draining&, const Draining&) = default;
};
struct Stopping {
  enum class Phase : std::uint8_t {
    kPreStop,   // pre_stop_cmd runs; `until` is its deadline; no signal yet
    kSignal,    // the stop signal was sent; `until` is kill_at
    kPostStop,  // the tree is gone, post_stop_cmd runs; `until` is its deadline
  };
  Process process;
  Phase phase = Phase::kSignal;
  Instant until;
  After after = After::kStopped;
  Token hook;  // in kPreStop and kPostStop
  friend bool operator==(const Stopping&, const Stopping&) = default;
};
struct Killing {
  enum class Why : std::uint8_t {
    kRest,    // what its main process has left behind
    kForced,  // asked to stop, without or before the end of its time: Kill was said
    kInTime,  // asked to stop, and its time was over: the keeper sends SIGKILL by the last Stop
  };
  Process process;
  Instant unkillable_at;    // kNever once it is shown as unkillable
  bool unkillable = false;  // 5 s after SIGKILL it is still there
  Why why = Why::kRest;     // asked to stop: post_stop_cmd runs
  After after = After::kStopped;
  friend bool operator==(const Killing&, const Killing&) = default;
};
struct Backoff {
  Instant until;
  friend bool operator==(const Backoff&, const Backoff&) = default;
};
struct Exited {  // wanted; ended by itself and not started again by policy; a oneshot's 0: done
  bool awaits_schedule = false;  // it has not failed, and is run when its time comes
  friend bool operator==(const Exited&, const Exited&) = default;
};
struct Failed {      // wanted; given up for now
  Instant retry_at;  // kNever: only a command starts it again
  friend bool operator==(const Failed&, const Failed&) = default;
};
struct Stopped {  // not wanted
  friend bool operator==(const Stopped&, const Stopped&) = default;
};

using InstanceState = std::variant<Waiting, Starting, Ready, Unhealthy, Draining, Stopping, Killing,
                                   Backoff, Exited, Failed, Stopped>;

// In the order of the variant.
enum class StateKind : std::uint8_t {
  kWaiting,
  kStarting,
  kReady,
  kUnhealthy,
  kDraining,
  kStopping,
  kKilling,
  kBackoff,
  kExited,
  kFailed,
  kStopped,
};
constexpr std::size_t kStateCount = std::variant_size_v<InstanceState>;
[[nodiscard]] std::string_view Name(StateKind kind);  // "ready"

struct Instance {
  Generation generation;
  InstanceState state = Stopped{};
  std::uint16_t crashes = 0;    // in a row; reset by restart_window of Ready, or by a command
  std::uint16_t text_busy = 0;  // tries in a row that met ETXTBSY
  std::uint32_t restarts = 0;   // for showing: starts after the first
  bool was_ready = false;       // some process of this lineage has been Ready
  Instant state_since{};        // for showing
  Instant first_crash{};        // of the row; for showing
  Failure failure{};            // the last one, for showing and for replies
  std::optional<ExitStatus> last_exit{};
  std::optional<SocketNumber> socket{};  // with `listen`: through crashes, until it has left
  bool taken_out = false;                // of traffic, by a person
  Instant out_until = kNever;            // taken out: what is under way is waited for until then
  bool out_watched = false;              // WatchDrain was said

  [[nodiscard]] StateKind kind() const { return static_cast<StateKind>(state.index()); }
  // The process this instance has now, or null. None in Stopping::Phase::kPostStop: it is gone.
  [[nodiscard]] const Process* process() const;
  [[nodiscard]] Token token() const;
  [[nodiscard]] bool is_live() const { return process() != nullptr; }
  // Has a process, or a hook that ends its stop: the slot is taken.
  [[nodiscard]] bool is_occupied() const {
    return is_live() || std::holds_alternative<Stopping>(state);
  }
  // 5 s after SIGKILL it is still there.
  [[nodiscard]] bool is_unkillable() const {
    const auto* killing = std::get_if<Killing>(&state);
    return killing != nullptr && killing->unkillable;
  }
  // A scheduled oneshot that has not failed: it is as it should be until its time comes.
  [[nodiscard]] bool awaits_schedule() const {
    const auto* exited = std::get_if<Exited>(&state);
    return exited != nullptr && exited->awaits_schedule;
  }
  // In traffic, or fit to be: Ready, or a oneshot that is done.
  [[nodiscard]] bool is_ready() const { return kind() == StateKind::kReady; }
  // The earliest deadline in the state; kNever if it has none.
  [[nodiscard]] Instant deadline() const;

  friend bool operator==(const Instance&, const Instance&) = default;
};

// What can happen to one instance.
namespace on {
struct Start {  // somebody wants it to run
  enum class Why : std::uint8_t {
    kWanted,  // what has a schedule waits for its time
    kDue,     // its time has come, or somebody cannot wait for it
  };
  Why why = Why::kWanted;
};
struct Stop {  // somebody wants it down
  enum class How : std::uint8_t {
    kInTime,  // stop signal, then SIGKILL at stop_timeout
    kForced,  // SIGKILL now
  };
  How how = How::kInTime;
};
struct Turn {};  // its slot's turn in a rollout: states without a process make room
struct Retire {  // its replacement is Ready: leave, not before `not_before`
  Instant not_before;
};
struct Undrain {};  // the replacement failed before this one was told to stop
struct Proof {};    // ready, by evidence bound to its token
struct Bad {};      // unhealthy_threshold reached
struct Good {};     // healthy_threshold reached
struct Started {    // the keeper's word: exec succeeded
  Pid pid;
};
struct SpawnFailed {
  std::uint8_t stage = 0;
  std::int32_t number = 0;  // errno
};
struct Exit {  // the main process ended
  ExitStatus status;
};
struct Gone {};       // its whole tree is empty
struct KillFired {};  // the keeper carried out kill_at
struct HookDone {};   // the hook this state waits for has ended, one way or another
struct Due {};        // its deadline has passed
struct Drained {};    // nothing of it is under way any more
struct NoSockets {    // its pools cannot be opened
  Failure failure;
};
struct Refused {  // it asked for an address that its pools do not give
  enum class Then : std::uint8_t { kFails, kTryAgain };
  Then then = Then::kFails;
  Failure failure;
};
}  // namespace on

using InstanceEvent =
    std::variant<on::Start, on::Stop, on::Turn, on::Retire, on::Undrain, on::Proof, on::Bad,
                 on::Good, on::Started, on::SpawnFailed, on::Exit, on::Gone, on::KillFired,
                 on::HookDone, on::Due, on::Drained, on::NoSockets, on::Refused>;

enum class InstanceEventKind : std::uint8_t {
  kStart,
  kStop,
  kTurn,
  kRetire,
  kUndrain,
  kProof,
  kBad,
  kGood,
  kStarted,
  kSpawnFailed,
  kExit,
  kGone,
  kKillFired,
  kHookDone,
  kDue,
  kDrained,
  kNoSockets,
  kRefused,
};
constexpr std::size_t kInstanceEventCount = std::variant_size_v<InstanceEvent>;
[[nodiscard]] std::string_view Name(InstanceEventKind kind);  // "start"

// One cell of the table. `because` is what handling means, or why nothing happens.
struct Cell {
  enum class Kind : std::uint8_t { kHandled, kIgnored };
  Kind kind = Kind::kIgnored;
  std::string_view because;
};
using InstanceTable = std::array<std::array<Cell, kInstanceEventCount>, kStateCount>;
extern const InstanceTable kInstanceTable;

// A hook's process: pre_reload_cmd, pre_stop_cmd, post_stop_cmd.
struct Hook {
  Token token;
  ProcessKind kind = ProcessKind::kPreReload;
  SlotIndex slot = 0;
  Generation generation;
  Instant deadline;     // then it is killed
  bool killed = false;  // at its deadline; its `gone` is awaited, nothing else waits for it
  std::optional<ExitStatus> status;
  friend bool operator==(const Hook&, const Hook&) = default;
};

// What an instance needs to know while it takes a step, and what it says of the step.
struct InstanceContext {
  const Policy& policy;
  const InstanceId& id;
  Instant now;
  std::uint64_t seed;        // for the jitter of delays
  Token& next_token;         // counted up for each spawn
  bool wanted;               // false: nothing is started here
  std::vector<Hook>& hooks;  // of the service; grows when a hook is started
  Actions& actions;

  bool failed = false;   // out: this step found that the instance failed (see Instance::failure)
  bool settled = false;  // out: a failure's tree is gone and what follows is decided
};

// Starts a hook of this instance: its token, which is in `context.hooks` from now on.
Token StartHook(ProcessKind kind, Generation generation, Millis timeout, InstanceContext& context);

// Takes one step. Returns false if the table ignores this event in this state.
bool Step(Instance& instance, const InstanceEvent& event, InstanceContext& context);

// Leaves Waiting for Starting; the caller has checked dependencies, delay and the start bound.
void Launch(Instance& instance, InstanceContext& context);

// Asks the health question if it is due in this state; emits Probe.
void AskIfDue(Instance& instance, InstanceContext& context);

// Counts an answer to the health question; the event it amounts to, if a threshold is reached.
[[nodiscard]] std::optional<InstanceEvent> Judge(Instance& instance, ProbeOutcome outcome,
                                                 InstanceContext& context);

}  // namespace oxherd
