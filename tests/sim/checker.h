// Checker: the invariants of lifecycle.md, checked after every step against the fake kernel's
// truth, the actions, and history.
//
// Each check is a function of its own that gets all it needs as a Moment, so that a test can doctor
// one and see the check fail. The first violation stays.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/action.h"
#include "core/event.h"
#include "core/state.h"
#include "core/supervisor.h"
#include "keeper/book.h"
#include "tests/sim/kernel.h"
#include "tests/sim/ledger.h"
#include "tests/sim/scenario.h"
#include "tests/sim/view.h"

namespace oxherd::sim {

class Network;

// Numbers up to 22 are lifecycle.md's. 20 holds because nothing in
// core can ask for the wall's time: tests/sim/checker_test.cc says how that is kept true.
enum class Invariant : std::uint8_t {
  kNone = 0,
  kOneInstance = 1,
  kHowManyLive = 2,
  kTokens = 3,
  kNoSignalToDead = 4,
  kDeadlines = 5,
  kKillInTime = 6,
  kReadyNeverLowered = 7,
  kRetiredAfterReady = 8,
  kOneRollout = 9,
  kFailedStaysFailed = 10,
  kRestartLimit = 11,
  kStoppedStaysStopped = 12,
  kDependencies = 13,
  kOneReply = 14,
  kEvidence = 15,
  kAcknowledged = 16,
  kSameResult = 17,
  kSteering = 18,
  kOthersUntouched = 19,
  kNewSpecByRequest = 21,
  kNobodyComes = 22,
  // What lifecycle.md says elsewhere.
  kLiveness = 30,
  kReplyIsTrue = 31,   // what a final reply says is so
  kStartBound = 32,    // start_parallel
  kSignalOnce = 33,    // a stop signal is sent once, across daemons
  kHookOnce = 34,      // pre_reload_cmd runs once for a reload, across daemons
  kOwnCheck = 35,      // a Check of our own failed
  kSocketHeld = 36,    // a socket belongs to one instance until its tree is gone
  kDrained = 37,       // an old instance is told to stop when it has drained
  kClosedInTime = 38,  // sockets where nobody will come are closed, and no others
  kSwept = 39,         // only those clients are reset whom nobody will serve
  kSchedule = 40,      // a scheduled oneshot runs when its time has come, and once at a time
  kOneFinder = 41,     // listen = "auto": one instance finds the address, before the others start
};

struct Violation {
  Invariant invariant = Invariant::kNone;
  const char* what = "";
  explicit operator bool() const { return invariant != Invariant::kNone; }
};

// One step of the core, as the checks see it.
struct Moment {
  const View& before;
  const View& after;
  const State& state;
  const Event* event;  // null: the core joined image and world
  const Actions& actions;
  const Kernel& kernel;
  Ledger& ledger;  // knows the event's facts already; the actions not yet
  Instant now;
};

// What can be seen between steps.
struct Scene {
  const Kernel& kernel;
  const View* view;  // null while no daemon is up
  Ledger& ledger;
  const Scenario& scenario;
  Instant now;
  const State* state = nullptr;  // as `view`
};

// ---- The checks. Each returns the violation it finds. ----
using Check = Violation (*)(const Moment&);
[[nodiscard]] Violation CheckTokens(const Moment& moment);
[[nodiscard]] Violation CheckNoSignalToDead(const Moment& moment);
[[nodiscard]] Violation CheckDeadlines(const Moment& moment);
[[nodiscard]] Violation CheckKillAt(const Moment& moment);
[[nodiscard]] Violation CheckReadyNeverLowered(const Moment& moment);
[[nodiscard]] Violation CheckRetiredAfterReady(const Moment& moment);
[[nodiscard]] Violation CheckRolloutTarget(const Moment& moment);
[[nodiscard]] Violation CheckFailedStaysFailed(const Moment& moment);
[[nodiscard]] Violation CheckRestartLimit(const Moment& moment);
[[nodiscard]] Violation CheckStoppedStaysStopped(const Moment& moment);
[[nodiscard]] Violation CheckDependencies(const Moment& moment);
[[nodiscard]] Violation CheckOneReply(const Moment& moment);
[[nodiscard]] Violation CheckEvidence(const Moment& moment);
[[nodiscard]] Violation CheckAcknowledged(const Moment& moment);
[[nodiscard]] Violation CheckOthersUntouched(const Moment& moment);
[[nodiscard]] Violation CheckNewSpecByRequest(const Moment& moment);
[[nodiscard]] Violation CheckStartBound(const Moment& moment);
[[nodiscard]] Violation CheckHookOnce(const Moment& moment);
[[nodiscard]] Violation CheckNoSecondCopy(const Moment& moment);
[[nodiscard]] Violation CheckTraffic(const Moment& moment);
[[nodiscard]] Violation CheckSchedule(const Moment& moment);
[[nodiscard]] Violation CheckRoutine(const Moment& moment);

[[nodiscard]] Violation CheckProcesses(const Scene& scene);
[[nodiscard]] Violation CheckHowManyLive(const Scene& scene);
[[nodiscard]] Violation CheckKills(const Scene& scene);
[[nodiscard]] Violation CheckGenerationsAlive(const Scene& scene);
// Where clients wait, and whether it is where the core believes them to be.
[[nodiscard]] Violation CheckConnections(const Scene& scene, Network& network);

// All of them: after a step (and the ledger takes note of it), and between steps.
[[nodiscard]] Violation CheckStep(const Moment& moment);
[[nodiscard]] Violation CheckScene(const Scene& scene);

// One step in so many is taken twice and compared, as is what the codec makes of the state.
inline constexpr std::uint64_t kSampleEvery = 256;

class Checker {
 public:
  void Reset(const Scenario& scenario);

