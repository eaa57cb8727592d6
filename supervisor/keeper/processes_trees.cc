// Trees without a cgroup: found in /proc, and only when something happened to one of them.
#include <algorithm>
#include <csignal>

#include "keeper/processes.h"

namespace oxherd::keeper {

// Whatever is left of a tree whose main process is gone hangs from a child of ours that is no main
// process: as long as there is no such child there is nothing to look for.
bool Processes::HasOtherChildren() const {
  if (!children_file_) return true;
  const os::SystemResult<std::size_t> count = os::CountChildren(children_file_.get());
  return !count || *count > children_.size();
}

void Processes::LookAfterTrees(Instant now) {
  if (!must_look_) return;
  must_look_ = false;
  ListRoots();
  const bool somebody_is_gone = std::ranges::any_of(roots_, [this](const Root& root) {
    return kept_[root.place].main_is_reaped &&
           (!HasCgroup(root) || kept_[root.place].is_killed_by_scan);
  });
  if (!must_scan_ && !somebody_is_gone) return;
  if (!must_scan_ && !has_inherited_ && !HasOtherChildren()) {
    EmptyAllExited(now);
    return;
  }
  must_scan_ = false;
  plain_roots_.clear();
  for (const Root& root : roots_) {
    plain_roots_.push_back(root.root);
    plain_roots_.back().main_is_reaped = kept_[root.place].main_is_reaped;
  }
  if (!trees_.Scan(self_, plain_roots_)) {
    must_look_ = must_scan_ = true;  // at the next wake-up
    return;
  }
  JudgeTrees(now);
}

// Also those in a cgroup: what is theirs belongs to nobody else.
void Processes::ListRoots() {
  roots_.clear();
  has_inherited_ = false;
  const std::span<const Record> records = book_.records();
  for (Place place = 0; place < records.size(); ++place) {
    const Record& record = records[place];
    if (!record.token.is_set() || !record.forked || record.failed) continue;
    if (record.phase == Phase::kGone) continue;
    has_inherited_ = has_inherited_ || !kept_[place].is_child;
    // No process and no session has this number.
    const Pid main = record.pid.is_set() ? record.pid : Pid(-1);
    roots_.push_back(
        {.root = {.main = main, .token = record.token}, .place = place, .alive = 0, .member = {}});
  }
  std::ranges::sort(roots_, {}, [](const Root& root) { return root.root.main; });
}

void Processes::EmptyAllExited(Instant now) {
  for (const Root& root : roots_) {
    if (kept_[root.place].main_is_reaped && !HasCgroup(root)) OnTreeEmpty(root.place, now);
  }
}

// Those that were left to us. One that has ended since /proc was listed may have forked before, and
// what it forked is in no list yet. One that is about to end no longer shows its environment, and
// is nobody's stray.
void Processes::JudgeUnknown() {
  for (const os::Member& member : trees_.members()) {
    if (member.stat.parent != self_) continue;
    if (std::ranges::find(children_, member.stat.pid, &Child::pid) != children_.end()) continue;
    const bool has_ended = member.stat.state == 'Z' || member.stat.state == 'X';
    if (has_ended || (member.tree == os::kNoTree && os::IsEnding(member.stat))) {
      must_look_ = must_scan_ = true;  // its death wakes us up
    } else if (member.tree == os::kNoTree) {
      ReportStray(member.stat.pid);
    }
  }
}

void Processes::JudgeTrees(Instant now) {
  for (const os::Member& member : trees_.members()) {
    const bool has_ended = member.stat.state == 'Z' || member.stat.state == 'X';
    if (has_ended || member.tree == os::kNoTree) continue;
    ++roots_[member.tree].alive;
    roots_[member.tree].member = member.stat;
    KillMember(member);
    StopMember(member);
  }
  for (const Root& root : roots_) {
    if (kept_[root.place].main_is_reaped) kept_[root.place].stop_signal = 0;
  }
  JudgeUnknown();
  if (must_scan_) return;  // one of them may still be somebody's last process
  for (const Root& root : roots_) {
    if (!kept_[root.place].main_is_reaped || HasCgroup(root)) continue;
    if (root.alive == 0) {
      OnTreeEmpty(root.place, now);
    } else if (!kept_[root.place].is_child) {
      WatchMember(root);
    }
  }
}

// Their deaths are told to whoever inherited them, not to us.
void Processes::WatchMember(const Root& root) {
  Kept& kept = kept_[root.place];
  if (kept.member) return;
  os::SystemResult<os::Fd> pidfd = os::OpenPidfd(root.member.pid);
  const WatchKey key =
      WatchKey::Of(WatchKey::Kind::kMember, root.place, book_.records()[root.place].token);
  if (pidfd && poller_.Add(pidfd->get(), os::Wanted::kReadable, key.Pack())) {
    kept.member = std::move(*pidfd);
  } else {
    must_look_ = must_scan_ = true;  // it has gone meanwhile, or nobody can tell: look again
  }
}

void Processes::OnMemberEnded(const WatchKey& key) {
  if (!IsCurrent(key) || !kept_[key.place].member) return;
  poller_.Remove(kept_[key.place].member.get());
  kept_[key.place].member.Reset();
  must_look_ = true;
}

void Processes::KillMember(const os::Member& member) {
  const Kept& kept = kept_[roots_[member.tree].place];
  if (!kept.is_killed_by_scan) return;
  // One that is gone meanwhile, or not ours to kill, changes nothing: the next death makes us look
  // again.
  const bool is_main = member.stat.pid == kept.pid && !kept.main_is_reaped;
  const os::SystemStatus killed =
      is_main ? os::SendSignal(kept.pidfd.get(), SIGKILL) : os::SignalExactly(member.stat, SIGKILL);
  static_cast<void>(killed.has_value());
}

// A wrapper has ended, and what it started in a group of its own has not heard of the stop.
void Processes::StopMember(const os::Member& member) {
  const Kept& kept = kept_[roots_[member.tree].place];
  const bool has_heard = member.stat.group == kept.pid || kept.is_killed;
  if (kept.stop_signal == 0 || !kept.main_is_reaped || has_heard) return;
  static_cast<void>(os::SignalExactly(member.stat, kept.stop_signal).has_value());
  static_cast<void>(os::SignalExactly(member.stat, SIGCONT).has_value());
}

void Processes::ReportStray(Pid pid) {
  const auto told =
      std::span(strays_told_).first(std::min(strays_told_count_, strays_told_.size()));
  if (std::ranges::find(told, pid) != told.end()) return;
  strays_told_[strays_told_count_++ % strays_told_.size()] = pid;
  book_.OnStray(pid);
}

}  // namespace oxherd::keeper
