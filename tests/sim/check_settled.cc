// Liveness: what has to be so once faults are over and things have come to rest.
#include <algorithm>

#include "tests/sim/checker.h"

namespace oxherd::sim {
namespace {

// An instance that is where it can stay: up, or down for a reason that its spec gives.
bool IsAtRest(const Service& service, const Slot& slot, bool is_mixed) {
  if (slot.replacement) return false;
  const Instance& instance = slot.current;
  const auto index = static_cast<std::size_t>(&slot - service.slots.data());
  if (is_mixed && service.is_gap(index)) return true;
  if (slot.wish == Wish::kStopped || service.wish == Wish::kStopped) {
    return instance.kind() == StateKind::kStopped;
  }
  const bool newest = instance.generation == service.generation || is_mixed;
  const Policy& policy = service.policy(instance.generation);
  switch (instance.kind()) {
    case StateKind::kReady:
      // A question that is on its way is answered, sooner or later.
      return newest && !std::get<Ready>(instance.state).probing.asking;
    case StateKind::kExited:
      return policy.type == ServiceType::kOneshot || policy.restart != RestartPolicy::kAlways;
    case StateKind::kFailed:
      return std::get<Failed>(instance.state).retry_at == kNever;
    case StateKind::kWaiting:
    case StateKind::kStarting:
    case StateKind::kUnhealthy:
    case StateKind::kDraining:
    case StateKind::kStopping:
    case StateKind::kKilling:
    case StateKind::kBackoff:
    case StateKind::kStopped:
      break;
  }
  return false;
}

// Waits for a dependency that nobody wants, or that has failed for good: rest, if not what one
// would like.
bool WaitsInVain(const State& state, const Service& service) {
  for (const Slot& slot : service.slots) {
    const bool waits = slot.current.kind() == StateKind::kWaiting && !slot.replacement;
    if (!waits && !IsAtRest(service, slot, true)) return false;
  }
  return std::ranges::any_of(service.waits_for, [&](const Dependency& need) {
    const Service* other = state.Find(need.service);
    if (other == nullptr || other->wish == Wish::kStopped) return true;
    const auto is_down = [](const Slot& slot) {
      const StateKind kind = slot.current.kind();
      return kind == StateKind::kFailed || kind == StateKind::kExited ||
             kind == StateKind::kStopped || kind == StateKind::kWaiting;
    };
    return std::ranges::any_of(other->slots, is_down) || need.kind == DependencyKind::kCompleted;
  });
}

}  // namespace

bool Checker::IsAsWanted(const State& state, const Kernel& kernel, const keeper::Book& book) const {
  if (state.shutdown) return false;  // it ends with the keeper's exit
  std::size_t processes = 0;
  for (const Service& service : state.services) {
    if (service.rollout || service.next || service.stop_order || service.deleting) return false;
    if (!service.hooks.empty()) return false;
    const ServiceHistory& history = ledger_.services[ServiceIndex(service.name)];
    const auto at_rest = [&](const Slot& slot) {
      return IsAtRest(service, slot, history.is_mixed);
    };
    if (!std::ranges::all_of(service.slots, at_rest) && !WaitsInVain(state, service)) return false;
    for (const Slot& slot : service.slots) processes += slot.current.is_live() ? 1U : 0U;
  }
  const auto alive =
      std::ranges::count_if(kernel.processes(), [](const Process& one) { return one.is_alive(); });
  return static_cast<std::size_t>(alive) == processes && book.count() == processes;
}

void Checker::Settled(const State& state, const Kernel& kernel, const keeper::Book& book,
                      bool has_exited) {
  if (has_exited) {
    const bool left =
        std::ranges::any_of(kernel.processes(), [](const Process& one) { return one.is_alive(); });
    if (left && !kept_) Fail(Invariant::kLiveness, "the daemon left processes behind");
    return;
  }
  if (book.count() != kernel.processes().size()) {
    Fail(Invariant::kAcknowledged, "the keeper keeps a record that nobody needs");
  }
  for (const Service& service : state.services) {
    const ServiceHistory& history = ledger_.services[ServiceIndex(service.name)];
    using Wanted = ServiceHistory::Wanted;
    const bool wanted = service.wish == Wish::kRunning;
    if (history.wanted == Wanted::kRunning && !wanted) {
      Fail(Invariant::kLiveness, "started by command, and not wanted in the end");
    }
    if (history.wanted == Wanted::kStopped && wanted) {
      Fail(Invariant::kLiveness, "stopped by command, and wanted in the end");
    }
    if (!wanted || history.is_mixed) continue;
    if (service.slots.size() != service.spec().policy.instances) {
      Fail(Invariant::kLiveness, "not as many instances as the spec says");
    }
    const auto& generations = history.generations;
    if (service.generation.number() < generations.size() &&
        generations[service.generation.number()].failed) {
      Fail(Invariant::kLiveness, "what failed is the newest generation in the end");
    }
  }
}

}  // namespace oxherd::sim
