// The state of the whole supervisor: plain data that can be printed, compared, saved and loaded.
//
// Nothing here acts. supervisor.h takes it from event to event; codec.h writes it to the image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "core/event.h"
#include "core/failure.h"
#include "core/instance.h"
#include "core/spec.h"

namespace oxherd {

// Why a rollout was begun.
enum class Cause : std::uint8_t {
  kPerson,     // reload, apply: a new generation
  kUnhealthy,  // one instance failed its health check: same generation
  kRoutine,    // limit, cron, watch: same generation
};

// How far a slot's dependents may rely on it since its service was last started.
enum class Reached : std::uint8_t { kNothing, kStarted, kReady };

enum class Wish : std::uint8_t { kRunning, kStopped };

struct Slot {
  Instance current;
  std::optional<Instance> replacement{};  // while it is being replaced
  Wish wish = Wish::kRunning;             // kStopped: a person stopped this instance alone
  Reached reached = Reached::kNothing;
  std::optional<SocketNumber> socket{};  // of its current instance, or of the last one it had
  bool is_due = false;  // with a schedule: somebody wants the next start to be a run
  friend bool operator==(const Slot&, const Slot&) = default;
};

struct Rollout {
  enum class Phase : std::uint8_t {
    kPreparing,  // pre_reload_cmd runs; nothing was changed yet
    kForward,    // to `target`
    kBack,       // to `from`: the target failed
  };
  enum class Progress : std::uint8_t { kTodo, kInProgress, kDone, kGivenUp };

  // How far each slot has come. No index is wrong: a slot that came when the rollout had begun has
  // its turn before it, and is known once something else is said of it.
  class Turns {
   public:
    Turns() = default;
    Turns(std::size_t count, Progress all) : each_(count, all) {}
    [[nodiscard]] Progress operator[](std::size_t slot) const {
      return knows(slot) ? each_[slot] : Progress::kTodo;
    }
    [[nodiscard]] bool knows(std::size_t slot) const { return slot < each_.size(); }
    [[nodiscard]] std::size_t size() const { return each_.size(); }
    void Set(std::size_t slot, Progress progress) {
      if (!knows(slot)) Resize(slot + 1);
      each_[slot] = progress;
    }
    void Resize(std::size_t count) { each_.resize(count, Progress::kTodo); }
    // For whoever counts or saves them.
    [[nodiscard]] std::vector<Progress>& each() { return each_; }
    [[nodiscard]] const std::vector<Progress>& each() const { return each_; }
    friend bool operator==(const Turns&, const Turns&) = default;

   private:
    std::vector<Progress> each_;
  };

  Cause cause = Cause::kPerson;
  Phase phase = Phase::kForward;
  Generation from;
  Generation target;  // equal to `from` when it replaces and does not deploy
  ReloadStrategy strategy = ReloadStrategy::kStartFirst;
  Turns slots;                 // surplus and added ones included
  Failure failure;             // why it goes back
  Token hook;                  // kPreparing
  Instant settle_at = kNever;  // when the next new instance has been Ready long enough
  Instant began;
  // The old instances have an address of the new ones to themselves, or the other way round: all
  // the old ones go before any new one comes, this once.
  bool changes_hands = false;
  // Of a reload by signal: those whose signal is not surely on its way yet.
  std::vector<Token> untold{};

  [[nodiscard]] Generation goal() const { return phase == Phase::kBack ? from : target; }
  friend bool operator==(const Rollout&, const Rollout&) = default;
};

// A reload that waits for the one in flight to end.
struct NextRollout {
  Generation target;
  friend bool operator==(const NextRollout&, const NextRollout&) = default;
};

struct KeptSpec {
  Generation generation;
  SpecPtr spec;
  bool was_ready = false;  // some instance of this generation has been Ready
  friend bool operator==(const KeptSpec& a, const KeptSpec& b) {
    return a.generation == b.generation && a.was_ready == b.was_ready &&
           (a.spec == b.spec || *a.spec == *b.spec);
  }
};

// The sockets of one service at one address.
struct Pool {
  std::string address;                    // as it is opened
  std::uint16_t width = 0;                // sockets that are open; 0: none yet
  std::uint16_t asked = 0;                // the width that was asked for last
  bool awaited = false;                   // the answer to that is on its way
  bool shared = false;                    // one socket for all: neither steered nor swept
  bool was_ready = false;                 // some instance has been Ready on it
  std::vector<SocketNumber> order;        // the kernel's; a socket that was shut is missing
  std::vector<std::uint16_t> places;      // where new connections go
  std::vector<SocketNumber> steered;      // whose places these are
  std::vector<SocketNumber> relistening;  // asked to listen again; not yet in the order
  std::vector<SocketNumber> lost;         // could not be made to
  std::vector<SocketNumber> shut_early;   // heard to be down before it was heard to be open
  bool stale = false;                     // the order has changed: it has to be steered anew
  Token id;                               // of this opening; what is heard of another is not of it
  friend bool operator==(const Pool&, const Pool&) = default;
};

// What becomes of the queue of one socket, at every address.
struct SocketQueue {
  Instant sweep_at = kNever;  // the next time that what waits in it is reset
  Instant quiet_at{};         // what was on its way to it when it was last steered to has arrived
  friend bool operator==(const SocketQueue&, const SocketQueue&) = default;
};

struct Traffic {
  std::vector<Pool> pools;
  std::vector<SocketQueue> queues;     // by socket number
  std::vector<std::string> ipv4_only;  // bare ports whose programs want no IPv6, as in the spec
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

// How the last rollout by a person ended, for `status`.
struct LastReload {
  Generation target;
  bool succeeded = false;
  Instant ended;
  Failure failure;
  friend bool operator==(const LastReload&, const LastReload&) = default;
};

// A stop that waits until those who depend on the service are down.
struct StopOrder {
  std::vector<std::string> after;  // services to be down first
  friend bool operator==(const StopOrder&, const StopOrder&) = default;
};

struct Service {
  std::string name;
  Wish wish = Wish::kStopped;
  bool deleting = false;        // forgotten once it is down; the wish is kStopped then
  Generation generation;        // what runs, or would be started
  Generation last_generation;   // the highest number given out
  std::vector<KeptSpec> specs;  // oldest first; all that are in use, and the last few
  std::vector<Slot> slots;
  std::optional<Rollout> rollout;
  std::optional<NextRollout> next;
  std::vector<Dependency> waits_for;  // of the last start: what Waiting instances wait for
  std::optional<StopOrder> stop_order;
  std::optional<LastReload> last_reload;
  std::vector<Hook> hooks;
  std::optional<Traffic> traffic;  // nothing: no `listen`, now or before
  std::uint64_t revision = 0;      // counts changes; the image writes what has a new one

