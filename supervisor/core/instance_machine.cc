#include "core/instance_machine.h"

#include <algorithm>
#include <utility>

#include "core/auto_listen.h"
#include "core/restart_policy.h"
#include "core/supervisor.h"

namespace oxherd {
namespace {

using Tell = action::Tell;

std::uint32_t MillisBetween(Instant from, Instant to) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ToMillis(to - from), 0, UINT32_MAX));
}

}  // namespace

void Machine::Say(Tell::Kind kind, Token token, std::uint32_t millis, std::int32_t number) {
  context_.actions.push_back(Tell{.kind = kind,
                                  .instance = context_.id,
                                  .generation = self_.generation,
                                  .token = token,
                                  .millis = millis,
                                  .number = number,
                                  .failure = {}});
}

void Machine::SayFailure(Tell::Kind kind, Token token, std::uint32_t millis, std::int32_t number) {
  Say(kind, token, millis, number);
  std::get<Tell>(context_.actions.back()).failure = self_.failure;
}

// ---- entering states

InstanceState Machine::EnterStarting() {
  const Token token = context_.next_token;
  context_.next_token = token.Next();
  Starting starting{.process = {.token = token, .pid = {}, .spawned_at = now()},
                    .confirmed = false,
                    .ready_by = kNever,
                    .proven_at = kNever,
                    .probing = {}};
  if (policy().ready_timeout) {
    // With kUptime the time-out is for the exec; the proof itself takes min_uptime more.
    const Millis more = policy().ready_by == ReadyBy::kUptime ? policy().min_uptime : Millis(0);
    starting.ready_by = now() + *policy().ready_timeout + more;
  }
  context_.actions.push_back(action::Spawn{.token = token,
                                           .instance = context_.id,
                                           .generation = self_.generation,
                                           .kind = ProcessKind::kInstance,
                                           .socket = self_.socket});
  Say(Tell::Kind::kSpawning, token);
  return starting;
}

InstanceState Machine::EnterReady(const Process& process) {
  self_.was_ready = true;
  self_.text_busy = 0;
  Say(Tell::Kind::kReady, process.token, MillisBetween(process.spawned_at, now()));
  Ready ready{.process = process, .since = now(), .probing = {}, .deaf_at = kNever};
  if (policy().has_health) ready.probing.next = now() + policy().health_interval;
  return ready;
}

// A start by command: what was counted against the instance is forgotten.
InstanceState Machine::FreshStart(const on::Start& start) {
  self_.crashes = 0;
  self_.text_busy = 0;
  self_.failure = {};
  self_.taken_out = false;
  self_.out_until = kNever;
  if (policy().scheduled && start.why == on::Start::Why::kWanted) {
    return Exited{.awaits_schedule = true};
  }
  Waiting waiting{.delay_until = kNever, .order = Order::kAfterDependencies};
  if (policy().start_delay > Millis(0)) waiting.delay_until = now() + policy().start_delay;
  return waiting;
}

InstanceState Machine::BeginStop(const Process& process, on::Stop::How how, After after) {
  if (how == on::Stop::How::kForced) return KillNow(process, after, Killing::Why::kForced);
  if (policy().has_pre_stop) {
    const Token hook =
        StartHook(ProcessKind::kPreStop, self_.generation, policy().hook_timeout, context_);
    return Stopping{.process = process,
                    .phase = Stopping::Phase::kPreStop,
                    .until = now() + policy().hook_timeout,
                    .after = after,
                    .hook = hook};
  }
  return SendSignal(process, after);
}

InstanceState Machine::SendSignal(const Process& process, After after) {
  if (policy().stop_timeout == Millis(0)) return KillNow(process, after, Killing::Why::kForced);
  const Instant kill_at = now() + policy().stop_timeout;
  context_.actions.push_back(action::Stop{.token = process.token,
                                          .signal = policy().stop_signal,
                                          .scope = policy().kill_mode,
                                          .kill_at = kill_at});
  Say(Tell::Kind::kStopping, process.token,
      static_cast<std::uint32_t>(policy().stop_timeout.count()), policy().stop_signal);
  return Stopping{.process = process,
                  .phase = Stopping::Phase::kSignal,
                  .until = kill_at,
                  .after = after,
                  .hook = {}};
}

