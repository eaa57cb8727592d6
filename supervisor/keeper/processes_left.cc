// Processes of an earlier keeper, which are not our children; and what the next one is told.
#include <unistd.h>

#include <algorithm>

#include "keeper/processes.h"
#include "os/former_process.h"

namespace oxherd::keeper {
namespace {

Record RecordOf(const LeftProcess& left, bool has_pidfd) {
  const WorldRecord& facts = left.facts;
  Record record;
  record.token = facts.token;
  record.label = facts.label;
  record.held = facts.held;
  record.phase = facts.phase;
  record.in_cgroup = facts.in_cgroup;
  record.in_doubt = facts.in_doubt;
  record.has_pidfd = has_pidfd;
  record.pid = facts.pid;
  record.listen_number = facts.listen_number;
  record.waiting_signal = left.waiting_signal;
  record.waiting_scope = left.waiting_scope;
  record.started_at = facts.started_at;
  record.stop_sent_at = facts.stop_sent_at;
  record.kill_at = facts.kill_at;
  record.kill_fired_at = facts.kill_fired_at;
  record.exit = facts.exit;
  record.gone_at = facts.gone_at;
  return record;
}

}  // namespace

void Processes::Inherit(Adopted adopted, Instant now) {
  LeftProcess& left = adopted.left;
  const CgroupShelf::Spot spot = shelf_.Inherit(left.cgroup.text());
  left.facts.in_cgroup = spot != CgroupShelf::kNoSpot;
  const bool has_pidfd = static_cast<bool>(adopted.pidfd);
  const std::optional<Place> place = book_.Inherit(RecordOf(left, has_pidfd), now);
  if (!place) return shelf_.Return(spot, now);
  if (kept_.size() <= *place) kept_.resize(*place + 1);
  Kept& kept = kept_[*place];
  kept = Kept{};
  kept.pid = left.facts.pid;
  kept.is_child = left.is_child;
  kept.start_ticks = left.start_ticks;
  kept.main_is_reaped = left.main_is_reaped;
  kept.is_killed = left.is_killed;
  kept.spot = spot;
  kept.pidfd = std::move(adopted.pidfd);
  kept.held = std::move(adopted.held);
  kept.listen = left.listen;
  kept.uid = left.uid;
  kept.is_killed_by_scan = left.is_killed && spot == CgroupShelf::kNoSpot;
  if (left.facts.phase == Phase::kGone) return;
  has_inherited_ = has_inherited_ || !kept.is_child;
  if (kept.main_is_reaped) {
    must_scan_ = true;
    return AwaitTree(*place, now);
  }
  if (kept.is_child) {
    children_.push_back({.pid = kept.pid, .whose = Whose::kInstance, .place = *place});
    return;
  }
  const WatchKey key = WatchKey::Of(WatchKey::Kind::kInherited, *place, left.facts.token);
  static_cast<void>(poller_.Add(kept.pidfd.get(), os::Wanted::kReadable, key.Pack()).has_value());
}

void Processes::InheritHeld(AdoptedHeld held) {
  const std::optional<Place> place = book_.InheritHeld(held.name);
  if (!place) return;
  if (held_.size() <= *place) held_.resize(*place + 1);
  held_[*place] = std::move(held.descriptor);
}

void Processes::OnInheritedEnded(const WatchKey& key, Instant now) {
  if (!IsCurrent(key)) return;
  Kept& kept = kept_[key.place];
  if (kept.is_child || kept.main_is_reaped) return;
  poller_.Remove(kept.pidfd.get());
  OnMainGone(key.place,
             {.status = os::ExitOf(kept.pidfd.get(), kept.pid, kept.start_ticks),
              .user_time = {},
              .system_time = {},
              .at = now},
             now);
}

// ---- For the next keeper. ----

LeftProcess Processes::Describe(Place place) {
  const Record& record = book_.records()[place];
  Kept& kept = kept_[place];
  if (kept.start_ticks == 0 && kept.pid.is_set() && !kept.main_is_reaped) {
    const std::optional<os::ProcessStat> stat = os::ReadStat(kept.pid);
    if (stat) kept.start_ticks = stat->start_ticks;
  }
  LeftProcess left;
  left.facts = book_.WorldOf(record);
  left.waiting_signal = record.waiting_signal;
  left.waiting_scope = record.waiting_scope;
  left.is_child = kept.is_child;
  left.main_is_reaped = kept.main_is_reaped;
  left.is_killed = kept.is_killed;
  left.start_ticks = kept.start_ticks;
  left.uid = kept.uid;
  if (kept.spot != CgroupShelf::kNoSpot) left.cgroup = CgroupName(shelf_.name(kept.spot));
  left.listen = kept.listen;
  for (std::size_t i = 0; i < left.facts.held.count; ++i) {
    left.inodes[i] = os::InodeOf(kept.held[i].get());
  }
  return left;
}

void Processes::NumberIn(LeftProcess& left, Place place) const {
  const Kept& kept = kept_[place];
  left.pidfd = kept.pidfd.get();
  for (std::size_t i = 0; i < left.facts.held.count; ++i) left.held[i] = kept.held[i].get();
}

LeftHeld Processes::DescribeHeld(Place place) const {
  return {.name = HeldName(book_.held_name(place)),
          .inode = os::InodeOf(held_[place].get()),
          .descriptor = -1};
}

}  // namespace oxherd::keeper