  [[nodiscard]] const KeptSpec* Find(Generation wanted) const;
  [[nodiscard]] const Spec& spec(Generation wanted) const;  // Check: it is kept
  [[nodiscard]] const Spec& spec() const { return spec(generation); }
  [[nodiscard]] const Policy& policy(Generation wanted) const { return spec(wanted).policy; }
  // No process, no hook: nothing of it runs.
  [[nodiscard]] bool is_down() const;
  // Empty, and beyond what its definition has: below one that is going, or that a roll-back left.
  [[nodiscard]] bool is_gap(std::size_t slot) const;
  // Nothing speaks against replacing one of its instances now.
  [[nodiscard]] bool may_replace() const;
  [[nodiscard]] Instant deadline() const;

  friend bool operator==(const Service&, const Service&) = default;
};

// What became of one service in a request.
enum class Outcome : std::uint8_t {
  kQueued,   // not begun (reloads go one service at a time)
  kRunning,  // begun
  // final:
  kStarted,
  kReloaded,
  kUnchanged,
  kStopped,
  kDone,
  kRolledBack,
  kFailed,
  kSkipped,
};
[[nodiscard]] constexpr bool IsFinal(Outcome outcome) { return outcome > Outcome::kRunning; }

struct RequestItem {
  std::string service;
  Verb verb = Verb::kNone;  // what is done with this one (apply: start or reload)
  Outcome outcome = Outcome::kQueued;
  Generation generation{};          // that it waits for, or that runs at the end
  Generation tried{};               // of a failed reload
  std::optional<SlotIndex> slot{};  // only this instance of it
  Token limit{};                    // stop, restart: every process with a lower token is to be gone
  bool differs = false;             // start: it runs already, with another definition
  bool was_stopped = false;         // reload: a person had stopped it, it stays so
  Failure failure{};
  std::int32_t count = 0;  // scale: how many, or how many more
  bool relative = false;
  friend bool operator==(const RequestItem&, const RequestItem&) = default;
};

struct RequestRecord {
  RequestId id;
  Verb verb = Verb::kNone;
  std::vector<RequestItem> items;
  std::uint16_t parallel = 1;
  event::Request::Until until = event::Request::Until::kReady;
  Instant accepted;
  Instant deadline = kNever;  // wait's own time-out; once finished: when it is forgotten
  bool finished = false;

  // Every item is final and none failed, was rolled back or skipped.
  [[nodiscard]] bool succeeded() const;
  friend bool operator==(const RequestRecord&, const RequestRecord&) = default;
};

struct Shutdown {
  RequestId request;  // may be none: a signal
  bool forced = false;
  bool keep_instances = false;
  friend bool operator==(const Shutdown&, const Shutdown&) = default;
};

struct Settings {
  std::uint16_t start_parallel = 32;   // spawns whose exec is not confirmed
  std::uint16_t proving_parallel = 8;  // starts that have a health check: 4 per core
  friend bool operator==(const Settings&, const Settings&) = default;
};

struct State {
  std::uint64_t seed = 0;
  Token next_token{1};
  Settings settings;
  std::vector<Service> services;  // in the order they were first defined
  std::vector<RequestRecord> requests;
  std::optional<Shutdown> shutdown;

  [[nodiscard]] Service* Find(std::string_view name);
  [[nodiscard]] const Service* Find(std::string_view name) const;
  [[nodiscard]] const RequestRecord* Find(RequestId id) const;

  friend bool operator==(const State&, const State&) = default;
};

}  // namespace oxherd