InstanceState Machine::EnterDraining(const Process& process, Instant ready_since,
                                     Instant not_before) {
  // In traffic, requests are under way: they are waited for, but not for ever.
  const bool in_traffic = self_.socket.has_value();
  const Instant until = in_traffic ? std::max(not_before, now() + policy().drain_max) : not_before;
  if (until <= now()) return BeginStop(process, on::Stop::How::kInTime, After::kStopped);
  Say(Tell::Kind::kDraining, process.token, MillisBetween(now(), until));
  return Draining{.process = process,
                  .ready_since = ready_since,
                  .until = until,
                  .not_before = not_before,
                  .drained = !in_traffic,
                  .watched = !in_traffic,
                  .unhealthy_since = kNever};
}

InstanceState Machine::KillNow(const Process& process, After after, Killing::Why why) {
  context_.actions.push_back(action::Kill{process.token});
  if (why != Killing::Why::kRest) Say(Tell::Kind::kKilling, process.token);
  return Killing{.process = process,
                 .unkillable_at = now() + kUnkillableAfter,
                 .unkillable = false,
                 .why = why,
                 .after = after};
}

// ---- the end of a process

// The main process ended while the instance was to run: a crash, unless it is a oneshot's 0. What
// is left of its tree is killed; what follows is decided when that is gone.
InstanceState Machine::MainExited(const Process& process, ExitStatus status, bool was_ready,
                                  Instant ready_since) {
  self_.last_exit = status;
  const std::uint32_t uptime = MillisBetween(process.spawned_at, now());
  const bool done = policy().type == ServiceType::kOneshot && status.success();
  self_.failure = {};
  if (!done) {
    self_.failure.kind = Failure::Kind::kExited;
    self_.failure.status = status;
    self_.failure.was_ready = was_ready;
    self_.failure.slot = context_.id.slot;
    self_.failure.millis = uptime;
    self_.failure.token = process.token;
    context_.failed = true;
  }
  if (was_ready && now() - ready_since >= policy().restart_window) self_.crashes = 0;
  SayFailure(Tell::Kind::kExited, process.token, uptime);
  std::get<Tell>(context_.actions.back()).failure.status = status;
  return KillNow(process, After::kCrash, Killing::Why::kRest);
}

// The main process ended after it was told to go, or to make room.
InstanceState Machine::RestRemoved(const Process& process, ExitStatus status) {
  self_.last_exit = status;
  Say(Tell::Kind::kExited, process.token, MillisBetween(process.spawned_at, now()));
  std::get<Tell>(context_.actions.back()).failure.status = status;
  return KillNow(process, After::kStopped, Killing::Why::kRest);
}

// Nothing ever ran under this token.
InstanceState Machine::SpawnFailed(const Process& process, const on::SpawnFailed& failure) {
  self_.failure = {};
  self_.failure.kind = Failure::Kind::kSpawn;
  self_.failure.stage = failure.stage;
  self_.failure.number = failure.number;
  self_.failure.slot = context_.id.slot;
  self_.failure.token = process.token;
  context_.actions.push_back(action::Acknowledge{process.token});
  const SpawnErrno meaning = ClassifySpawnErrno(failure.number);
  if (meaning == SpawnErrno::kTextBusy && self_.text_busy < kTextBusyTries && context_.wanted) {
    ++self_.text_busy;
    return WaitBeforeRestart(kTextBusyDelay);
  }
  SayFailure(Tell::Kind::kSpawnFailed, process.token);
  context_.failed = true;
  context_.settled = true;
  if (!context_.wanted) return Stopped{};
  if (meaning != SpawnErrno::kTransient && !self_.was_ready) return GiveUp();
  ++self_.crashes;
  if (GivesUp(policy(), self_.crashes)) return GiveUp();
  const Millis delay = BackoffDelay(policy(), self_.crashes, context_.seed, context_.id);
  return WaitBeforeRestart(std::max(delay, kRespawnDelay));
}

