// A new daemon: the saved image and the keeper's world are joined. And the daemon's own senses.
#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "tests/sim/fake_daemon.h"

namespace oxherd::sim {

void FakeDaemon::ReceiveHello(const keeper::Hello& hello, Instant now) {
  terminations_ = hello.terminations;
  use_image_ = hello.use_image;
  keeper_.Send(keeper::World{}, {}, now);
}

oxherd::WorldRecord FakeDaemon::Translate(const keeper::WorldRecord& record) {
  oxherd::WorldRecord known;
  known.token = record.token;
  known.instance = {std::string(record.label.service.text()), record.label.slot};
  known.generation = record.label.generation;
  known.kind = record.label.kind == keeper::ProcessKind::kInstance ? ProcessKind::kInstance
                                                                   : ProcessKind::kPreReload;
  if (record.phase != keeper::Phase::kSpawning) known.pid = record.pid;
  known.spawned_at = record.started_at;
  if (record.stop_sent_at != kNever) known.stop_sent = record.stop_sent_at;
  known.kill_at = record.kill_at;
  known.kill_fired = record.kill_fired_at != kNever;
  if (record.phase == keeper::Phase::kExited || record.phase == keeper::Phase::kGone) {
    known.exit = record.exit.status;
  }
  known.gone = record.phase == keeper::Phase::kGone;
  if (record.listen_number >= 0) known.socket = static_cast<SocketNumber>(record.listen_number);
  return known;
}

void FakeDaemon::CollectWorld(const keeper::Report& report, Instant now) {
  if (const auto* record = std::get_if<keeper::WorldRecord>(&report)) {
    world_.push_back(Translate(*record));
  } else if (const auto* end = std::get_if<keeper::WorldEnd>(&report)) {
    Join(*end, now);
  } else {
    after_world_.push_back(report);
  }
}

void FakeDaemon::Join(const keeper::WorldEnd& end, Instant now) {
  const bool lost = scenario_->faults.lost_image && random_.OneIn(2);
  const bool from_image = image_.written && use_image_ && !lost;
  state_ = from_image ? LoadImage() : Fresh();
  state_.next_token = std::max(state_.next_token, end.highest.Next());
  if (trace_ != nullptr) trace_->Join(now, world_);
  life_ = Life::kUp;
  if (!from_image) {
    checker_.Boots(disk_, end.highest, now);
    Populate(state_, disk_);
    if (lost) {
      for (const NetPool& pool : network_.pools()) {
        NoteHeld(state_, ServiceName(pool.service), pool.address);
      }
    }
    if (image_.written && !lost) {
      const State mistrusted = LoadImage();
      network_.DropUnknown(mistrusted);
      KeepSockets(state_, world_, mistrusted);
    }
  }
  for (WorldRecord& record : world_) record.unseen = !from_image;
  actions_.clear();
  checker_.BeforeJoin(state_, world_, now);
  Restore(state_, world_, now, actions_);
  network_.DropUnknown(state_);
  next_due_ = Instant::min();
  if (scenario_->faults.whole_image) SaveRecords();
  checker_.AfterJoin(state_, world_, actions_, keeper_.kernel(), now);
  if (cut_ == 0) return Die(now);
  Perform(actions_, now);
  // As Daemon::JoinWorld(): the one before may have died before it wrote them.
  if (from_image && life_ == Life::kUp) SaveWishes();
  for (const keeper::Report& report : after_world_) Hear(report, now);
  for (std::uint8_t i = 0; i < terminations_ && life_ == Life::kUp; ++i) {
    event::Request request;
    request.verb = Verb::kShutdown;
    request.forced = i > 0;
    Take(request, now);
  }
}

// ---- People. ----

Instant FakeDaemon::NextClient(Instant now) const {
  return is_responsive() && clients_.Next() != nullptr ? now : kNever;
}

void FakeDaemon::TakeClient(Instant now) {
  if (network_.hears_of_sockets()) return TakeNews(now);  // as in the daemon's inbox
  Call* next = clients_.Next();
  if (next == nullptr) return;
  Call& call = *next;
  call.reached = true;
  const RequestRecord* known = state_.Find(call.request.id);
  if (known == nullptr) return Take(event::Request(call.request), now);
  if (known->finished) call.answered = true;  // attach: the final reply is repeated
}

void FakeDaemon::Replace(const event::Replace& replace, Instant now) {
  if (is_responsive()) Take(replace, now);
}

void FakeDaemon::Schedule(const event::Schedule& schedule, Instant now) {
  if (is_responsive()) Take(schedule, now);
}

void FakeDaemon::Repeat(const event::Request& request, Instant now) {
  if (is_responsive()) Take(request, now);
}

// Facts about tokens that nobody has: they change nothing.
void FakeDaemon::MeetStrangers(Instant now) {
  if (!is_responsive() || NextDue() <= now) return;
  const Token token = checker_.DeadToken(random_.Next());
  const std::array<Event, 7> strange = {event::Started{token, Pid(7)},
                                        event::SpawnFailed{token, 9, 2},
                                        event::Exited{token, ExitStatus::Code(0)},
                                        event::Gone{token},
                                        event::KillFired{token},
                                        event::Probed{token, ProbeOutcome::kBad, {}},
                                        event::LogMatched{token}};
  const Event& event = strange[random_.Below(strange.size())];
  if (trace_ != nullptr) trace_->Take(now, event);
  actions_.clear();
  checker_.BeforeStranger(state_);
  Apply(state_, event, now, actions_);
  checker_.AfterStranger(state_, actions_);
}

// ---- Health questions and the lines of output. ----

Instant FakeDaemon::NextAnswer() const {
  if (!is_responsive()) return kNever;
  Instant next = kNever;
  for (const Question& question : questions_) next = std::min(next, question.at);
  return next;
}

void FakeDaemon::TakeAnswer(Instant now) {
  const auto due =
      std::ranges::find_if(questions_, [now](const Question& q) { return q.at <= now; });
  const Token token = due->token;
  questions_.erase(due);
  Take(event::Probed{token, Ask(token, now), {}}, now);
}

ProbeOutcome FakeDaemon::Ask(Token token, Instant now) {
  if (scenario_->faults.bad_probes && weather_ == Weather::kFaults && random_.OneIn(4)) {
    return random_.OneIn(2) ? ProbeOutcome::kForeign : ProbeOutcome::kVoid;
  }
  const Process* process = network_.Asked(state_, token, now);
  return process != nullptr && process->IsHealthy(now) ? ProbeOutcome::kGood : ProbeOutcome::kBad;
}

// The process whose line for `ready_log` is the next to be read, and when it is there.
const Process* FakeDaemon::Speaker(Instant now, Instant* next) const {
  const Process* speaker = nullptr;
  *next = kNever;
  for (const Process& process : std::as_const(keeper_).kernel().processes()) {
    if (process.kind != ProcessKind::kInstance || process.life != Process::Life::kRunning ||
        process.behaviour.ready_after == kForever || (process.socket && !process.has_asked)) {
      continue;
    }
    const Instant at = std::max(now, process.started_at + process.behaviour.ready_after);
    if (at >= *next || std::ranges::find(said_, process.token) != said_.end()) continue;
    *next = at;
    speaker = &process;
  }
  return speaker;
}

Instant FakeDaemon::NextLine(Instant now) const {
  if (!is_responsive() || !scenario_->has_ready_log) return kNever;
  Instant next = kNever;
  (void)Speaker(now, &next);
  return next;
}

void FakeDaemon::TakeLine(Instant now) {
  Instant next = kNever;
  const Process* speaker = Speaker(now, &next);
  if (speaker == nullptr) return;
  said_.push_back(speaker->token);
  const auto& versions = scenario_->versions[speaker->service];
  const Token token = speaker->token;
  const ReadyBy by = versions[speaker->version].spec->policy.ready_by;
  if (by == ReadyBy::kNotify) {
    return Take(event::Notified{token, event::Notified::Kind::kReady}, now);
  }
  if (by != ReadyBy::kLog) return;
  Take(event::LogMatched{token}, now);
}

// ---- Sockets. ----

Instant FakeDaemon::NextNews(Instant now) const {
  return is_responsive() ? network_.NextNews(now) : kNever;
}

void FakeDaemon::TakeNews(Instant now) { Take(network_.TakeNews(now), now); }

// ---- Time. ----

Instant FakeDaemon::NextDue() const {
  if (!is_responsive()) return kNever;
  if (next_due_ == Instant::min()) next_due_ = NextDeadline(state_);
  return next_due_;
}

void FakeDaemon::TakeDue(Instant now) { Take(event::Due{}, now); }

}  // namespace oxherd::sim
