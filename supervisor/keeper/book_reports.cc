// What the daemon hears, and in which order.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "keeper/book.h"
#include "keeper/book_due.h"

namespace oxherd::keeper {
namespace {

// Which of what is due is said next.
DueBit NextBit(const Record& record) {
  const auto due = [&record](DueBit bit) { return (record.due & bit) != 0; };
  if (due(kDueWorld)) return kDueWorld;
  if (due(kDueFailed)) return kDueFailed;
  if (due(kDueStarted)) return kDueStarted;
  const bool killed_first = !due(kDueExited) || record.kill_fired_at <= record.exit.at;
  if (due(kDueKillFired) && killed_first) return kDueKillFired;
  if (due(kDueExited)) return kDueExited;
  return kDueGone;
}

}  // namespace

void Book::Say(Record& record, std::uint8_t bit) {
  if (!world_asked_ || record.orphan_check) return;
  if ((record.due & kDueWorld) != 0) return;  // the WorldRecord will say it
  const bool listed = record.due != 0;
  if (bit == kDueWorld) {
    record.due = kDueWorld;
    ++world_records_due_;
  } else {
    record.due = static_cast<std::uint8_t>(record.due | bit);
  }
  if (listed) return;
  const Place place = PlaceOf(record);
  links_[place] = {.before = last_due_, .after = kNoPlace};
  (last_due_ == kNoPlace ? first_due_ : links_[last_due_].after) = place;
  last_due_ = place;
}

void Book::StopSaying(Record& record) {
  if (record.due == 0) return;
  if ((record.due & kDueWorld) != 0) --world_records_due_;
  record.due = 0;
  Unlink(PlaceOf(record));
}

void Book::Unlink(Place place) {
  const Link link = links_[place];
  (link.before == kNoPlace ? first_due_ : links_[link.before].after) = link.after;
  (link.after == kNoPlace ? last_due_ : links_[link.after].before) = link.before;
}

void Book::On(const World& /*world*/, Instant /*now*/) {
  world_asked_ = true;
  world_end_is_due_ = true;
  world_records_ = 0;
  world_held_ = 0;
  for (Record& record : records_) {
    if (!record.token.is_set() || record.failed) continue;
    StopSaying(record);
    Say(record, kDueWorld);
  }
  for (Held& held : held_) held.due_in_world = held.used;
  PassOnSignals();
}

WorldRecord Book::WorldOf(const Record& record) const {
  return {.token = record.token,
          .label = record.label,
          .phase = record.phase,
          .pid = record.pid,
          .in_cgroup = record.in_cgroup,
          .started_at = record.started_at,
          .stop_sent_at = record.stop_sent_at,
          .kill_at = record.kill_at,
          .kill_fired_at = record.kill_fired_at,
          .exit = record.exit,
          .gone_at = record.gone_at,
          .held = record.held,
          .in_doubt = record.in_doubt,
          .has_pidfd = record.has_pidfd,
          .listen_number = record.listen_number};
}

Report Book::ReportFor(const Record& record) const {
  switch (NextBit(record)) {
    case kDueWorld:
      return WorldOf(record);
    case kDueFailed:
      return SpawnFailed{
          .token = record.token, .stage = record.failed_stage, .error_number = record.failed_errno};
    case kDueStarted:
      return Started{.token = record.token,
                     .pid = record.pid,
                     .in_cgroup = record.in_cgroup,
                     .at = record.started_at};
    case kDueKillFired:
      return KillFired{.token = record.token, .at = record.kill_fired_at};
    case kDueExited:
      return Exited{.token = record.token, .record = record.exit};
    case kDueGone:
      break;
  }
  return Gone{.token = record.token, .at = record.gone_at};
}

void Book::Told(Record& record) {
  const DueBit bit = NextBit(record);
  if (bit == kDueFailed) {
    Release(record);
    return;
  }
  if (bit == kDueWorld) {
    --world_records_due_;
    if (world_end_is_due_) ++world_records_;
  }
  if (bit == kDueGone || (bit == kDueWorld && record.phase == Phase::kGone)) {
    record.told_gone = true;
  }
  record.due = static_cast<std::uint8_t>(record.due & ~bit);
  if (record.due == 0) Unlink(PlaceOf(record));
}

std::optional<Place> Book::NextHeldOfWorld() const {
  if (!world_end_is_due_) return std::nullopt;
  const auto held = std::ranges::find(held_, true, &Held::due_in_world);
  if (held == held_.end()) return std::nullopt;
  return static_cast<Place>(held - held_.begin());
}

Report Book::ReportFor(const ListenNews& news) const {
  if (news.held == kNoPlace) {
    return ListenRefused{.token = news.token, .why = news.why, .asked = news.asked};
  }
  return ListenTaken{.token = news.token, .name = held_[news.held].name};
}

Book::Turn Book::NextTurn() const {
  if (daemon_ != Daemon::kUp) return Turn::kNothing;
  if (hello_is_due_) return Turn::kHello;
  if (loose_answer_) return Turn::kLooseAnswer;
  if (beat_is_due_) return Turn::kBeat;
  if (first_due_ != kNoPlace) return Turn::kRecord;
  if (NextHeldOfWorld()) return Turn::kHeld;
  if (world_end_is_due_) return Turn::kWorldEnd;
  if (control_socket_is_due_ && world_asked_) return Turn::kNewControlSocket;
  if (stray_count_ > 0) return Turn::kStray;
  if (listen_news_count_ > 0) return Turn::kListenNews;
  return Turn::kNothing;
}

std::optional<Outgoing> Book::NextReport() const {
  switch (NextTurn()) {
    case Turn::kNothing:
      break;
    case Turn::kHello:
      return Outgoing{.report = Hello{.version = kProtocolVersion,
                                      .keeper = settings_.keeper,
                                      .daemon_number = daemon_number_,
                                      .use_image = use_image_,
                                      .terminations = terminations_,
                                      .listen_socket = settings_.listen_socket}};
    case Turn::kLooseAnswer:
      return Outgoing{.report = *loose_answer_};
    case Turn::kBeat:
      return Outgoing{.report = Beat{.number = beat_number_}};
    case Turn::kRecord:
      return Outgoing{.report = ReportFor(records_[first_due_]), .place = first_due_};
    case Turn::kHeld: {
      const Place place = NextHeldOfWorld().value_or(kNoPlace);
      return Outgoing{.report = WorldHeld{.name = held_[place].name}, .place = place};
    }
    case Turn::kWorldEnd:
      return Outgoing{
          .report = WorldEnd{.records = world_records_, .held = world_held_, .highest = highest_}};
    case Turn::kNewControlSocket:
      return Outgoing{.report = NewControlSocket{}};
    case Turn::kStray:
      return Outgoing{.report = Stray{.pid = strays_[stray_count_ - 1]}};
    case Turn::kListenNews:
      return Outgoing{.report = ReportFor(listen_news_[listen_news_first_])};
  }
  return std::nullopt;
}

void Book::ReportSent() {
  switch (NextTurn()) {
    case Turn::kNothing:
      break;
    case Turn::kHello:
      hello_is_due_ = false;
      terminations_told_ = terminations_;
      break;
    case Turn::kLooseAnswer:
      loose_answer_.reset();
      break;
    case Turn::kBeat:
      beat_is_due_ = false;
      break;
    case Turn::kRecord:
      Told(records_[first_due_]);
      break;
    case Turn::kHeld:
      held_[NextHeldOfWorld().value_or(kNoPlace)].due_in_world = false;
      ++world_held_;
      break;
    case Turn::kWorldEnd:
      world_end_is_due_ = false;
      break;
    case Turn::kNewControlSocket:
      control_socket_is_due_ = false;
      break;
    case Turn::kStray:
      --stray_count_;
      break;
    case Turn::kListenNews:
      listen_news_first_ = (listen_news_first_ + 1) % listen_news_.size();
      --listen_news_count_;
      break;
  }
}

}  // namespace oxherd::keeper
