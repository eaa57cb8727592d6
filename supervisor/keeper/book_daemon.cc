// The daemon's life as the keeper sees it: start, crash, hang, farewell.
#include <algorithm>
#include <csignal>

#include "keeper/book.h"
#include "keeper/book_due.h"

namespace oxherd::keeper {

// ---- Start and crash. ----

void Book::TickDaemon(Instant now) {
  if (daemon_ == Daemon::kDown) {
    if (leaving_ || done_ || now < daemon_start_at_) return;
    if (upgrade_is_due_) {
      // A spawn that is under way ends within milliseconds, one way or another.
      if (IsSpawning()) return;
      upgrade_is_due_ = false;
      Do(ExecKeeper{});
      return;
    }
    daemon_ = Daemon::kStarting;
    daemon_up_since_ = now;
    ++daemon_number_;
    Do(StartDaemon{.number = daemon_number_, .use_image = use_image_});
    return;
  }
  TickBeat(now);
}

bool Book::IsSpawning() const {
  return std::ranges::any_of(records_, [](const Record& record) {
    return record.token.is_set() && record.phase == Phase::kSpawning && !record.failed;
  });
}

void Book::OnUpgradeFailed(std::int32_t error_number, Instant now) {
  TickDaemon(now);
  Refuse(RequestIndex<Upgrade>(), error_number);
}

void Book::OnDaemonStarted(Instant now) {
  daemon_ = Daemon::kUp;
  daemon_up_since_ = now;
  hello_is_due_ = true;
  beats_missed_ = 0;
  beat_was_answered_ = true;  // nothing was asked yet
  beat_at_ = settings_.heartbeat ? now + kBeatEvery : kNever;
}

void Book::OnDaemonStartFailed(Instant now) {
  if (daemon_ != Daemon::kStarting) return;
  if (daemon_number_ == 1) {
    daemon_ = Daemon::kDown;
    Do(ExitKeeper{.code = 1});
    done_ = true;
    return;
  }
  OnDaemonGone(now);
}

void Book::OnDaemonSilent() {
  if (daemon_ == Daemon::kUp && !leaving_) Do(SignalDaemon{.signal = SIGKILL});
}

void Book::OnDaemonGone(Instant now) {
  if (daemon_ == Daemon::kDown) return;
  const bool lived_long = now - daemon_up_since_ >= kCrashWindow;
  ForgetDaemon(now);
  if (leaving_) {
    ExitIfDone(now);
    return;
  }
  if (lived_long) {
    crashes_in_a_row_ = 0;
    use_image_ = true;
  }
  if (upgrade_is_due_) {  // it went so that another one comes: no crash
    daemon_start_at_ = now;
    TickDaemon(now);
    return;
  }
  // The ring's oldest place holds the crash that was fifth from the end, once there were five.
  crashes_[crash_count_ % crashes_.size()] = now;
  ++crash_count_;
  const Instant fifth_last = crashes_[crash_count_ % crashes_.size()];
  if (crash_count_ >= crashes_.size() && now - fifth_last <= kCrashWindow) use_image_ = false;
  const std::size_t step = std::min<std::size_t>(crashes_in_a_row_, kBackOff.size() - 1);
  ++crashes_in_a_row_;
  daemon_start_at_ = now + kBackOff[step];
  TickDaemon(now);
}

// What was due to the dead daemon is not due to the next one, who asks for the World. Checks belong
// to the daemon that asked for them; instances and hooks do not.
void Book::ForgetDaemon(Instant now) {
  daemon_ = Daemon::kDown;
  hello_is_due_ = false;
  world_asked_ = false;
  world_end_is_due_ = false;
  control_socket_is_due_ = false;
  loose_answer_.reset();
  stray_count_ = 0;
  listen_news_count_ = 0;
  beat_is_due_ = false;
  beat_at_ = kNever;
  daemon_kill_at_ = kNever;
  for (Held& held : held_) held.due_in_world = false;
  for (Record& record : records_) {
    if (!record.token.is_set()) continue;
    StopSaying(record);
    record.told_gone = false;
    if (record.failed) {
      Release(record);
    } else if (record.label.kind == ProcessKind::kCheck) {
      OrphanCheck(record, now);
    }
  }
}

void Book::OrphanCheck(Record& record, Instant now) {
  if (record.phase == Phase::kGone) {
    Release(record);
  } else if (!record.orphan_check) {
    record.orphan_check = true;
    On(Kill{.token = record.token}, now);
  }
}

// ---- Heartbeat. ----

void Book::On(const BeatAnswer& answer, Instant /*now*/) {
  if (answer.number <= beat_number_) beat_was_answered_ = true;
}

void Book::TickBeat(Instant now) {
  if (daemon_ != Daemon::kUp || leaving_) return;
  if (now >= daemon_kill_at_) {
    daemon_kill_at_ = kNever;
    Do(SignalDaemon{.signal = SIGKILL});
    return;
  }
  if (now < beat_at_) return;
  const bool keeper_was_late = now - beat_at_ > kKeeperWasLate;
  if (beat_was_answered_) {
    beats_missed_ = 0;
  } else if (!keeper_was_late) {
    ++beats_missed_;
  }
  if (beats_missed_ == kBeatsMissedByTheHung) {
    beat_at_ = kNever;
    beat_is_due_ = false;
    daemon_kill_at_ = now + kTimeToAbort;
    Do(SignalDaemon{.signal = SIGABRT});
    return;
  }
  ++beat_number_;
  beat_was_answered_ = false;
  beat_is_due_ = true;
  beat_at_ = now + kBeatEvery;
}

// ---- Signals from people, and the end. ----

void Book::OnControlSocketMade() { control_socket_is_due_ = daemon_ == Daemon::kUp; }

void Book::OnOperatorSignal(std::uint8_t signal, Instant now) {
  if (signal == SIGHUP) {
    reread_is_due_ = true;
  } else if (terminations_ < UINT8_MAX) {
    ++terminations_;
  }
  if (world_asked_) {
    PassOnSignals();
  } else if (terminations_ >= 2 && crashes_in_a_row_ >= kCrashesToGiveUp && !leaving_) {
    // Nobody is there to stop things gently, and somebody has asked twice.
    if (daemon_ == Daemon::kUp) Do(SignalDaemon{.signal = SIGKILL});
    Leave(1, Remains::kKill, now);
  }
}

void Book::PassOnSignals() {
  for (; terminations_told_ < terminations_; ++terminations_told_) {
    Do(SignalDaemon{.signal = SIGTERM});
  }
  if (reread_is_due_) Do(SignalDaemon{.signal = SIGHUP});
  reread_is_due_ = false;
}

void Book::On(const Bye& bye, Instant now) {
  if (!leaving_) Leave(bye.exit_code, bye.remains, now);
}

void Book::Leave(std::uint8_t code, Remains remains, Instant now) {
  leaving_ = Leaving{.code = code, .remains = remains, .by = now + kTimeToLeave};
  beat_at_ = kNever;
  daemon_kill_at_ = kNever;
  if (remains == Remains::kKill) {
    for (const Record& record : records_) {
      if (record.token.is_set()) On(Kill{.token = record.token}, now);
    }
  }
  ExitIfDone(now);
}

void Book::ExitIfDone(Instant now) {
  if (!leaving_ || done_) return;
  const bool trees_are_done = leaving_->remains == Remains::kLeave || alive_ == 0;
  const bool out_of_time = now >= leaving_->by;
  if (!out_of_time && !(daemon_ == Daemon::kDown && trees_are_done)) return;
  if (daemon_ != Daemon::kDown) Do(SignalDaemon{.signal = SIGKILL});
  Do(ExitKeeper{.code = leaving_->code});
  done_ = true;
}

}  // namespace oxherd::keeper
