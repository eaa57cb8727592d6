#include "core/start_order.h"

#include <algorithm>
#include <utility>

#include "core/rollout.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

const Policy* FindPolicy(const State& state, const std::vector<SpecPtr>& specs,
                         std::string_view name) {
  for (const SpecPtr& spec : specs) {
    if (spec->name == name) return &spec->policy;
  }
  const Service* service = state.Find(name);
  return service == nullptr ? nullptr : &service->policy(service->generation);
}

// Depth first, so that each name comes after what it depends on.
class Walk {
 public:
  Walk(const State& state, const std::vector<SpecPtr>& specs) : state_(state), specs_(specs) {}

  void Visit(const std::string& name) {
    if (std::ranges::find(seen_, name) != seen_.end()) return;
    seen_.push_back(name);
    if (const Policy* policy = FindPolicy(state_, specs_, name)) {
      for (const Dependency& dependency : policy->depends_on) Visit(dependency.service);
    }
    order_.push_back(name);
  }
  std::vector<std::string> Take() { return std::move(order_); }

 private:
  const State& state_;
  const std::vector<SpecPtr>& specs_;
  std::vector<std::string> seen_;
  std::vector<std::string> order_;
};

// How many starts are under way: those whose exec is not confirmed, and those that have still to
// prove themselves by a health check.
struct UnderWay {
  int unconfirmed = 0;
  int proving = 0;
};

bool ProvesItself(const Policy& policy) {
  return policy.ready_by == ReadyBy::kHealth || policy.ready_by == ReadyBy::kNotify;
}

void Count(const Service& service, const Instance& instance, UnderWay& under_way) {
  const auto* starting = std::get_if<Starting>(&instance.state);
  if (starting == nullptr) return;
  if (!starting->confirmed) ++under_way.unconfirmed;
  if (ProvesItself(service.policy(instance.generation))) ++under_way.proving;
}

UnderWay CountStarts(const State& state) {
  UnderWay under_way;
  for (const Service& service : state.services) {
    for (const Slot& slot : service.slots) {
      Count(service, slot.current, under_way);
      if (slot.replacement) Count(service, *slot.replacement, under_way);
    }
  }
  return under_way;
}

bool IsMetBy(const Slot& slot, DependencyKind kind) {
  switch (kind) {
    case DependencyKind::kReady:
      return slot.reached == Reached::kReady;
    case DependencyKind::kStarted:
      return slot.reached != Reached::kNothing;
    case DependencyKind::kCompleted:
      return slot.current.kind() == StateKind::kExited && slot.current.last_exit &&
             slot.current.last_exit->success();
  }
  return false;
}

// Launches one instance if it may go. False if the bound is reached.
bool TryLaunch(Context& context, Service& service, SlotIndex slot, Which which,
               UnderWay& under_way) {
  const Instance* instance = Find(service.slots[slot], which);
  if (instance == nullptr) return true;
  const auto* waiting = std::get_if<Waiting>(&instance->state);
  if (waiting == nullptr || waiting->delay_until != kNever) return true;
  if (!IsWanted(context.state, service, service.slots[slot])) return true;
  if (waiting->order == Order::kAfterDependencies && !DependenciesMet(context.state, service)) {
    return true;
  }
  const Settings& settings = context.state.settings;
  if (under_way.unconfirmed >= settings.start_parallel) return false;
  const bool proves = ProvesItself(service.policy(instance->generation));
  if (proves && under_way.proving >= settings.proving_parallel) return true;
  if (!TakeSocket(context, service, slot, which)) return true;
  LaunchInstance(context, service, slot, which);
  ++under_way.unconfirmed;
  if (proves) ++under_way.proving;
  return true;
}

// What is left of a service: is it told to stop, and is its end a matter of time?
enum class Going : std::uint8_t { kNo, kYes, kStuck };