InstanceState Machine::TreeGone(const Process& process, After after, bool asked_to_stop) {
  context_.actions.push_back(action::Acknowledge{process.token});
  if (asked_to_stop && policy().has_post_stop) {
    const Token hook =
        StartHook(ProcessKind::kPostStop, self_.generation, policy().hook_timeout, context_);
    return Stopping{.process = process,
                    .phase = Stopping::Phase::kPostStop,
                    .until = now() + policy().hook_timeout,
                    .after = after,
                    .hook = hook};
  }
  return Finish(process, after);
}

InstanceState Machine::Finish(const Process& process, After after) {
  if (after == After::kCrash) return AfterCrash(process);
  if (after == After::kAgain && context_.wanted) {
    return Waiting{.delay_until = kNever, .order = Order::kAtOnce};
  }
  Say(Tell::Kind::kStopped, {}, MillisBetween(self_.state_since, now()));
  return Stopped{};
}

// Whether the policy starts again what has just crashed.
bool Machine::IsToStartAgain() const {
  if (policy().type == ServiceType::kOneshot) return false;
  if (self_.failure.kind != Failure::Kind::kExited) return true;
  return StartsAgain(policy(), self_.last_exit.value_or(ExitStatus{}), self_.failure.was_ready);
}

InstanceState Machine::AfterCrash(const Process& process) {
  context_.settled = true;
  if (!context_.wanted) return Stopped{};
  if (policy().type == ServiceType::kOneshot) {
    if (self_.failure.is_set()) return GiveUp();
    self_.was_ready = true;
    Say(Tell::Kind::kDone, {}, MillisBetween(process.spawned_at, now()));
    return Exited{.awaits_schedule = policy().scheduled};
  }
  const bool is_refused = self_.failure.kind == Failure::Kind::kBindFamily ||
                          self_.failure.kind == Failure::Kind::kBindWidth;
  if (is_refused && !self_.was_ready) return GiveUp();  // it would ask for the same again
  if (!IsToStartAgain()) {
    Say(Tell::Kind::kDone, {}, MillisBetween(process.spawned_at, now()));
    return Exited{};
  }
  if (self_.crashes == 0) self_.first_crash = now();
  if (self_.crashes < UINT16_MAX) ++self_.crashes;
  if (GivesUp(policy(), self_.crashes)) return GiveUp();
  ++self_.restarts;
  return WaitBeforeRestart(BackoffDelay(policy(), self_.crashes, context_.seed, context_.id));
}

InstanceState Machine::GiveUp() {
  Failed failed{.retry_at = kNever};
  const bool again = policy().type == ServiceType::kService && policy().failed_retry > Millis(0) &&
                     policy().restart != RestartPolicy::kNo;
  if (again) failed.retry_at = now() + policy().failed_retry;
  SayFailure(Tell::Kind::kFailed, self_.failure.token,
             again ? static_cast<std::uint32_t>(policy().failed_retry.count()) : 0, self_.crashes);
  return failed;
}

InstanceState Machine::WaitBeforeRestart(Millis delay) {
  SayFailure(Tell::Kind::kBackoff, self_.failure.token, static_cast<std::uint32_t>(delay.count()),
             self_.crashes);
  if (delay == Millis(0)) return Waiting{.delay_until = kNever, .order = Order::kAtOnce};
  return Backoff{.until = now() + delay};
}

namespace {

// A proof, such as a line of output, can come before the keeper's word that it was started.
template <typename State>
State WithPid(State state, Pid pid) {
  state.process.pid = pid;
  return state;
}

}  // namespace

// ---- one On() per state; only the cells that the table calls handled get here

InstanceState Machine::On(const Waiting& state, const InstanceEvent& event) {
  if (As<on::Stop>(event)) return Stopped{};
  if (const auto* none = As<on::NoSockets>(event)) return StayDown(*none);
  // on::Due: the delay is over; who checks dependencies and bounds calls Launch().
  Waiting next = state;
  if (next.delay_until <= now()) next.delay_until = kNever;
  return next;
}

