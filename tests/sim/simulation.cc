#include "tests/sim/simulation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace oxherd::sim {
namespace {

struct BrokenCheck {
  std::string what;
};

// More than any scenario needs; who gets there runs in circles.
constexpr std::uint64_t kMostHappenings = 20000;
constexpr std::uint64_t kMostInOneInstant = 2000;
constexpr Duration kTimeToSettle = std::chrono::minutes(15);

}  // namespace

void Simulation::Begin(const Scenario& scenario, Trace* trace) {
  scenario_ = &scenario;
  trace_ = trace;
  random_ = Random(Mix(scenario.seed, 1));
  now_ = kBeginning;
  calm_ = false;
  steps_taken_ = 0;
  happenings_ = 0;
  same_instant_ = 0;
  keeper_.Reset(scenario, Random(Mix(scenario.seed, 2)));
  clients_.Reset();
  network_.Reset(scenario, Random(Mix(scenario.seed, 4)));
  checker_.Reset(scenario);
  daemon_.Reset(scenario, Random(Mix(scenario.seed, 3)), trace);
}

Outcome Simulation::Run(const Scenario& scenario, Trace* trace) {
  Begin(scenario, trace);
  try {
    RunToEnd();
  } catch (const BrokenCheck& broken) {
    broken_check_ = broken.what;
    Fail(Invariant::kOwnCheck, broken_check_.c_str());
  }
  if (trace_ != nullptr && checker_.violation()) {
    trace_->Note(now_, checker_.violation().what);
  }
  return {checker_.violation(), happenings_, checker_.events()};
}

void Simulation::RunToEnd() {
  const Scenario& scenario = *scenario_;
  const Instant quiet_at = kBeginning + scenario.quiet_after;
  while (!checker_.violation()) {
    if (calm_ && IsSettled()) {
      checker_.Settled(daemon_.state(), keeper_.kernel(), keeper_.book(), keeper_.has_exited());
      break;
    }
    const Instant before = now_;
    if (!Advance()) {
      if (keeper_.has_exited()) break;
      Fail(Invariant::kLiveness, "nothing will ever happen again, and it is not as wanted");
      break;
    }
    same_instant_ = now_ == before ? same_instant_ + 1 : 0;
    if (same_instant_ > kMostInOneInstant) Fail(Invariant::kLiveness, "time stands still");
    if (++happenings_ > kMostHappenings) Fail(Invariant::kLiveness, "it goes on for ever");
    if (calm_ && now_ > quiet_at + kTimeToSettle) {
      Fail(Invariant::kLiveness, "15 minutes after the last fault it is not as wanted");
    }
    if (!calm_ && now_ >= quiet_at && steps_taken_ == scenario.steps.size()) CalmDown();
  }
}

// One thing happens: the next in time, of several at the same instant any.
bool Simulation::Advance() {
  const std::array<Instant, kSources> next = {
      steps_taken_ < scenario_->steps.size() ? kBeginning + scenario_->steps[steps_taken_].at
                                             : kNever,
      keeper_.NextFact(),
      keeper_.NextDeadline(),
      keeper_.NextRequest(),
      daemon_.NextReport(),
      keeper_.NextDeath(),
      keeper_.NextDaemon(),
      daemon_.NextClient(now_),
      daemon_.NextAnswer(),
      daemon_.NextLine(now_),
      network_.Next(now_),
      daemon_.NextNews(now_),
      daemon_.NextDue(),
  };
  Instant earliest = kNever;
  for (const Instant at : next) earliest = std::min(earliest, at);  // in a register
  if (earliest == kNever) {
    if (calm_ || steps_taken_ < scenario_->steps.size()) return false;
    now_ = std::max(now_, kBeginning + scenario_->quiet_after);
    return true;
  }
  const Instant quiet_at = kBeginning + scenario_->quiet_after;
  if (!calm_ && now_ < quiet_at && earliest > quiet_at) {
    now_ = quiet_at;
    return true;
  }
  now_ = std::max(now_, earliest);
  std::array<Source, kSources> ready{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < kSources; ++i) {
    if (next[i] <= now_) ready[count++] = static_cast<Source>(i);
  }
  const bool shuffles = scenario_->faults.shuffle && count > 1;
  Run(ready[shuffles ? random_.Below(count) : 0]);
  Look();
  return true;
}

void Simulation::Run(Source source) {
  switch (source) {
    case Source::kStep:
      return TakeStep(scenario_->steps[steps_taken_++]);
    case Source::kFact:
      keeper_.TakeFact(now_);
      break;
    case Source::kKeeperDeadline:
      keeper_.Tick(now_);
      break;
    case Source::kRequest:
      keeper_.TakeRequest(now_);
      break;
    case Source::kReport:
      return daemon_.TakeReport(now_);
    case Source::kDeath:
      keeper_.NoticeDeath(now_);
      break;
    case Source::kDaemon:
      return daemon_.Start(now_);
    case Source::kClient:
      return daemon_.TakeClient(now_);
    case Source::kAnswer:
      return daemon_.TakeAnswer(now_);
    case Source::kLine:
      return daemon_.TakeLine(now_);
    case Source::kNetwork:
      return network_.Happen(now_);
    case Source::kNews:
      return daemon_.TakeNews(now_);
    case Source::kDue:
      return daemon_.TakeDue(now_);
  }
  PassSignals();
}