Going HowItGoes(const Service& service) {
  Going going = service.hooks.empty() ? Going::kStuck : Going::kYes;
  for (const Slot& slot : service.slots) {
    for (const Instance* one : {&slot.current, slot.replacement ? &*slot.replacement : nullptr}) {
      if (one == nullptr || !one->is_occupied()) continue;
      const StateKind kind = one->kind();
      if (kind != StateKind::kStopping && kind != StateKind::kKilling) return Going::kNo;
      if (!one->is_unkillable()) going = Going::kYes;
    }
  }
  return going;
}

}  // namespace

bool DependenciesMet(const State& state, const Service& service) {
  return std::ranges::all_of(service.waits_for,
                             [&](const Dependency& need) { return IsMet(state, need); });
}

bool IsMet(const State& state, const Dependency& dependency) {
  const Service* service = state.Find(dependency.service);
  if (service == nullptr || service->slots.empty() || service->wish != Wish::kRunning) return false;
  if (service->stop_order) return false;  // what it has reached is of before its restart
  for (std::size_t i = 0; i < service->slots.size(); ++i) {
    if (!IsMetBy(service->slots[i], dependency.kind) && !service->is_gap(i)) return false;
  }
  return true;
}

std::vector<std::string> InDependencyOrder(const State& state, const std::vector<SpecPtr>& specs,
                                           const std::vector<std::string>& names) {
  std::vector<std::string> order = WithDependencies(state, specs, names);
  std::erase_if(order, [&](const std::string& name) {
    return std::ranges::find(names, name) == names.end();
  });
  return order;
}

std::vector<std::string> WithDependencies(const State& state, const std::vector<SpecPtr>& specs,
                                          const std::vector<std::string>& names) {
  Walk walk(state, specs);
  for (const std::string& name : names) walk.Visit(name);
  return walk.Take();
}

void LaunchWaiting(Context& context) {
  const bool may_go = std::exchange(context.starts_may_go, false);
  if (!may_go || context.state.shutdown) return;
  UnderWay under_way = CountStarts(context.state);
  for (Service& service : context.state.services) {
    for (std::size_t i = 0; i < service.slots.size(); ++i) {
      const auto slot = static_cast<SlotIndex>(i);
      if (!TryLaunch(context, service, slot, Which::kCurrent, under_way)) return;
      if (!TryLaunch(context, service, slot, Which::kReplacement, under_way)) return;
    }
  }
}

void OrderStop(Context& context, Service& service, const std::vector<std::string>& names) {
  StopOrder order;
  for (const std::string& name : names) {
    const Service* other = context.state.Find(name);
    if (other == nullptr || other == &service) continue;
    const auto& needs = other->policy(other->generation).depends_on;
    const bool depends =
        std::ranges::find(needs, service.name, &Dependency::service) != needs.end();
    if (depends && !other->is_down()) order.after.push_back(name);
  }
  service.stop_order = std::move(order);
  context.Touch(service);
}

void AdvanceStopOrder(Context& context, Service& service) {
  if (!service.stop_order) return;
  for (const std::string& name : service.stop_order->after) {
    const Service* other = context.state.Find(name);
    if (other == nullptr || other->is_down()) continue;
    // Started again meanwhile, or nothing makes it go: waiting for it would never end.
    const bool will = other->wish == Wish::kStopped || other->stop_order || context.state.shutdown;
    const Going going = HowItGoes(*other);
    if (going == Going::kYes || (going == Going::kNo && will)) return;
  }
  service.stop_order.reset();
  StopAllInstances(context, service, on::Stop::How::kInTime);
}

void StopAllInstances(Context& context, Service& service, on::Stop::How how) {
  context.Touch(service);
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const auto slot = static_cast<SlotIndex>(i);
    StepInstance(context, service, slot, Which::kCurrent, on::Stop{how});
    if (service.slots[i].replacement) {
      StepInstance(context, service, slot, Which::kReplacement, on::Stop{how});
    }
  }
}

}  // namespace oxherd
