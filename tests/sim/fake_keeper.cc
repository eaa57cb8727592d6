#include "tests/sim/fake_keeper.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

namespace oxherd::sim {

namespace {

constexpr Millis kDaemonStartTakes{20};

keeper::Book MakeBook() {
  keeper::Book::Settings settings;
  settings.processes = 64;
  settings.held = 4;
  settings.heartbeat = false;
  settings.keeper = Pid(1);
  return keeper::Book(settings);
}
keeper::Book MakeBookWithHeartbeat() {
  keeper::Book::Settings settings;
  settings.processes = 64;
  settings.held = 4;
  settings.keeper = Pid(1);
  return keeper::Book(settings);
}

}  // namespace

FakeKeeper::FakeKeeper() : fresh_book_(MakeBook()) {}

void FakeKeeper::Reset(const Scenario& scenario, Random random) {
  scenario_ = &scenario;
  random_ = random;
  weather_ = scenario.faults.bad_processes ? Weather::kFaults : Weather::kCalm;
  kernel_.Reset();
  if (scenario.faults.heartbeat) {
    book_ = MakeBookWithHeartbeat();
  } else {
    book_ = fresh_book_;
  }
  down_.clear();
  down_taken_ = 0;
  up_.clear();
  up_taken_ = 0;
  effects_.clear();
  spawns_ = {};
  signals_.clear();
  former_.clear();
  daemon_listens_ = false;
  has_exited_ = false;
  death_noticed_at_ = kNever;
  daemon_at_ = kNever;
}

Duration FakeKeeper::Delay() {
  if (!scenario_->faults.slow_messages || weather_ == Weather::kCalm) return {};
  return random_.PickMillis(std::array{0, 0, 0, 0, 50, 100, 1000});
}

// ---- The socketpair. ----

void FakeKeeper::Send(const keeper::Request& request, const Plan& plan, Instant now) {
  Instant at = now + Delay();
  if (!down_.empty()) at = std::max(at, down_.back().at);
  down_.push_back({at, request, plan});
}

Instant FakeKeeper::NextRequest() const {
  return down_taken_ == down_.size() ? kNever : down_[down_taken_].at;
}

void FakeKeeper::TakeRequest(Instant now) {
  const Down down = down_[down_taken_++];
  if (down_taken_ == down_.size()) {
    down_.clear();
    down_taken_ = 0;
  }
  plan_ = down.plan;
  if (const auto* stop = std::get_if<keeper::Stop>(&down.request)) {
    kernel_.NoteKillAt(stop->token, std::max(stop->kill_at, now));
  }
  book_->OnRequest(down.request, now);
  CarryOut(now);
}

void FakeKeeper::Pump(Instant now) {
  while (auto outgoing = book_->NextReport()) {
    book_->ReportSent();
    if (!daemon_listens_) continue;  // into a socket that nobody reads any more
    Instant at = now + Delay();
    if (!up_.empty()) at = std::max(at, up_.back().at);
    up_.push_back({at, std::move(outgoing->report)});
  }
}

Instant FakeKeeper::NextReport() const {
  return up_taken_ == up_.size() ? kNever : up_[up_taken_].at;
}

keeper::Report FakeKeeper::Receive() {
  keeper::Report report = up_[up_taken_++].report;
  if (up_taken_ == up_.size()) {
    up_.clear();
    up_taken_ = 0;
  }
  return report;
}

// ---- The daemon's life. ----

void FakeKeeper::DaemonDied(Instant now) {
  daemon_listens_ = false;
  up_.clear();
  up_taken_ = 0;
  signals_.clear();
  const Duration notices = random_.PickMillis(std::array{0, 0, 0, 50});
  death_noticed_at_ = now + notices;
}

void FakeKeeper::NoticeDeath(Instant now) {
  while (down_taken_ != down_.size()) TakeRequest(now);
  death_noticed_at_ = kNever;
  book_->OnDaemonGone(now);
  CarryOut(now);
}

void FakeKeeper::DaemonIsUp(Instant now) {
  daemon_at_ = kNever;
  daemon_listens_ = true;
  book_->OnDaemonStarted(now);
  CarryOut(now);
}

void FakeKeeper::Terminate(Instant now) {
  book_->OnOperatorSignal(SIGTERM, now);
  CarryOut(now);
}

void FakeKeeper::Die(Heir heir, Instant now) {
  // What it has forgotten with its last report is forgotten.
  while (const auto effect = book_->NextEffect()) Do(*effect, now);
  const std::vector<keeper::Record> left(book_->records().begin(), book_->records().end());
  const Token highest = book_->highest();
  const std::uint32_t daemons = book_->daemon_number();
  book_ = scenario_->faults.heartbeat ? MakeBookWithHeartbeat() : *fresh_book_;
  down_.clear();
  down_taken_ = 0;
  effects_.clear();
  death_noticed_at_ = kNever;
  daemon_at_ = kNever;
  for (const keeper::Record& record : left) {
    if (!record.token.is_set()) continue;
    // Of one that could not be started nothing is left, and nothing is said.
    if (record.failed || !record.forked) {
      kernel_.Forget(record.token);
    } else {
      TakeOver(record, heir, now);
    }
  }
  book_->InheritCounts(highest, daemons);
  CarryOut(now);
}

// By number and start time it is who was started; its user and its cgroup may speak against that.
void FakeKeeper::FindAgain(keeper::Record& record, Instant now) {
  if (record.phase != keeper::Phase::kRunning || weather_ == Weather::kCalm) return;
  if (random_.OneIn(4)) {
    kernel_.EndUnseen(record.token, now);
    record.phase = keeper::Phase::kExited;
    record.exit = {.status = ExitStatus{}, .user_time = {}, .system_time = {}, .at = now};
  } else if (random_.OneIn(4)) {
    kernel_.PutInDoubt(record.token);
    record.in_doubt = true;
  }
}

void FakeKeeper::TakeOver(keeper::Record record, Heir heir, Instant now) {
  const Token token = record.token;
  former_.push_back(token);
  bool is_empty = false;
  if (record.phase == keeper::Phase::kSpawning) {
    // Between clone and exec it ends with its keeper; what is there has got on.
    const bool runs = kernel_.GetOn(token, now);
    record.phase = runs ? keeper::Phase::kRunning : keeper::Phase::kExited;
    record.started_at = now;
    if (runs) kernel_.ForgetUnheardStop(token);
    if (!runs)
      record.exit = {.status = ExitStatus{}, .user_time = {}, .system_time = {}, .at = now};
    is_empty = !runs;
  }
  if (heir == Heir::kNobody) FindAgain(record, now);
  record.has_pidfd = record.phase == keeper::Phase::kRunning;
  if (!book_->Inherit(record, now)) return;
  if (is_empty) book_->OnTreeEmpty(token, now);
}

std::optional<std::uint8_t> FakeKeeper::TakeSignalForDaemon() {
  if (signals_.empty()) return std::nullopt;
  const std::uint8_t signal = signals_.front();
  signals_.erase(signals_.begin());
  return signal;
}

// ---- Facts and effects. ----

void FakeKeeper::TakeFact(Instant now) {
  const KernelFact fact = kernel_.Take(now, random_);
  switch (fact.kind) {
    case KernelFact::Kind::kStarted:
      book_->OnStarted(fact.token, now);
      break;
    case KernelFact::Kind::kSpawnFailed:
      book_->OnSpawnFailed(fact.token, fact.stage, fact.number);
      break;
    case KernelFact::Kind::kExited: {
      keeper::ExitRecord record;
      const bool is_former = std::ranges::find(former_, fact.token) != former_.end();
      record.status = is_former && random_.OneIn(2) ? ExitStatus{} : fact.status;
      record.at = now;
      book_->OnMainExited(fact.token, record);
      break;
    }
    case KernelFact::Kind::kEmpty:
      book_->OnTreeEmpty(fact.token, now);
      break;
  }
  CarryOut(now);
}

void FakeKeeper::Tick(Instant now) {
  book_->OnTick(now);
  CarryOut(now);
}

// All effects of one input are taken before the next one goes in.
void FakeKeeper::CarryOut(Instant now) {
  effects_.clear();
  while (const auto effect = book_->NextEffect()) effects_.push_back(*effect);
  for (std::size_t i = 0; i < effects_.size(); ++i) {
    Do(effects_[i], now);
    while (const auto more = book_->NextEffect()) effects_.push_back(*more);
  }
  Pump(now);
}

void FakeKeeper::Do(const keeper::Effect& effect, Instant now) {
  if (const auto* spawn = std::get_if<keeper::SpawnProcess>(&effect)) {
    Spawn(*spawn, now);
  } else if (const auto* signal = std::get_if<keeper::SendSignal>(&effect)) {
    kernel_.Signal(signal->token, now);
  } else if (const auto* kill = std::get_if<keeper::KillTree>(&effect)) {
    kernel_.Kill(kill->token, now);
  } else if (const auto* forget = std::get_if<keeper::Forget>(&effect)) {
    kernel_.Forget(forget->token);
  } else if (std::holds_alternative<keeper::StartDaemon>(effect)) {
    daemon_at_ = now + kDaemonStartTakes;
  } else if (const auto* to_daemon = std::get_if<keeper::SignalDaemon>(&effect)) {
    signals_.push_back(to_daemon->signal);
  } else if (std::holds_alternative<keeper::ExitKeeper>(effect)) {
    has_exited_ = true;
  }
}

void FakeKeeper::Spawn(const keeper::SpawnProcess& effect, Instant now) {
  const keeper::Label& label = book_->records()[effect.place].label;
  Process process;
  process.token = effect.token;
  process.service = static_cast<std::uint8_t>(ServiceIndex(label.service.text()));
  process.slot = label.slot;
  process.generation = label.generation;
  process.kind = plan_.kind;
  process.socket = plan_.socket;
  process.finds = plan_.finds;
  const std::uint32_t version = plan_.spec->source_line;
  process.version = version;
  const std::uint32_t nth = spawns_[process.service][label.slot % 8]++;
  const std::uint64_t identity = process.service + 8U * label.slot + 64U * version + 1024U * nth;
  process.behaviour =
      DrawBehaviour(Random(Mix(scenario_->seed, identity)),
                    {.spec = *plan_.spec,
                     .quality = scenario_->versions[process.service][version].quality,
                     .kind = plan_.kind,
                     .weather = weather_,
                     .wants = scenario_->versions[process.service][version].wants});
  const Behaviour& behaviour = process.behaviour;
  if (behaviour.spawn_fails && behaviour.stage == keeper::Stage::kClone) {
    book_->OnSpawnFailed(effect.token, behaviour.stage, behaviour.number);
    return;
  }
  const Token token = effect.token;
  kernel_.Fork(std::move(process), now);
  book_->OnForked(token, Pid(static_cast<std::int32_t>(token.number() + 100)), true,
                  plan_.socket ? *plan_.socket : -1);
}

}  // namespace oxherd::sim