void Simulation::PassSignals() {
  while (const auto signal = keeper_.TakeSignalForDaemon()) daemon_.Signalled(*signal, now_);
}

// ---- The scenario's steps. ----

void Simulation::TakeStep(const Step& step) {
  if (trace_ != nullptr) trace_->Note(now_, Describe(step));
  switch (step.kind) {
    case Step::Kind::kRequest:
      return SendRequest(step);
    case Step::Kind::kDuplicate:
      if (const event::Request* request = clients_.Repeated(step.number)) {
        daemon_.Repeat(*request, now_);
      }
      return;
    case Step::Kind::kReplace: {
      event::Replace replace;
      replace.service = ServiceName(static_cast<std::size_t>(std::countr_zero(step.services)));
      if (step.number < 3) replace.slot = step.number;
      return daemon_.Replace(replace, now_);
    }
    case Step::Kind::kSchedule:
      return daemon_.Schedule(
          {ServiceName(static_cast<std::size_t>(std::countr_zero(step.services)))}, now_);
    case Step::Kind::kCrash:
      return daemon_.ArmCut(step.number);
    case Step::Kind::kHang:
      return daemon_.Hang();
    case Step::Kind::kKill:
      return Strike(step.number);
    case Step::Kind::kStranger:
      return daemon_.MeetStrangers(now_);
    case Step::Kind::kKeeper:
      return daemon_.LoseKeeper(now_);
    case Step::Kind::kBoth:
      return daemon_.DieWithKeeper(now_);
    case Step::Kind::kTerminate:
      keeper_.Terminate(now_);
      return PassSignals();
  }
}

void Simulation::SendRequest(const Step& step) {
  event::Request request;
  request.id = RequestId(Mix(scenario_->seed, 100 + clients_.calls().size()) | 1U);
  request.verb = step.verb;
  request.parallel = step.parallel;
  request.forced = step.forced;
  request.keep_instances = step.keep;
  request.until = step.until;
  request.count = step.count;
  request.relative = step.relative;
  if (step.timeout != Duration())
    request.timeout = std::chrono::duration_cast<Millis>(step.timeout);
  const bool reads_oxfile = step.verb == Verb::kStart || step.verb == Verb::kRestart ||
                            step.verb == Verb::kReload || step.verb == Verb::kApply;
  for (std::size_t i = 0; i < scenario_->services; ++i) {
    if (step.verb != Verb::kShutdown && ((step.services >> i) & 1U) != 0) {
      const bool one =
          step.verb == Verb::kDrain || step.verb == Verb::kResume || step.verb == Verb::kReset;
      request.names.push_back(ServiceName(i) + (one ? "/" + std::to_string(step.slot) : ""));
    }
    if (reads_oxfile) request.specs.push_back(scenario_->versions[i][step.oxfile[i]].written());
  }
  clients_.Send(std::move(request));
}

void Simulation::Strike(std::uint16_t number) {
  const auto processes = keeper_.kernel().processes();
  if (processes.empty()) return;
  const Process& struck = processes[number % processes.size()];
  const ExitStatus status = number % 2 == 0 ? ExitStatus::Signal(9) : ExitStatus::Code(1);
  keeper_.kernel().Strike(struck.token, status, now_);
}

// ---- Looking. ----

void Simulation::CalmDown() {
  if (trace_ != nullptr) trace_->Note(now_, "faults are over");
  calm_ = true;
  keeper_.set_weather(Weather::kCalm);
  keeper_.kernel().CalmDown(now_);
  daemon_.set_weather(Weather::kCalm);
  network_.set_weather(Weather::kCalm);
  network_.StopKnocking(now_ + Seconds(3));
  daemon_.Disarm();
}

void Simulation::Look() {
  checker_.Look(keeper_.kernel(), daemon_.is_up() ? &daemon_.state() : nullptr, now_);
  checker_.LookAtConnections(network_, keeper_.kernel(),
                             daemon_.is_responsive() ? &daemon_.state() : nullptr, now_);
}

void Simulation::Fail(Invariant invariant, const char* what) { checker_.Fail(invariant, what); }

bool Simulation::IsSettled() const {
  if (keeper_.has_exited()) return true;
  if (!daemon_.is_responsive() || !keeper_.is_idle() || !clients_.all_answered()) return false;
  if (!network_.is_idle(now_) || !network_.is_whole()) return false;
  return checker_.IsAsWanted(daemon_.state(), keeper_.kernel(), keeper_.book());
}

}  // namespace oxherd::sim

// In the place of base/check.cc: the scenario has failed, the simulator goes on.
void oxherd::CheckFailed(const char* /*file*/, int /*line*/, std::string_view what_is_broken) {
  throw oxherd::sim::BrokenCheck{std::string(what_is_broken)};
}