  // ---- Around a step of the core. ----
  void Before(const State& state, const Event& event, Instant now);
  void After(const State& state, const Event& event, const Actions& actions, const Kernel& kernel,
             Instant now);
  // A cold start: this is what is wanted.
  void Boots(const event::Boot& boot, Token highest, Instant now) {
    ledger_.ForgetImage();
    ledger_.boots = true;
    ledger_.highest = highest;  // what the keeper never heard of was never given out
    ledger_.tokens.resize(std::min<std::size_t>(ledger_.tokens.size(), highest.number() + 1));
    ledger_.Learn(boot, now);
  }
  void BeforeJoin(const State& state, const World& world, Instant now);
  void AfterJoin(const State& state, const World& world, const Actions& actions,
                 const Kernel& kernel, Instant now);
  void BeforeStranger(const State& state);
  void AfterStranger(const State& state, const Actions& actions);
  // The keeper, or a client, was handed this action.
  void Performed(const Action& action);
  // The daemon has said Bye to the keeper; `kept`: the instances are to run on.
  void Leaves(bool kept) {
    ledger_.leaving = true;
    kept_ = kept;
  }

  // ---- Between steps. `state` is null while no daemon is up. ----
  void Look(const Kernel& kernel, const State* state, Instant now);
  // `state` is null while no daemon is there that could see to it.
  void LookAtConnections(Network& network, const Kernel& kernel, const State* state, Instant now);
  // Whether everything is as people want it, and nothing is under way.
  [[nodiscard]] bool IsAsWanted(const State& state, const Kernel& kernel,
                                const keeper::Book& book) const;
  // At the very end, once it is.
  void Settled(const State& state, const Kernel& kernel, const keeper::Book& book, bool has_exited);

  // A token that was given out and whose end the core knows, or one that never was.
  [[nodiscard]] Token DeadToken(std::uint64_t random) const;

  void Fail(Invariant invariant, const char* what);
  void Note(const Violation& violation) {
    if (violation && !violation_) violation_ = violation;
  }
  [[nodiscard]] const Violation& violation() const { return violation_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  void CheckAll(const Moment& moment);
  void Sample(const State& state, const Event& event, Instant now);
  void CompareSample(const State& state, const Actions& actions);

  const Scenario* scenario_ = nullptr;
  Violation violation_;
  Ledger ledger_;
  View views_[2];
  View* before_ = &views_[0];
  View* after_ = &views_[1];
  bool after_is_fresh_ = false;
  std::uint64_t events_ = 0;
  bool kept_ = false;
  bool sampled_ = false;
  State twin_;
  Actions twin_actions_;
  std::string bytes_;
  std::string bytes_again_;
};

// Before the checks: how far slots are, whose crash count starts anew. After them: what was
// decided.
void RememberReached(const Moment& moment);
void RememberWindow(const Moment& moment);
[[nodiscard]] bool IsReplacing(const Moment& moment, const InstanceView& one);

// A person adds instances or takes some away; that may have begun in the very step.
[[nodiscard]] bool IsScaled(const Moment& moment, std::size_t service);
// A slot that is new in this step for that, or was surplus before it and is wanted again.
[[nodiscard]] bool IsAddedByScale(const Moment& moment, std::size_t service, std::size_t slot);
void Remember(const Moment& moment);

}  // namespace oxherd::sim
