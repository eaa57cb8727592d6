// The supervisor as a pure function: a state, an event and the time give actions and a new state.
//
// No clock, no I/O, no log, no chance but State::seed. After every event Reconcile runs to a
// fixpoint, so that between two events nothing is left undone that could be done.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/exit_status.h"
#include "base/time.h"
#include "core/action.h"
#include "core/event.h"
#include "core/state.h"

namespace oxherd {

// How long a finished request's outcome can be asked for.
constexpr Millis kKeepOutcome = Seconds(60);
// After SIGKILL: how long until a process is shown as unkillable.
constexpr Millis kUnkillableAfter = Seconds(5);
// Older specs kept for a rollback by hand.
constexpr std::size_t kKeptSpecs = 5;

// Takes one event. Actions are appended in the order in which they are to be performed, after the
// new state was saved. `now` never goes back.
void Apply(State& state, const Event& event, Instant now, Actions& actions);

// The earliest point at which an event::Due has something to do; kNever if there is none.
[[nodiscard]] Instant NextDeadline(const State& state);

// True once a shutdown was asked for and nothing of any service is left (or is to be kept).
[[nodiscard]] bool ShutdownFinished(const State& state);

// Fills a state that has no services with what was wanted when state.json was saved; starts
// nothing yet. Restore() or an event does. (event::Boot is this and a reconcile.)
void Populate(State& state, const event::Boot& boot);

// What a file says, with as many instances as a person has scaled the service to, as long as the
// file says the number that it said then. `runs`: its definition until now.
[[nodiscard]] SpecPtr AsScaled(const Spec& runs, SpecPtr spec);

// One process that the keeper knows: facts, whatever the image says.
struct WorldRecord {
  Token token;
  InstanceId instance;
  Generation generation;
  ProcessKind kind = ProcessKind::kInstance;
  Pid pid;
  Instant spawned_at;
  std::optional<Instant> stop_sent;  // when the stop signal went out
  Instant kill_at = kNever;
  bool kill_fired = false;
  bool spawn_failed = false;  // with stage and number
  std::uint8_t stage = 0;
  std::int32_t number = 0;
  std::optional<ExitStatus> exit;
  bool gone = false;
  bool unseen = false;                   // the state is older than it: nobody has counted its end
  std::optional<SocketNumber> socket{};  // that it was given
  // Pools that it listens on were closed; only KeepSockets() knows.
  bool is_cut_off = false;
};
using World = std::vector<WorldRecord>;

// Whether the service has a pool at this address. Where a saved state is not gone on with, the
// daemon closes what that one lacks: its end was decided, and who performs it may have died.
[[nodiscard]] bool HasPool(const State& state, std::string_view service, std::string_view address);

// Before Restore(), where a saved state is not gone on with: takes from it what neither wishes nor
// the world tell, which socket is at which place in the kernel's order, and whose it is. `state` is
// fresh from Populate().
void KeepSockets(State& state, World& world, const State& old);

// Before Restore(), where nothing was saved: sockets at `address` are held for this service since
// an earlier daemon. They are its pool, whoever lives, until they are found to be of no use. That a
// bare port was opened for IPv4 alone shows nowhere else.
void NoteHeld(State& state, std::string_view service, std::string_view address);

// A daemon that is new: joins the saved state with the world. The world wins on facts, the state on
// wishes. A token in the state that the world does not know was never spawned: it is spawned again
// under a new token. A token in the world that the state does not know is adopted by its label. A
// stop signal that the world shows as sent is not sent twice. Pools that are held and belong to
// nobody any more are closed.
void Restore(State& state, const World& world, Instant now, Actions& actions);

}  // namespace oxherd