InstanceState Machine::On(const Starting& state, const InstanceEvent& event) {
  if (const auto* stop = As<on::Stop>(event)) {
    return BeginStop(state.process, stop->how, After::kStopped);
  }
  if (As<on::Retire>(event)) {
    return BeginStop(state.process, on::Stop::How::kInTime, After::kStopped);
  }
  if (As<on::Proof>(event)) return EnterReady(state.process);
  if (const auto* started = As<on::Started>(event)) {
    Starting next = state;
    next.confirmed = true;
    next.process.pid = started->pid;
    if (policy().ready_by == ReadyBy::kUptime) next.proven_at = now() + policy().min_uptime;
    if (policy().ready_by == ReadyBy::kHealth) {
      next.probing.next = now() + policy().health_initial_delay;
    } else if (const auto within = MayBindWithin(policy())) {
      next.proven_at = now() + *within;
    } else if (policy().ready_by == ReadyBy::kListen) {
      next.probing.next = now();
    }
    Say(Tell::Kind::kStarted, state.process.token, 0, started->pid.number());
    return next;
  }
  if (const auto* failure = As<on::SpawnFailed>(event)) return SpawnFailed(state.process, *failure);
  if (const auto* exit = As<on::Exit>(event)) {
    return MainExited(state.process, exit->status, false, {});
  }
  if (const auto* refused = As<on::Refused>(event)) return Refuse(state.process, *refused);
  // on::Due
  if (state.proven_at <= now()) return EnterReady(state.process);
  if (state.ready_by > now()) return state;  // the deadline was the health question's
  self_.failure = {};
  self_.failure.kind = Failure::Kind::kNotReady;
  self_.failure.slot = context_.id.slot;
  self_.failure.millis = MillisBetween(state.process.spawned_at, now());
  self_.failure.token = state.process.token;
  context_.failed = true;
  SayFailure(Tell::Kind::kNotReady, state.process.token, self_.failure.millis);
  return BeginStop(state.process, on::Stop::How::kInTime, After::kCrash);
}

InstanceState Machine::On(const Ready& state, const InstanceEvent& event) {
  if (const auto* started = As<on::Started>(event)) return WithPid(state, started->pid);
  if (const auto* stop = As<on::Stop>(event)) {
    return BeginStop(state.process, stop->how, After::kStopped);
  }
  if (const auto* retire = As<on::Retire>(event)) {
    return EnterDraining(state.process, state.since, retire->not_before);
  }
  if (As<on::Bad>(event)) return TurnBad(state, Failure::Kind::kUnhealthy);
  if (const auto* exit = As<on::Exit>(event)) {
    return MainExited(state.process, exit->status, true, state.since);
  }
  // on::Due: the health question's, if it is not that nobody can reach it.
  return state.deaf_at <= now() ? TurnBad(state, Failure::Kind::kDeaf) : InstanceState(state);
}

InstanceState Machine::On(const Unhealthy& state, const InstanceEvent& event) {
  if (const auto* started = As<on::Started>(event)) return WithPid(state, started->pid);
  if (const auto* stop = As<on::Stop>(event)) {
    return BeginStop(state.process, stop->how, After::kStopped);
  }
  if (const auto* retire = As<on::Retire>(event)) {
    InstanceState next = EnterDraining(state.process, state.ready_since, retire->not_before);
    if (auto* draining = std::get_if<Draining>(&next)) draining->unhealthy_since = state.since;
    return next;
  }
  if (As<on::Good>(event)) {
    Say(Tell::Kind::kHealthyAgain, state.process.token);
    self_.failure = {};
    return Ready{.process = state.process,
                 .since = state.ready_since,
                 .probing = {.next = now() + policy().health_interval, .asking = false},
                 .deaf_at = kNever};
  }
  if (const auto* exit = As<on::Exit>(event)) {
    return MainExited(state.process, exit->status, true, state.ready_since);
  }
  return state;  // on::Due: the health question's, or a try to replace it, which a rollout makes
}

InstanceState Machine::On(const Draining& state, const InstanceEvent& event) {
  if (const auto* started = As<on::Started>(event)) return WithPid(state, started->pid);
  if (const auto* stop = As<on::Stop>(event)) {
    return BeginStop(state.process, stop->how, After::kStopped);
  }
  if (As<on::Undrain>(event)) {
    return Undrained(state);
  }
  if (const auto* exit = As<on::Exit>(event)) return RestRemoved(state.process, exit->status);
  if (As<on::Drained>(event) && state.not_before > now()) {
    Draining next = state;
    next.drained = true;
    next.until = state.not_before;
    return next;
  }
  if (As<on::Due>(event) && state.until > now()) return state;
  return BeginStop(state.process, on::Stop::How::kInTime, After::kStopped);
}

