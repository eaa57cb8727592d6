// Checks of what is: 1, 2, 5, 6, 9, 15 and what the kernel knows.
#include <algorithm>

#include "core/auto_listen.h"
#include "core/supervisor.h"
#include "tests/sim/checker.h"

namespace oxherd::sim {
namespace {

bool HasDeadline(const InstanceView& one) {
  switch (one.kind) {
    case StateKind::kStarting:
    case StateKind::kDraining:
    case StateKind::kStopping:
    case StateKind::kKilling:
    case StateKind::kBackoff:
      return !one.may_take_for_ever;
    case StateKind::kWaiting:
    case StateKind::kReady:
    case StateKind::kUnhealthy:
    case StateKind::kExited:
    case StateKind::kFailed:
    case StateKind::kStopped:
      break;
  }
  return false;
}

bool IsDue(const Moment& moment) {
  return moment.event != nullptr && std::holds_alternative<event::Due>(*moment.event);
}

const Policy* PolicyOf(const Moment& moment, const InstanceView& one) {
  const Service* service = moment.state.Find(ServiceName(one.service));
  const KeptSpec* kept = service == nullptr ? nullptr : service->Find(one.generation);
  return kept == nullptr ? nullptr : &kept->spec->policy;
}

// Its socket is down: its program shut it, or it went down with others whose clients were moved,
// just before the instance was given it. (That the core's order is the kernel's is another
// invariant.)
bool HasNoSocket(const Moment& moment, const InstanceView& one) {
  const Process* process = moment.kernel.Find(one.token);
  if (process != nullptr && process->has_shut) return true;
  const Service* service = moment.state.Find(ServiceName(one.service));
  if (service == nullptr || !service->traffic || !one.socket) return false;
  return std::ranges::any_of(service->traffic->pools, [&](const Pool& pool) {
    return !pool.shared && *one.socket < pool.width &&
           std::ranges::count(pool.order, *one.socket) == 0;
  });
}

// What proves that this instance is ready has been seen.
bool IsProven(const Moment& moment, const Policy& policy, const TokenHistory& token) {
  switch (policy.ready_by) {
    case ReadyBy::kUptime:
      return token.started_at != kNever && moment.now >= token.decided_at + policy.min_uptime;
    case ReadyBy::kHealth:
      return token.good >= policy.healthy_threshold;
    case ReadyBy::kLog:
      return token.line_matched;
    case ReadyBy::kListen:
      if (const auto within = MayBindWithin(policy)) {  // it binds nothing
        return token.started_at != kNever && moment.now >= token.started_at + *within;
      }
      return token.good >= 1;
    case ReadyBy::kNotify:
      return token.line_matched;
    case ReadyBy::kExit:
      break;
  }
  return false;
}

}  // namespace

Violation CheckDeadlines(const Moment& moment) {
  const bool due = IsDue(moment);
  for (const InstanceView& one : moment.after.instances()) {
    if (!HasDeadline(one)) continue;
    if (one.deadline == kNever) return {Invariant::kDeadlines, "a state that could last for ever"};
    if (due && one.deadline <= moment.now) {
      return {Invariant::kDeadlines, "a deadline in the past after timers were run"};
    }
  }
  for (const HookView& hook : moment.after.hooks()) {
    if (!hook.killed || moment.event == nullptr) continue;
    const auto was_killed = [&](const HookView& one) {
      return one.token == hook.token && one.killed;
    };
    const auto is_its_end = [&](const Action& action) {
      const auto* kill = std::get_if<action::Kill>(&action);
      return kill != nullptr && kill->token == hook.token;
    };
    if (std::ranges::none_of(moment.before.hooks(), was_killed) &&
        std::ranges::none_of(moment.actions, is_its_end)) {
      return {Invariant::kDeadlines, "a hook's time is over, and it is not killed"};
    }
  }
  if (due && NextDeadline(moment.state) <= moment.now) {
    return {Invariant::kLiveness, "a timer was armed for now again"};
  }
  return {};
}

Violation CheckEvidence(const Moment& moment) {
  for (const InstanceView& one : moment.after.instances()) {
    const InstanceView* was = moment.before.Find(one.token);
    if (!one.token.is_set() || (was != nullptr && was->kind == one.kind)) continue;
    if (one.kind != StateKind::kReady && one.kind != StateKind::kUnhealthy) continue;
    const TokenHistory* token = moment.ledger.Find(one.token);
    const Policy* policy = PolicyOf(moment, one);
    if (token == nullptr || policy == nullptr) continue;
    if (one.kind == StateKind::kReady) {
      if (moment.event == nullptr && moment.ledger.image_was_lost) continue;  // adopted as it is
      if (token->ended_at != kNever) return {Invariant::kEvidence, "Ready after its end"};
      const bool again =
          was != nullptr && (was->kind == StateKind::kUnhealthy ||
                             (was->kind == StateKind::kDraining && token->was_unhealthy));
      if (again && token->good < policy->healthy_threshold) {
        return {Invariant::kEvidence, "healthy again without the answers that say so"};
      }
      const bool anew = was == nullptr || was->kind == StateKind::kStarting;
      if (anew && token->ready_at == kNever && !IsProven(moment, *policy, *token)) {
        return {Invariant::kEvidence, "Ready without proof from this very process"};
      }
    }
    const bool was_asked = token->bad >= policy->unhealthy_threshold;
    const bool undrained =
        was != nullptr && was->kind == StateKind::kDraining && token->was_unhealthy;
    if (one.kind == StateKind::kUnhealthy && !was_asked && !undrained &&
        !HasNoSocket(moment, one)) {
      return {Invariant::kEvidence, "Unhealthy without the answers that say so"};
    }
  }
  for (const Action& action : moment.actions) {
    const auto* tell = std::get_if<action::Tell>(&action);
    if (tell == nullptr || tell->kind != action::Tell::Kind::kReady) continue;
    const InstanceView* was = moment.before.Find(tell->token);
    const TokenHistory* token = moment.ledger.Find(tell->token);
    const Policy* policy = was == nullptr ? nullptr : PolicyOf(moment, *was);
    if (token == nullptr || policy == nullptr) continue;
    if (!IsProven(moment, *policy, *token)) {
      return {Invariant::kEvidence, "said to be Ready without proof from this very process"};
    }
  }
  for (const InstanceView& one : moment.after.instances()) {
    if (!one.is_ready()) continue;
    const TokenHistory* token = moment.ledger.Find(one.token);
    if (token != nullptr && token->started_at != kNever && !one.has_pid) {
      return {Invariant::kEvidence, "Ready, told its pid, and does not know it"};
    }
  }
  return {};
}

// ---- Between steps. ----

Violation CheckProcesses(const Scene& scene) {
  for (const Process& process : scene.kernel.processes()) {
    if (process.stop_signals > 1) {
      return {Invariant::kSignalOnce, "the stop signal was sent twice"};
    }
    if (process.was_hit_in_doubt) {
      return {Invariant::kNoSignalToDead, "a signal for a process in doubt"};
    }
    if (scene.view == nullptr || !process.is_alive()) continue;
    if (process.kind != ProcessKind::kInstance) continue;
    std::size_t owners = 0;
    for (const InstanceView& one : scene.view->instances()) {
      if (one.token != process.token) continue;
      ++owners;
      if (one.service != process.service || one.slot != process.slot ||
          (one.generation != process.generation && !scene.ledger.image_was_lost)) {
        return {Invariant::kOneInstance, "a live process in another slot than it was started for"};
      }
    }
    if (owners == 0) return {Invariant::kOneInstance, "a live process that no instance has"};
    if (owners > 1) return {Invariant::kOneInstance, "a live process that two instances have"};
  }
  return {};
}

Violation CheckHowManyLive(const Scene& scene) {
  std::array<std::size_t, kMaxServices> alive{};
  for (const Process& process : scene.kernel.processes()) {
    if (process.is_alive() && process.kind == ProcessKind::kInstance) ++alive[process.service];
  }
  for (std::size_t i = 0; i < kMaxServices; ++i) {
    if (alive[i] <= 2 || scene.ledger.image_was_lost)
      continue;  // cheap way out: more needs a reason
    std::size_t most = 0;
    std::size_t parallel = 1;
    for (const GenerationHistory& generation : scene.ledger.services[i].generations) {
      if (!generation.known) continue;
      const Policy& policy = scene.scenario.versions[i][generation.version].spec->policy;
      most = std::max({most, std::size_t{policy.instances}, scene.scenario.most_scaled});
      parallel = std::max<std::size_t>(parallel, policy.reload_parallel);
    }
    if (alive[i] > most + parallel) {
      return {Invariant::kHowManyLive, "more processes of a service than it may have"};
    }
  }
  return {};
}

Violation CheckKills(const Scene& scene) {
  for (const Process& process : scene.kernel.processes()) {
    if (process.kind != ProcessKind::kInstance || process.is_in_doubt) continue;
    const bool killed = process.killed_at != kNever;
    if (!killed && !scene.ledger.leaving && process.is_alive() &&
        process.life != Process::Life::kForked && process.kill_at < scene.now) {
      return {Invariant::kKillInTime, "alive after kill_at without a SIGKILL"};
    }
    if (!killed) continue;
    TokenHistory& history = scene.ledger.At(process.token);
    if (std::exchange(history.kill_was_seen, true)) continue;
    const ServiceHistory& service = scene.ledger.services[process.service];
    const Policy& policy = scene.scenario.versions[process.service][process.version].spec->policy;
    if (scene.ledger.image_was_lost) continue;  // its own policy may be forgotten
    if (service.was_refused && history.ready_at == kNever) continue;  // it could never serve
    const bool in_time = process.killed_at >= process.kill_at;
    const bool rest = process.main_gone_at <= scene.now;
    if (!in_time && !rest && !service.forced && policy.stop_timeout != Millis(0) &&
        !scene.ledger.leaving) {
      return {Invariant::kKillInTime, "SIGKILL before kill_at"};
    }
  }
  return {};
}

// At most two, not counting what was told to go already (an old one may be unkillable), nor what a
// roll-back had to leave mixed (Failure::old_lost): the rollout after it may show a third.
Violation CheckGenerationsAlive(const Scene& scene) {
  if (scene.view == nullptr) return {};
  std::array<Generation, kMaxServices> first{};
  std::array<Generation, kMaxServices> second{};
  for (const InstanceView& one : scene.view->instances()) {
    if (!one.token.is_set() || one.is_leaving()) continue;
    if (scene.ledger.services[one.service].is_mixed) continue;
    Generation& a = first[one.service];
    Generation& b = second[one.service];
    if (!a.is_set() || a == one.generation) {
      a = one.generation;
    } else if (!b.is_set() || b == one.generation) {
      b = one.generation;
    } else {
      return {Invariant::kOneRollout, "three generations of a service alive"};
    }
  }
  return {};
}

}  // namespace oxherd::sim
