#include "tests/sim/checker.h"

#include <array>
#include <utility>

#include "core/codec.h"
#include "tests/sim/network.h"

namespace oxherd::sim {
namespace {

constexpr std::array<Check, 22> kChecks = {
    CheckTokens,
    CheckNoSignalToDead,
    CheckDeadlines,
    CheckKillAt,
    CheckReadyNeverLowered,
    CheckRetiredAfterReady,
    CheckRolloutTarget,
    CheckFailedStaysFailed,
    CheckRestartLimit,
    CheckStoppedStaysStopped,
    CheckDependencies,
    CheckOneReply,
    CheckEvidence,
    CheckAcknowledged,
    CheckOthersUntouched,
    CheckNewSpecByRequest,
    CheckStartBound,
    CheckHookOnce,
    CheckNoSecondCopy,
    CheckTraffic,
    CheckSchedule,
    CheckRoutine,
};

// A digest of what an action says, for comparing two runs.
struct Digest {
  std::uint64_t operator()(const action::Spawn& a) const {
    return Mix(a.token.number(), a.generation.number()) + a.instance.slot +
           static_cast<std::uint64_t>(a.kind) * 1000;
  }
  std::uint64_t operator()(const action::Stop& a) const {
    return Mix(a.token.number(), a.signal) + static_cast<std::uint64_t>(Nanoseconds(a.kill_at));
  }
  std::uint64_t operator()(const action::Kill& a) const { return a.token.number(); }
  std::uint64_t operator()(const action::Signal& a) const {
    return Mix(a.token.number(), a.signal);
  }
  std::uint64_t operator()(const action::Acknowledge& a) const { return a.token.number(); }
  std::uint64_t operator()(const action::Probe& a) const {
    return Mix(a.token.number(), a.check.number());
  }
  std::uint64_t operator()(const action::Reply& a) const { return a.request.number(); }
  std::uint64_t operator()(const action::SaveWishes&) const { return 0; }
  std::uint64_t operator()(const action::Tell& a) const {
    return Mix(a.token.number(), a.millis) + static_cast<std::uint64_t>(a.kind);
  }
  std::uint64_t operator()(const action::OpenPool& a) const {
    return Mix(Text(a.address), a.width);
  }
  std::uint64_t operator()(const action::ClosePool& a) const { return Text(a.address); }
  std::uint64_t operator()(const action::Steer& a) const {
    std::uint64_t digest = Text(a.address);
    for (const std::uint16_t place : a.places) digest = Mix(digest, place);
    for (const SocketNumber socket : a.order) digest = Mix(digest, socket);
    return digest;
  }
  std::uint64_t operator()(const action::WatchDrain& a) const {
    return Mix(a.token.number(), a.socket);
  }
  std::uint64_t operator()(const action::Sweep& a) const { return Mix(Text(a.address), a.socket); }
  std::uint64_t operator()(const action::Relisten& a) const {
    return Mix(Text(a.address), a.socket);
  }

 private:
  static std::uint64_t Text(const std::string& text) { return std::hash<std::string>{}(text); }
};

bool Same(const Actions& a, const Actions& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].index() != b[i].index() || std::visit(Digest{}, a[i]) != std::visit(Digest{}, b[i])) {
      return false;
    }
  }
  return true;
}

ByteView Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

void Checker::Reset(const Scenario& scenario) {
  scenario_ = &scenario;
  violation_ = {};
  ledger_.Reset();
  after_is_fresh_ = false;
  events_ = 0;
  sampled_ = false;
  kept_ = false;
}

void Checker::Fail(Invariant invariant, const char* what) { Note({invariant, what}); }

// ---- Around a step. ----

void Checker::Before(const State& state, const Event& event, Instant now) {
  if (after_is_fresh_) {
    std::swap(before_, after_);
  } else {
    oxherd::sim::Look(state, *before_);
  }
  ledger_.Learn(event, now);
  sampled_ = (++events_ + scenario_->seed) % kSampleEvery == 0;
  if (sampled_) Sample(state, event, now);
}

