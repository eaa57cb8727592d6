#include "keeper/processes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "keeper/child_order.h"
#include "keeper/plan.h"
#include "os/child.h"

namespace oxherd::keeper {
namespace {

Stage StageOf(os::ChildStage stage) {
  switch (stage) {
    case os::ChildStage::kPlan:
      return Stage::kPlan;
    case os::ChildStage::kDescriptors:
      return Stage::kDescriptors;
    case os::ChildStage::kSession:
      return Stage::kSession;
    case os::ChildStage::kLimits:
      return Stage::kLimits;
    case os::ChildStage::kUser:
      return Stage::kUser;
    case os::ChildStage::kDirectory:
      return Stage::kDirectory;
    case os::ChildStage::kExec:
      break;
  }
  return Stage::kExec;
}

// What the child needs to find a held descriptor by its name.
struct HeldByName {
  const Book& book;
  std::span<const os::Fd> held;

  static int Number(const void* where, std::string_view name) {
    const auto& self = *static_cast<const HeldByName*>(where);
    const std::optional<Place> place = self.book.FindHeld(HeldName(name));
    return place && *place < self.held.size() ? self.held[*place].get() : -1;
  }
};

bool MustGoWithoutCgroup(int error_number) {
  return error_number != EAGAIN && error_number != ENOMEM;
}

}  // namespace

Result<Processes> Processes::Open(const Settings& settings, Book& book, os::Poller& poller) {
  OXHERD_TRY_ASSIGN(os::ProcessTrees trees, os::ProcessTrees::Open());
  return Processes(settings, book, poller, std::move(trees));
}

Processes::Processes(const Settings& settings, Book& book, os::Poller& poller,
                     os::ProcessTrees trees)
    : book_(book),
      poller_(poller),
      defaults_(settings.defaults),
      self_(::getpid()),
      shelf_(settings.processes, self_, settings.left_cgroups),
      trees_(std::move(trees)) {
  kept_.reserve(settings.processes);
  held_.reserve(settings.held);
  mapped_.reserve(kMaxMappedDescriptors);
  // A failed child may still be on its way out when its place is used again.
  children_.reserve(std::size_t{settings.processes} * 2 + 2);
  roots_.reserve(settings.processes);
  plain_roots_.reserve(settings.processes);
  if (os::SystemResult<os::Fd> file = os::OpenChildren()) children_file_ = std::move(*file);
}

// ---- Spawning. ----

void Processes::FailSpawn(const SpawnProcess& effect, Stage stage, int error_number) {
  book_.OnSpawnFailed(effect.token, stage, error_number);
}

os::SystemResult<os::Cloned> Processes::CloneFor(Kept& kept, Instant now) {
  const bool in_cgroup = kept.spot != CgroupShelf::kNoSpot;
  os::SystemResult<os::Cloned> cloned = os::Clone(in_cgroup ? shelf_.directory(kept.spot) : -1);
  if (cloned || !in_cgroup || !MustGoWithoutCgroup(cloned.error().number)) return cloned;
  shelf_.Return(std::exchange(kept.spot, CgroupShelf::kNoSpot), now);
  return os::Clone(-1);
}

void Processes::Carry(const SpawnProcess& effect, const Spawn& request, std::span<os::Fd> attached,
                      Instant now) {
  if (kept_.size() <= effect.place) kept_.resize(effect.place + 1);
  Kept& kept = kept_[effect.place];
  kept = Kept{};
  const bool has_plan =
      !attached.empty() && request.roles.list[0] == Role::kPlan && os::IsSealed(attached[0].get());
  if (!has_plan) return FailSpawn(effect, Stage::kPlan, EINVAL);
  const auto mapping = os::Mapping::Open(attached[0].get(), kMaxPlanBytes);
  if (!mapping) return FailSpawn(effect, Stage::kPlan, mapping.error().number);
  const std::optional<PlanView> plan = PlanView::Open(mapping->bytes());
  if (!plan) return FailSpawn(effect, Stage::kPlan, EBADMSG);
  os::SystemResult<os::Pipe> report = os::MakePipe(os::PipeReading::kDoesNotBlock);
  if (!report) return FailSpawn(effect, Stage::kPipe, report.error().number);

  RenewListening(*plan);
  kept.spot = shelf_.Take(plan->cgroup(), effect.token);
  os::SystemResult<os::Cloned> cloned = CloneFor(kept, now);
  if (!cloned) return FailSpawn(effect, Stage::kClone, cloned.error().number);
  if (cloned->is_child) {
    const HeldByName held{.book = book_, .held = held_};
    RunPlan(*plan, {.attached = attached,
                    .held = {.number = &HeldByName::Number, .where = &held},
                    .open_files = defaults_.open_files,
                    .oom_score_adj = defaults_.oom_score_adj,
                    .report = report->write_end.get(),
                    .parent = self_});
  }
  kept.pid = cloned->pid;
  kept.pidfd = std::move(cloned->pidfd);
  kept.report = std::move(report->read_end);
  kept.listen = plan->listen();
  kept.uid = plan->user() ? plan->user()->uid : ::geteuid();
  std::size_t held_count = 0;
  for (std::size_t i = 0; i < attached.size(); ++i) {
    const Role role = request.roles.list[i];
    if (role != Role::kPlan && role != Role::kPassed) {
      kept.held[held_count++] = std::move(attached[i]);
    }
  }
  children_.push_back({.pid = kept.pid, .whose = Whose::kInstance, .place = effect.place});
  book_.OnForked(effect.token, kept.pid, kept.spot != CgroupShelf::kNoSpot,
                 kept.listen ? kept.listen->number : -1);
  const WatchKey key = WatchKey::Of(WatchKey::Kind::kProcessStart, effect.place, effect.token);
  if (!poller_.Add(kept.report.get(), os::Wanted::kReadable, key.Pack())) {
    // Nobody would tell us of the exec; the process is taken for what it most likely is.
    kept.report.Reset();
    book_.OnStarted(effect.token, now);
  }
}

void Processes::OnStartReport(const WatchKey& key, Instant now) {
  if (IsCurrent(key)) ReadStartReport(key.place, now);
}

void Processes::ReadStartReport(Place place, Instant now) {
  Kept& kept = kept_[place];
  if (!kept.report) return;
  const Token token = book_.records()[place].token;
  const os::ChildReport report = os::ReadChildReport(kept.report.get(), kept.reached_exec);
  if (report.state == os::ChildReport::State::kPending) return;
  poller_.Remove(kept.report.get());
  kept.report.Reset();
  if (report.state == os::ChildReport::State::kRuns) {
    book_.OnStarted(token, now);
    return;
  }
  for (Child& child : children_) {
    if (child.pid == kept.pid) child.whose = Whose::kNobody;
  }
  if (report.state == os::ChildReport::State::kDied) {
    book_.OnSpawnFailed(token, Stage::kDied, 0);
  } else {
    book_.OnSpawnFailed(token, StageOf(report.failure.stage), report.failure.error_number);
  }
}

// ---- Signals, kills, descriptors. ----

void Processes::Carry(const SendSignal& effect) {
  const Kept& kept = kept_[effect.place];
  const auto send = [&](int signal) -> os::SystemStatus {
    switch (effect.scope) {
      case Scope::kMain:
        return os::SendSignal(kept.pidfd.get(), signal);
      case Scope::kGroup:
        break;
    }
    // Who is not our child is reaped by somebody else, at any moment.
    const bool is_unreaped = kept.is_child && !kept.main_is_reaped;
    const auto leader = is_unreaped ? os::Leader::kUnreaped : os::Leader::kReaped;
    os::SystemStatus sent = os::SendSignalToGroup(kept.pidfd.get(), kept.pid, signal, leader);
    const bool cannot = !sent && sent.error().number == EINVAL && !kept.is_child;
    if (!cannot) return sent;
    return os::SignalGroupOneByOne(trees_, kept.pidfd.get(), kept.pid, signal);
  };
  // Gone is as good as signalled; what may not be signalled is killed, or found unkillable, at its
  // deadline.
  static_cast<void>(send(effect.signal).has_value());
  if (effect.then == SendSignal::Then::kContinue) {
    static_cast<void>(send(SIGCONT).has_value());
    if (effect.scope == Scope::kGroup) kept_[effect.place].stop_signal = effect.signal;
  }
}

void Processes::Carry(const KillTree& effect) {
  Kept& kept = kept_[effect.place];
  kept.is_killed = true;
  if (kept.spot != CgroupShelf::kNoSpot && shelf_.Kill(kept.spot)) return;
  // All of the tree has to be found before any of it dies: orphans are harder to tell.
  kept.is_killed_by_scan = true;
  must_look_ = must_scan_ = true;
}

void Processes::Carry(const Forget& effect, Instant now) {
  Kept& kept = kept_[effect.place];
  UnwatchCgroup(effect.place);
  if (kept.report) poller_.Remove(kept.report.get());
  if (kept.member) poller_.Remove(kept.member.get());
  if (!kept.is_child && kept.pidfd) poller_.Remove(kept.pidfd.get());
  shelf_.Return(kept.spot, now);
  kept = Kept{};
}

void Processes::Carry(const HoldDescriptor& effect, os::Fd descriptor) {
  if (held_.size() <= effect.place) held_.resize(effect.place + 1);
  held_[effect.place] = std::move(descriptor);
}

void Processes::Carry(const DropDescriptor& effect) { held_[effect.place].Reset(); }

std::size_t Processes::Attach(const Outgoing& outgoing, std::span<int> numbers) const {
  std::size_t count = 0;
  if (std::holds_alternative<Started>(outgoing.report)) {
    numbers[count++] = kept_[outgoing.place].pidfd.get();
  } else if (const auto* record = std::get_if<WorldRecord>(&outgoing.report)) {
    const Kept& kept = kept_[outgoing.place];
    if (HasPidfd(*record)) numbers[count++] = kept.pidfd.get();
    for (std::size_t i = 0; i < record->held.count; ++i) numbers[count++] = kept.held[i].get();
  } else if (std::holds_alternative<WorldHeld>(outgoing.report)) {
    numbers[count++] = held_[outgoing.place].get();
  }
  return count;
}

// ---- Ends. ----

std::optional<Processes::ReapedOne> Processes::Reap(Instant now) {
  const os::SystemResult<std::optional<os::Reaped>> reaped = os::ReapOne();
  if (!reaped || !*reaped) return std::nullopt;
  const auto child = std::ranges::find(children_, (*reaped)->pid, &Child::pid);
  if (child == children_.end()) {
    // An orphan that was left to us; perhaps the last of its tree.
    must_look_ = true;
    return ReapedOne{};
  }
  const Child ended = *child;
  *child = children_.back();
  children_.pop_back();
  if (ended.whose == Whose::kInstance) OnMainReaped(ended.place, **reaped, now);
  return ReapedOne{.was_daemon = ended.whose == Whose::kDaemon};
}

void Processes::OnMainReaped(Place place, const os::Reaped& reaped, Instant now) {
  // It may have gone so fast that its start was not heard of yet; it is in the pipe.
  ReadStartReport(place, now);
  const Record& record = book_.records()[place];
  Kept& kept = kept_[place];
  if (kept.report) book_.OnSpawnFailed(record.token, Stage::kDied, 0);
  if (record.failed || record.phase != Phase::kRunning) return;
  OnMainGone(place,
             {.status = reaped.status,
              .user_time = reaped.user_time,
              .system_time = reaped.system_time,
              .at = now},
             now);
}

void Processes::OnMainGone(Place place, ExitRecord exit, Instant now) {
  Kept& kept = kept_[place];
  kept.main_is_reaped = true;
  const bool in_cgroup = kept.spot != CgroupShelf::kNoSpot;
  if (in_cgroup && exit.status == ExitStatus::Signal(SIGKILL) && !kept.is_killed) {
    exit.status.out_of_memory = shelf_.SawOomKill(kept.spot);
  }
  book_.OnMainExited(book_.records()[place].token, exit);
  AwaitTree(place, now);
}

void Processes::AwaitTree(Place place, Instant now) {
  Kept& kept = kept_[place];
  if (kept.spot == CgroupShelf::kNoSpot) {
    must_look_ = true;
  } else if (shelf_.IsEmpty(kept.spot)) {
    OnTreeEmpty(place, now);
  } else {
    WatchCgroup(place);
    if (kept.stop_signal != 0) must_look_ = must_scan_ = true;
  }
}

void Processes::OnTreeEmpty(Place place, Instant now) {
  UnwatchCgroup(place);
  shelf_.Return(std::exchange(kept_[place].spot, CgroupShelf::kNoSpot), now);
  book_.OnTreeEmpty(book_.records()[place].token, now);
}

void Processes::OnCgroupChanged(const WatchKey& key, Instant now) {
  if (!IsCurrent(key) || !kept_[key.place].is_watched) return;
  if (shelf_.IsEmpty(kept_[key.place].spot)) OnTreeEmpty(key.place, now);
}

void Processes::WatchCgroup(Place place) {
  Kept& kept = kept_[place];
  const WatchKey key = WatchKey::Of(WatchKey::Kind::kCgroup, place, book_.records()[place].token);
  kept.is_watched =
      poller_.Add(shelf_.events(kept.spot), os::Wanted::kChanged, key.Pack()).has_value();
}

void Processes::UnwatchCgroup(Place place) {
  Kept& kept = kept_[place];
  if (kept.is_watched) poller_.Remove(shelf_.events(kept.spot));
  kept.is_watched = false;
}

bool Processes::IsCurrent(const WatchKey& key) const {
  if (key.place >= book_.records().size()) return false;
  const Token token = book_.records()[key.place].token;
  return token.is_set() && static_cast<std::uint32_t>(token.number()) == key.token_bits;
}

}  // namespace oxherd::keeper