InstanceState Machine::On(const Stopping& state, const InstanceEvent& event) {
  Stopping next = state;
  if (const auto* stop = As<on::Stop>(event)) {
    next.after = After::kStopped;
    const bool has_process = state.phase != Stopping::Phase::kPostStop;
    if (stop->how == on::Stop::How::kForced && has_process) {
      return KillNow(state.process, After::kStopped, Killing::Why::kForced);
    }
    return next;
  }
  if (As<on::Retire>(event)) {
    next.after = After::kStopped;
    return next;
  }
  if (const auto* started = As<on::Started>(event)) return WithPid(state, started->pid);
  if (const auto* exit = As<on::Exit>(event)) {
    self_.last_exit = exit->status;
    Say(Tell::Kind::kExited, state.process.token, MillisBetween(state.process.spawned_at, now()));
    std::get<Tell>(context_.actions.back()).failure.status = exit->status;
    return next;
  }
  if (As<on::Gone>(event) || As<on::SpawnFailed>(event)) {
    return TreeGone(state.process, state.after, As<on::Gone>(event) != nullptr);
  }
  switch (state.phase) {
    case Stopping::Phase::kPreStop:  // on::HookDone, on::Due
      return SendSignal(state.process, state.after);
    case Stopping::Phase::kSignal:  // on::Due, on::KillFired: the keeper has sent SIGKILL
      if (As<on::HookDone>(event)) return state;
      if (As<on::Due>(event) && state.until > now()) return state;
      Say(Tell::Kind::kKilling, state.process.token);
      return Killing{.process = state.process,
                     .unkillable_at = now() + kUnkillableAfter,
                     .unkillable = false,
                     .why = Killing::Why::kInTime,
                     .after = state.after};
    case Stopping::Phase::kPostStop:  // on::HookDone, on::Due
      return Finish(state.process, state.after);
  }
  return state;
}

InstanceState Machine::On(const Killing& state, const InstanceEvent& event) {
  Killing next = state;
  if (As<on::Stop>(event) || As<on::Retire>(event)) {
    next.after = After::kStopped;
    return next;
  }
  if (const auto* started = As<on::Started>(event)) return WithPid(state, started->pid);
  if (const auto* exit = As<on::Exit>(event)) {
    self_.last_exit = exit->status;
    return next;
  }
  if (As<on::Gone>(event) || As<on::SpawnFailed>(event)) {
    return TreeGone(state.process, state.after, state.why != Killing::Why::kRest);
  }
  // on::Due
  if (state.unkillable_at > now()) return state;
  Say(Tell::Kind::kUnkillable, state.process.token);
  next.unkillable = true;
  next.unkillable_at = kNever;
  return next;
}

InstanceState Machine::On(const Backoff& state, const InstanceEvent& event) {
  if (const auto* start = As<on::Start>(event)) return FreshStart(*start);
  if (As<on::Stop>(event)) return Stopped{};
  if (As<on::Turn>(event)) return Exited{};
  if (state.until > now()) return state;
  return Waiting{.delay_until = kNever, .order = Order::kAtOnce};
}

InstanceState Machine::On(const Exited& state, const InstanceEvent& event) {
  if (const auto* start = As<on::Start>(event)) return FreshStart(*start);
  if (As<on::Undrain>(event)) {
    // The replacement for which its back-off was cancelled has failed.
    if (!IsToStartAgain()) return state;
    return WaitBeforeRestart(BackoffDelay(policy(), self_.crashes, context_.seed, context_.id));
  }
  return Stopped{};  // on::Stop
}

InstanceState Machine::On(const Failed& state, const InstanceEvent& event) {
  if (const auto* start = As<on::Start>(event)) return FreshStart(*start);
  if (As<on::Stop>(event)) return Stopped{};
  if (state.retry_at > now()) return state;
  return Waiting{.delay_until = kNever, .order = Order::kAtOnce};
}

InstanceState Machine::On(const Stopped& /*state*/, const InstanceEvent& event) {
  return FreshStart(std::get<on::Start>(event));
}

}  // namespace oxherd