void Checker::After(const State& state, const Event& event, const Actions& actions,
                    const Kernel& kernel, Instant now) {
  oxherd::sim::Look(state, *after_);
  after_is_fresh_ = true;
  if (sampled_) CompareSample(state, actions);
  CheckAll({*before_, *after_, state, &event, actions, kernel, ledger_, now});
}

void Checker::BeforeJoin(const State& state, const World& world, Instant now) {
  oxherd::sim::Look(state, *before_);
  ledger_.Learn(world, now);
}

void Checker::AfterJoin(const State& state, const World& /*world*/, const Actions& actions,
                        const Kernel& kernel, Instant now) {
  oxherd::sim::Look(state, *after_);
  after_is_fresh_ = true;
  CheckAll({*before_, *after_, state, nullptr, actions, kernel, ledger_, now});
  ledger_.boots = false;
}

void Checker::CheckAll(const Moment& moment) { Note(CheckStep(moment)); }

Violation CheckStep(const Moment& moment) {
  moment.ledger.LearnSpecs(moment.state);
  moment.ledger.LearnTurns(moment.state);
  RememberReached(moment);
  RememberWindow(moment);
  for (const Check check : kChecks) {
    if (const Violation violation = check(moment)) return violation;
  }
  Remember(moment);
  return {};
}

Violation CheckScene(const Scene& scene) {
  for (const auto check : {CheckKills, CheckProcesses, CheckHowManyLive, CheckGenerationsAlive}) {
    if (const Violation violation = check(scene)) return violation;
  }
  return {};
}

// ---- 17: the same state and event give the same result, and the codec loses nothing. ----

void Checker::Sample(const State& state, const Event& event, Instant now) {
  twin_ = state;
  twin_actions_.clear();
  Apply(twin_, event, now, twin_actions_);
}

void Checker::CompareSample(const State& state, const Actions& actions) {
  if (!(twin_ == state) || !Same(twin_actions_, actions)) {
    Fail(Invariant::kSameResult, "the same state and event gave two results");
  }
  Encode(state, bytes_);
  const auto decoded = Decode(Bytes(bytes_));
  if (decoded) Encode(*decoded, bytes_again_);
  if (!decoded || !(*decoded == state) || bytes_again_ != bytes_) {
    Fail(Invariant::kSameResult, "decode(encode(state)) is not the state");
  }
}

// ---- 3, second half: an event about a stranger changes nothing. ----

void Checker::BeforeStranger(const State& state) { Encode(state, bytes_); }

void Checker::AfterStranger(const State& state, const Actions& actions) {
  Encode(state, bytes_again_);
  if (!actions.empty() || bytes_again_ != bytes_) {
    Fail(Invariant::kTokens, "an event about a token that nobody has changed something");
  }
}

Token Checker::DeadToken(std::uint64_t random) const {
  if (!ledger_.tokens.empty()) {
    const TokenHistory& token = ledger_.tokens[random % ledger_.tokens.size()];
    if (token.known && (token.gone || token.failed)) return Token(random % ledger_.tokens.size());
  }
  return Token(1'000'000'000 + random % 1000);
}

// ---- Between steps. ----

void Checker::Performed(const Action& /*action*/) {}

void Checker::Look(const Kernel& kernel, const State* state, Instant now) {
  if (state == nullptr) after_is_fresh_ = false;
  const Scene scene{kernel, after_is_fresh_ ? after_ : nullptr, ledger_, *scenario_, now, state};
  Note(CheckScene(scene));
}

void Checker::LookAtConnections(Network& network, const Kernel& kernel, const State* state,
                                Instant now) {
  if (network.pools().empty()) return;
  Note(CheckConnections({kernel, nullptr, ledger_, *scenario_, now, state}, network));
}

}  // namespace oxherd::sim
