// The steps of an instance that traffic makes: nobody can reach it, it is wanted again, no sockets
// to be had, an address that is refused.
#include <algorithm>

#include "core/instance_machine.h"
#include "core/restart_policy.h"

namespace oxherd {

using Tell = action::Tell;

// It runs on until its replacement is Ready.
InstanceState Machine::TurnBad(const Ready& state, Failure::Kind why) {
  self_.failure = {};
  self_.failure.kind = why;
  self_.failure.was_ready = true;
  self_.failure.slot = context_.id.slot;
  self_.failure.token = state.process.token;
  context_.failed = true;
  if (why == Failure::Kind::kDeaf) {
    SayFailure(Tell::Kind::kUnhealthy, state.process.token);
  } else {
    Say(Tell::Kind::kUnhealthy, state.process.token);
  }
  const Instant next = policy().has_health ? now() + policy().health_interval : kNever;
  return Unhealthy{.process = state.process,
                   .ready_since = state.since,
                   .since = now(),
                   .next_try = now(),
                   .tries = 0,
                   .probing = {.next = next, .asking = false}};
}

// As it was before it drained.
InstanceState Machine::Undrained(const Draining& state) {
  Say(Tell::Kind::kUndrained, state.process.token);
  const auto ask_in = [&](Millis delay) {
    return Probing{.next = policy().has_health ? now() + delay : kNever, .asking = false};
  };
  if (state.unhealthy_since != kNever) {
    return Unhealthy{.process = state.process,
                     .ready_since = state.ready_since,
                     .since = state.unhealthy_since,
                     .next_try = now(),
                     .tries = 0,
                     .probing = ask_in(Millis(0))};
  }
  return Ready{.process = state.process,
               .since = state.ready_since,
               .probing = ask_in(policy().health_interval),
               .deaf_at = kNever};
}

// Nothing was started, and nothing would accept: a failed start like any other.
InstanceState Machine::StayDown(const on::NoSockets& none) {
  self_.failure = none.failure;
  self_.failure.slot = context_.id.slot;
  SayFailure(Tell::Kind::kSpawnFailed, {});
  context_.failed = true;
  context_.settled = true;
  if (!context_.wanted) return Stopped{};
  if (!self_.was_ready) return GiveUp();
  ++self_.crashes;
  if (GivesUp(policy(), self_.crashes)) return GiveUp();
  const Millis delay = BackoffDelay(policy(), self_.crashes, context_.seed, context_.id);
  return WaitBeforeRestart(std::max(delay, kRespawnDelay));
}

// Without its socket it will serve nobody, whatever it does now.
InstanceState Machine::Refuse(const Process& process, const on::Refused& refused) {
  if (refused.then == on::Refused::Then::kTryAgain)
    return KillNow(process, After::kAgain, Killing::Why::kRest);
  self_.failure = refused.failure;
  self_.failure.slot = context_.id.slot;
  self_.failure.token = process.token;
  context_.failed = true;
  SayFailure(Tell::Kind::kNotReady, process.token);
  return KillNow(process, After::kCrash, Killing::Why::kRest);
}

}  // namespace oxherd
