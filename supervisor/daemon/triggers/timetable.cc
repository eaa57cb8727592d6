#include "daemon/triggers/timetable.h"

#include <algorithm>
#include <utility>

#include "config/zone_file.h"
#include "control/words.h"

namespace oxherd {
namespace {

// The rules of a zone are read again after so long: somebody may have installed new ones.
constexpr Seconds kReadZoneAgain = std::chrono::hours(1);

std::string TextOf(WallSeconds when) {
  return control::TimeText(std::chrono::duration_cast<Millis>(when.time_since_epoch()).count());
}

bool HasTimes(const State& state, const Service& service, const Spec& spec) {
  return (!spec.cron_restart.empty() || !spec.schedule.empty()) && !state.shutdown &&
         service.wish == Wish::kRunning && !service.deleting;
}

}  // namespace

Status Timetable::WatchIn(Loop& loop) {
  OXHERD_TRY_ASSIGN(timer_, os::WallTimer::Open());
  watch_ = loop.WatchFor(Loop::For::kReading, timer_->fd(), [this] { OnTime(timer_->Take()); });
  return {};
}

WallSeconds Timetable::Now() const { return std::chrono::floor<Seconds>(parts_.now()); }

void Timetable::Update() {
  std::size_t known = 0;
  bool is_new = false;
  std::vector<std::pair<const Service*, SpecPtr>> wanted;
  for (const Service& service : parts_.state.services) {
    const KeptSpec* kept = service.Find(service.generation);
    if (kept == nullptr || !HasTimes(parts_.state, service, *kept->spec)) continue;
    is_new |= known >= entries_.size() || entries_[known].spec != kept->spec ||
              entries_[known].service != service.name;
    ++known;
    wanted.emplace_back(&service, kept->spec);
  }
  if (!is_new && known == entries_.size()) return;
  std::vector<Entry> before = std::exchange(entries_, {});
  for (const auto& [service, spec] : wanted) {
    const auto same = std::ranges::find_if(before, [&](const Entry& entry) {
      return entry.spec == spec && entry.service == service->name;
    });
    if (same != before.end()) {
      entries_.push_back(std::move(*same));
    } else if (std::optional<Entry> made = Make(*service, spec)) {
      entries_.push_back(std::move(*made));
    }
  }
  Arm();
}

std::optional<Timetable::Entry> Timetable::Make(const Service& service, const SpecPtr& spec) const {
  Entry entry{.service = service.name,
              .spec = spec,
              .cron = {},
              .zone = {},
              .zone_read_at = {},
              .next = {},
              .last = {}};
  const auto cron = ParseCron(entry.text());
  if (cron) {
    entry.cron = *cron;
    ReadZone(entry);
    Advance(entry, Now());
  } else {  // by an image of another version; it stands in the table, so that this is said once
    parts_.log.Error(service.name + " \"" + entry.text() + "\" is no time to this version: " +
                     cron.error().message + "; it is never run");
  }
  return entry;
}

void Timetable::ReadZone(Entry& entry) const {
  entry.zone_read_at = Now();
  if (Result<TimeZone> zone = LoadTimeZone(entry.spec->timezone)) {
    entry.zone = std::move(*zone);
  } else {
    parts_.log.Warn(entry.service + " timezone \"" + entry.spec->timezone + "\" " +
                    zone.error().message + "; the last known one is used, at first UTC");
  }
}

void Timetable::Advance(Entry& entry, WallSeconds now) const {
  const bool is_old = now < entry.zone_read_at || now - entry.zone_read_at > kReadZoneAgain;
  if (is_old) ReadZone(entry);
  WallSeconds after = now;
  const bool was_set_back = entry.last && *entry.last > now && *entry.last - now <= kTooLate;
  if (was_set_back) after = *entry.last;
  entry.next = NextTime(entry.cron, entry.zone, after);
}

void Timetable::Run(const Entry& entry) const {
  if (entry.runs_it()) {
    parts_.inbox.Put(Urgency::kRest, event::Schedule{entry.service});
  } else {
    parts_.inbox.Put(Urgency::kRest,
                     event::Replace{.service = entry.service, .slot = {}, .why = "cron_restart"});
  }
}

void Timetable::OnTime(os::WallTimer::Woken woken) {
  if (woken == os::WallTimer::Woken::kNot) return;
  const WallSeconds now = Now();
  for (Entry& entry : entries_) {
    const bool is_due = entry.next && *entry.next <= now;
    if (!is_due && woken == os::WallTimer::Woken::kTime) continue;
    const std::optional<WallSeconds> due = is_due ? entry.next : std::nullopt;
    const bool is_late = due && now - *due > kTooLate;
    if (due && !is_late) {
      entry.last = due;
      Run(entry);
    }
    Advance(entry, now);
    if (!due) continue;
    const std::string key = entry.runs_it() ? "schedule" : "cron_restart";
    parts_.log.Info(entry.service + " " + key + "=\"" + entry.text() + "\" " +
                    (is_late ? "was missed at " + TextOf(*due) + " and is left out" : "is due") +
                    "; next at " + (entry.next ? TextOf(*entry.next) : "no time any more"));
  }
  Arm();
}

void Timetable::Arm() {
  if (!timer_) return;
  std::optional<WallTime> earliest;
  for (const Entry& entry : entries_) {
    if (entry.next && (!earliest || *entry.next < *earliest)) earliest = *entry.next;
  }
  if (Status armed = timer_->Arm(earliest); !armed) {
    parts_.log.Error(armed.error().message + "; cron_restart and schedule do nothing");
  }
}

std::optional<WallSeconds> Timetable::NextOf(std::string_view service) const {
  const auto found = std::ranges::find(entries_, service, &Entry::service);
  return found == entries_.end() ? std::nullopt : found->next;
}

}  // namespace oxherd
