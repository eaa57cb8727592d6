// Ledger: the history that invariants need and that a single state does not tell.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"
#include "core/action.h"
#include "core/event.h"
#include "core/state.h"
#include "core/supervisor.h"
#include "tests/sim/scenario.h"

namespace oxherd::sim {

constexpr std::size_t kMaxSlots = 8;

struct TokenHistory {
  bool known = false;  // a Spawn was decided
  std::uint8_t service = 0;
  std::uint8_t slot = 0;
  Generation generation;
  ProcessKind kind = ProcessKind::kInstance;
  Instant decided_at;
  // What the core was told.
  Instant started_at = kNever;
  bool exited = false;
  bool exited_well = false;  // with 0
  bool failed = false;       // the spawn
  bool gone = false;
  bool no_crash = false;  // the spawn failed in a way that does not count as a crash
  bool line_matched = false;
  std::uint16_t good = 0;  // answers in a row
  std::uint16_t bad = 0;
  Instant ready_at = kNever;
  Instant ended_at = kNever;
  bool kill_was_seen = false;  // in the kernel
  bool drained = false;
  bool is_untold = false;  // its reload signal was decided, and has not been sent yet
  Instant drains_since = kNever;
  bool was_unhealthy = false;  // when it began to drain
};

struct GenerationHistory {
  bool known = false;
  bool was_ready = false;
  bool failed = false;  // a reload to it failed, and nobody has commanded anything since
  Token hook;           // the last pre_reload_cmd that was spawned for it
  std::uint32_t version = 0;
};

struct SlotHistory {
  Token last;  // the last token of the slot's current instance
  Generation generation;
  bool fresh = true;           // the next start is by command, no restart
  std::uint16_t restarts = 0;  // since somebody commanded, or it was Ready for the window
  Duration last_delay{};
  Reached reached = Reached::kNothing;  // since the service was last started
  bool spawned_since_start = false;
  bool is_added = false;  // by a scale, and not Ready since: dependents do not wait for it
  bool is_due = false;    // with a schedule: its time has come, or a restart was asked for
};

struct ServiceHistory {
  enum class Wanted : std::uint8_t { kUnknown, kRunning, kStopped };
  Wanted wanted = Wanted::kUnknown;
  bool forced = false;               // somebody said: stop it now
  bool is_mixed = false;             // a roll-back left two generations (Failure::old_lost)
  std::uint16_t ready_at_begin = 0;  // of the rollout in flight
  bool deleted = false;              // somebody has asked for it
  bool was_refused = false;          // a process of it asked for another address
  Verb started_by = Verb::kNone;
  std::uint8_t bound = 0;  // bit set: the services whose order that start has to keep
  std::array<SlotHistory, kMaxSlots> slots;
  std::vector<GenerationHistory> generations;

  [[nodiscard]] GenerationHistory& At(Generation generation);
};

struct RequestHistory {
  RequestId id;
  Verb verb = Verb::kNone;
  std::uint8_t services = 0;
  Instant accepted;
  std::uint32_t begun_items = 0;  // bit set: items whose turn has come
  bool took_turn = false;         // one of them in this very step
  std::uint32_t final_items = 0;  // bit set: items that had an outcome
  bool finished = false;
  Instant finished_at = kNever;
  std::uint64_t outcome = 0;  // a digest, once finished
  bool forgotten = false;     // its outcome was kept for a minute
};

struct Ledger {
  std::vector<TokenHistory> tokens;  // by number
  Token highest;
  std::array<ServiceHistory, kMaxServices> services;
  std::vector<RequestHistory> requests;
  bool image_was_lost = false;  // once: what was adopted may be of a generation nobody remembers
  bool boots = false;           // the daemon that joins the world knows nothing but wishes
  bool leaving = false;         // the daemon has said Bye

  void Reset();
  [[nodiscard]] TokenHistory& At(Token token);
  [[nodiscard]] const TokenHistory* Find(Token token) const;
  [[nodiscard]] RequestHistory* Find(RequestId id);
  // The facts that an event, or the world, brings to the core.
  void Learn(const Event& event, Instant now);
  void Learn(const World& world, Instant now);
  // A daemon that could not use the image knows of no requests and no history.
  void ForgetImage();
  // The specs that services keep.
  void LearnSpecs(const State& state);
  // Starts that were queued and whose turn has come.
  void LearnTurns(const State& state);

 private:
  void LearnRequest(const event::Request& request, Instant now);
  void LearnStart(const event::Request& request);
  void End(TokenHistory& token, Instant now);
};

}  // namespace oxherd::sim
