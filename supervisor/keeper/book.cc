#include "keeper/book.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/check.h"
#include "keeper/book_due.h"

namespace oxherd::keeper {

Book::Book(const Settings& settings) : settings_(settings) {
  records_.reserve(settings.processes);
  tokens_.reserve(settings.processes);
  links_.reserve(settings.processes);
  free_.reserve(settings.processes);
  held_.reserve(settings.held);
  changed_.Reserve(settings.processes);
  changed_held_.Reserve(settings.held);
  // One input makes at most: for each record a kill and a forget, and a handful for the daemon.
  effects_.reserve(std::size_t{settings.processes} * 2 + 16);
}

// ---- The table. ----

std::optional<Place> Book::Find(Token token) const {
  if (!token.is_set()) return std::nullopt;
  const auto found = std::ranges::find(tokens_, token);
  if (found == tokens_.end()) return std::nullopt;
  return static_cast<Place>(found - tokens_.begin());
}

std::optional<Place> Book::FindHeld(const HeldName& name) const {
  const auto found = std::ranges::find_if(
      held_, [&name](const Held& held) { return held.used && held.name == name; });
  if (found == held_.end()) return std::nullopt;
  return static_cast<Place>(found - held_.begin());
}

Record* Book::At(Token token) {
  const std::optional<Place> place = Find(token);
  return place ? &records_[*place] : nullptr;
}

Record* Book::Take(Token token) {
  if (count_ == settings_.processes) return nullptr;
  Place place = 0;
  if (free_.empty()) {
    place = static_cast<Place>(records_.size());
    records_.emplace_back();
    tokens_.emplace_back();
    links_.push_back({kNoPlace, kNoPlace});
  } else {
    place = free_.back();
    free_.pop_back();
    records_[place] = Record{};
  }
  ++count_;
  ++alive_;
  tokens_[place] = token;
  records_[place].token = token;
  changed_.Note(place);
  return &records_[place];
}

Place Book::PlaceOf(const Record& record) const {
  return static_cast<Place>(&record - records_.data());
}

void Book::Release(Record& record) {
  const Place place = PlaceOf(record);
  StopSaying(record);
  Do(Forget{.place = place, .token = record.token});
  if (record.phase != Phase::kGone && !record.failed) --alive_;
  if (record.kill_at != kNever) next_kill_is_known_ = false;
  --count_;
  tokens_[place] = Token();
  changed_.Note(place);
  record = Record{};
  free_.push_back(place);
}

void Book::Do(const Effect& effect) { effects_.push_back(effect); }

std::optional<Effect> Book::NextEffect() {
  if (effects_taken_ == effects_.size()) {
    effects_.clear();
    effects_taken_ = 0;
    return std::nullopt;
  }
  return effects_[effects_taken_++];
}

// ---- What an earlier keeper has left. ----

std::optional<Place> Book::Inherit(const Record& left, Instant now) {
  if (!left.token.is_set() || At(left.token) != nullptr) return std::nullopt;
  Record* record = Take(left.token);
  if (record == nullptr) return std::nullopt;
  *record = left;
  record->due = 0;
  record->told_gone = false;
  record->forked = true;
  record->taken_count = record->refused_count = 0;
  // It waited for the exec, and nobody confirms that any more: the daemon says the Stop again, and
  // the process has all its time then.
  if (record->waiting_signal != 0 && record->phase == Phase::kRunning) {
    record->waiting_signal = 0;
    if (record->kill_fired_at == kNever) record->kill_at = kNever;
  }
  highest_ = std::max(highest_, left.token);
  next_kill_is_known_ = false;
  if (record->phase == Phase::kGone) --alive_;
  const Place place = PlaceOf(*record);
  if (record->label.kind == ProcessKind::kCheck) OrphanCheck(*record, now);
  return place;
}

std::optional<Place> Book::InheritHeld(const HeldName& name) {
  if (FindHeld(name) || held_.size() == settings_.held) return std::nullopt;
  held_.push_back(Held{.name = name, .used = true, .due_in_world = false});
  const auto place = static_cast<Place>(held_.size() - 1);
  changed_held_.Note(place);
  return place;
}

void Book::InheritCounts(Token highest, std::uint32_t daemon_number) {
  highest_ = std::max(highest_, highest);
  daemon_number_ = daemon_number;
}

// ---- Requests. ----

void Book::OnRequest(const Request& request, Instant now) {
  std::visit([this, now](const auto& one) { On(one, now); }, request);
}

void Book::OnRequestWithoutDescriptors(const Request& request) {
  if (const auto* spawn = std::get_if<Spawn>(&request)) {
    highest_ = std::max(highest_, spawn->token);
    if (Find(spawn->token)) return;
    loose_answer_ =
        SpawnFailed{.token = spawn->token, .stage = Stage::kDescriptors, .error_number = EMFILE};
  } else if (const auto* hold = std::get_if<Hold>(&request)) {
    Refuse(RequestIndex<Hold>(), EMFILE, hold->name);
  } else if (std::holds_alternative<Upgrade>(request)) {
    Refuse(RequestIndex<Upgrade>(), EMFILE);
  } else {
    OnUnreadableRequest();
  }
}

void Book::OnUnreadableRequest() { Refuse(kUnreadableRequest, EBADMSG); }

void Book::Refuse(std::uint8_t request, std::int32_t error_number, const HeldName& name) {
  Refused refused;
  refused.request = request;
  refused.error_number = error_number;
  refused.name = name;
  loose_answer_ = refused;
}

void Book::On(const Spawn& spawn, Instant /*now*/) {
  if (!spawn.token.is_set()) {
    Refuse(RequestIndex<Spawn>(), EINVAL);
    return;
  }
  highest_ = std::max(highest_, spawn.token);
  if (Record* known = At(spawn.token); known != nullptr) {
    // While the spawn is under way its answer is still to come.
    if (known->phase != Phase::kSpawning) Say(*known, kDueWorld);
    return;
  }
  Record* record = Take(spawn.token);
  if (record == nullptr) {
    loose_answer_ =
        SpawnFailed{.token = spawn.token, .stage = Stage::kTable, .error_number = ENOSPC};
    return;
  }
  record->label = spawn.label;
  for (const Role role : spawn.roles.view()) {
    if (role != Role::kPlan && role != Role::kPassed) record->held.Add(role);
  }
  Do(SpawnProcess{.place = PlaceOf(*record), .token = spawn.token});
}

void Book::On(const Stop& stop, Instant now) {
  Record* record = At(stop.token);
  if (record == nullptr || record->failed || record->phase == Phase::kGone) return;
  if (stop.kill_at < record->kill_at && record->kill_fired_at == kNever) {
    record->kill_at = stop.kill_at;
    next_kill_is_known_ = false;
    NoteChange(*record);
  }
  const bool first = record->stop_sent_at == kNever && record->waiting_signal == 0;
  if (!first || stop.signal == 0 || record->phase == Phase::kExited) return;
  record->waiting_signal = stop.signal;
  record->waiting_scope = stop.scope;
  NoteChange(*record);
  if (record->phase == Phase::kRunning) SendStopSignal(*record, now);
}

void Book::SendStopSignal(Record& record, Instant now) {
  record.stop_sent_at = now;
  const std::uint8_t signal = std::exchange(record.waiting_signal, std::uint8_t{0});
  NoteChange(record);
  if (record.in_doubt) return;
  Do(SendSignal{.place = PlaceOf(record),
                .token = record.token,
                .signal = signal,
                .scope = record.waiting_scope,
                .then = SendSignal::Then::kContinue});
}

void Book::On(const Kill& kill, Instant now) {
  Record* record = At(kill.token);
  if (record == nullptr || record->failed || record->phase == Phase::kGone) return;
  if (record->kill_fired_at == kNever) record->kill_fired_at = now;
  next_kill_is_known_ = false;
  NoteChange(*record);
  if (!record->in_doubt) Do(KillTree{.place = PlaceOf(*record), .token = record->token});
}

void Book::On(const Signal& signal, Instant /*now*/) {
  const Record* record = At(signal.token);
  if (record == nullptr || record->phase != Phase::kRunning || signal.signal == 0) return;
  if (record->in_doubt) return;
  Do(SendSignal{.place = PlaceOf(*record),
                .token = record->token,
                .signal = signal.signal,
                .scope = signal.scope,
                .then = SendSignal::Then::kNothing});
}

void Book::On(const Ack& ack, Instant /*now*/) {
  Record* record = At(ack.token);
  if (record != nullptr && record->told_gone) Release(*record);
}

void Book::On(const Hold& hold, Instant /*now*/) {
  std::optional<Place> place = FindHeld(hold.name);
  if (!place) {
    const auto unused = std::ranges::find(held_, false, &Held::used);
    if (unused != held_.end()) {
      place = static_cast<Place>(unused - held_.begin());
    } else if (held_.size() < settings_.held) {
      place = static_cast<Place>(held_.size());
      held_.emplace_back();
    } else {
      Refuse(RequestIndex<Hold>(), ENOSPC, hold.name);
      return;
    }
  }
  held_[*place] = Held{.name = hold.name, .used = true, .due_in_world = false};
  changed_held_.Note(*place);
  Do(HoldDescriptor{.place = *place});
}

void Book::On(const Drop& drop, Instant /*now*/) {
  const std::optional<Place> place = FindHeld(drop.name);
  if (!place) return;
  held_[*place] = Held{};
  changed_held_.Note(*place);
  Do(DropDescriptor{.place = *place});
}

void Book::On(const Upgrade& /*upgrade*/, Instant /*now*/) {
  if (leaving_) return;
  upgrade_is_due_ = true;
  Do(NoteUpgrade{});
}

// ---- Facts about processes. ----

void Book::OnForked(Token token, Pid pid, bool in_cgroup, std::int32_t listen_number) {
  Record* record = At(token);
  if (record == nullptr) return;
  record->forked = true;
  record->pid = pid;
  record->in_cgroup = in_cgroup;
  record->listen_number = listen_number;
  NoteChange(*record);
}

void Book::OnStarted(Token token, Instant now) {
  Record* record = At(token);
  if (record == nullptr || record->phase != Phase::kSpawning || record->failed) return;
  record->phase = Phase::kRunning;
  record->started_at = now;
  NoteChange(*record);
  Say(*record, kDueStarted);
  if (record->waiting_signal != 0) SendStopSignal(*record, now);
}

void Book::OnSpawnFailed(Token token, Stage stage, std::int32_t error_number) {
  Record* record = At(token);
  if (record == nullptr || record->phase != Phase::kSpawning || record->failed) return;
  record->failed = true;
  record->failed_stage = stage;
  record->failed_errno = error_number;
  --alive_;
  next_kill_is_known_ = false;
  // A daemon that has not heard of the token yet takes it for never spawned, which is what it is.
  const bool unheard_of = !world_asked_ || (record->due & kDueWorld) != 0;
  if (unheard_of || record->orphan_check) {
    Release(*record);
  } else {
    Say(*record, kDueFailed);
  }
}

void Book::OnMainExited(Token token, const ExitRecord& exit) {
  Record* record = At(token);
  if (record == nullptr || record->phase != Phase::kRunning) return;
  record->phase = Phase::kExited;
  record->exit = exit;
  NoteChange(*record);
  Say(*record, kDueExited);
}

void Book::OnTreeEmpty(Token token, Instant now) {
  Record* record = At(token);
  if (record == nullptr || record->phase != Phase::kExited) return;
  record->phase = Phase::kGone;
  record->gone_at = now;
  NoteChange(*record);
  --alive_;
  if (record->kill_at != kNever) next_kill_is_known_ = false;
  if (record->orphan_check) {
    Release(*record);
  } else {
    Say(*record, kDueGone);
  }
  ExitIfDone(now);
}

void Book::OnStray(Pid pid) {
  if (!world_asked_ || stray_count_ == strays_.size()) return;
  strays_[stray_count_++] = pid;
}

// A full queue means that nobody has listened for long: what is left out only explains.
void Book::Announce(const ListenNews& news) {
  if (!world_asked_ || listen_news_count_ == listen_news_.size()) return;
  listen_news_[(listen_news_first_ + listen_news_count_) % listen_news_.size()] = news;
  ++listen_news_count_;
}

void Book::OnListenTaken(Token token, Place held) {
  Record* record = At(token);
  if (record == nullptr || record->taken_count == record->taken.size()) return;
  const auto known = std::span(record->taken).first(record->taken_count);
  if (std::ranges::find(known, held) != known.end()) return;
  record->taken[record->taken_count++] = held;
  Announce({.token = token, .held = held, .why = {}, .asked = {}});
}

void Book::OnListenRefused(Token token, ListenMismatch why, const TcpAddress& asked) {
  Record* record = At(token);
  if (record == nullptr || record->refused_count == kMaxListenNews) return;
  ++record->refused_count;
  Announce({.token = token, .held = kNoPlace, .why = why, .asked = asked});
}

// ---- Deadlines. ----

namespace {

bool KillIsWaiting(const Record& record) {
  return record.token.is_set() && record.kill_at != kNever && record.kill_fired_at == kNever &&
         record.phase != Phase::kGone && !record.failed;
}

}  // namespace

void Book::FireKills(Instant now) {
  if (NextKill() > now) return;
  for (Record& record : records_) {
    if (!KillIsWaiting(record) || record.kill_at > now) continue;
    record.kill_fired_at = now;
    NoteChange(record);
    if (!record.in_doubt) Do(KillTree{.place = PlaceOf(record), .token = record.token});
    Say(record, kDueKillFired);
  }
  next_kill_is_known_ = false;
}

Instant Book::NextKill() const {
  if (!next_kill_is_known_) {
    next_kill_ = kNever;
    for (const Record& record : records_) {
      if (KillIsWaiting(record)) next_kill_ = std::min(next_kill_, record.kill_at);
    }
    next_kill_is_known_ = true;
  }
  return next_kill_;
}

void Book::OnTick(Instant now) {
  FireKills(now);
  TickDaemon(now);
  ExitIfDone(now);
}

Instant Book::NextDeadline() const {
  if (done_) return kNever;
  Instant next = std::min({NextKill(), beat_at_, daemon_kill_at_});
  const bool waits_for_spawns = upgrade_is_due_ && IsSpawning();
  if (daemon_ == Daemon::kDown && !leaving_ && !waits_for_spawns)
    next = std::min(next, daemon_start_at_);
  if (leaving_) next = std::min(next, leaving_->by);
  return next;
}

}  // namespace oxherd::keeper
