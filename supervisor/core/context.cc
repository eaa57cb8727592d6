#include "core/context.h"

#include <algorithm>

#include "base/check.h"
#include "core/request.h"
#include "core/rollout.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

InstanceContext MakeInstanceContext(Context& context, Service& service, const InstanceId& id,
                                    const Slot& slot, const Instance& instance) {
  return InstanceContext{.policy = service.policy(instance.generation),
                         .id = id,
                         .now = context.now,
                         .seed = context.state.seed,
                         .next_token = context.state.next_token,
                         .wanted = IsWanted(context.state, service, slot),
                         .hooks = service.hooks,
                         .actions = context.actions};
}

// How far dependents may rely on the slot since its service was last started, after its instance
// took a step. What is to stop first, in its turn, is of the time before.
void UpdateReached(const Service& service, Slot& slot, const Instance& instance, Which which) {
  if (service.stop_order) return;
  const auto at_least = [&](Reached reached) { slot.reached = std::max(slot.reached, reached); };
  switch (instance.kind()) {
    case StateKind::kStarting:
      if (std::get<Starting>(instance.state).confirmed) at_least(Reached::kStarted);
      break;
    case StateKind::kReady:
      at_least(Reached::kReady);
      break;
    case StateKind::kExited:
      if (!instance.failure.is_set()) at_least(Reached::kReady);
      break;
    case StateKind::kFailed:
      if (which == Which::kCurrent) slot.reached = Reached::kNothing;
      break;
    case StateKind::kWaiting:
    case StateKind::kUnhealthy:
    case StateKind::kDraining:
    case StateKind::kStopping:
    case StateKind::kKilling:
    case StateKind::kBackoff:
    case StateKind::kStopped:
      break;
  }
}

void RememberReady(Service& service, const Instance& instance) {
  if (!instance.was_ready) return;
  const auto kept = std::ranges::find(service.specs, instance.generation, &KeptSpec::generation);
  if (kept != service.specs.end()) kept->was_ready = true;
}

// If every instance turned bad within one interval, what they share is at fault: replacing them at
// once would not help.
void HoldBackIfAllAreBad(Service& service, Instant now) {
  if (service.slots.size() < 2) return;
  const Policy& policy = service.policy(service.generation);
  const auto turned_bad_lately = [&](const Slot& slot) {
    const auto* bad = std::get_if<Unhealthy>(&slot.current.state);
    return bad != nullptr && now - bad->since <= policy.health_interval;
  };
  if (!std::ranges::all_of(service.slots, turned_bad_lately)) return;
  for (Slot& slot : service.slots) {
    auto& bad = std::get<Unhealthy>(slot.current.state);
    bad.next_try = std::max(bad.next_try, now + policy.restart_delay_max);
  }
}

Instance& Get(Slot& slot, Which which) {
  Instance* instance = Find(slot, which);
  OXHERD_CHECK(instance != nullptr, "a step for an instance that is not there");
  return *instance;
}

void AfterStep(Context& context, Service& service, SlotIndex index, Which which, bool failed,
               bool settled, StateKind before) {
  Slot& slot = service.slots[index];
  Instance& instance = Get(slot, which);
  UpdateReached(service, slot, instance, which);
  if (instance.kind() == StateKind::kStopped) instance.socket.reset();
  RememberReady(service, instance);
  // One that is deaf is so by itself.
  if (before != StateKind::kUnhealthy && instance.kind() == StateKind::kUnhealthy &&
      instance.failure.kind == Failure::Kind::kUnhealthy) {
    HoldBackIfAllAreBad(service, context.now);
  }
  context.Touch(service);
  if (instance.kind() != before || instance.is_unkillable()) {
    context.starts_may_go = true;
    context.TouchDependents(service);
  }
  if (settled) NoteFailedStart(context, service, instance);
  if (failed) NewcomerMayHaveFailed(context, service, index, which);
}

}  // namespace

void Context::Touch(const Service& service) {
  const auto index = static_cast<std::size_t>(&service - state.services.data());
  OXHERD_CHECK(index < state.services.size(), "a service that is not in the state");
  if (std::ranges::find(touched, index) == touched.end()) touched.push_back(index);
}

void Context::TouchDependents(const Service& service) {
  for (const Service& other : state.services) {
    const bool depends = std::ranges::find(other.waits_for, service.name, &Dependency::service) !=
                         other.waits_for.end();
    const bool stop_waits =
        (other.stop_order && std::ranges::count(other.stop_order->after, service.name) > 0);
    if (depends || stop_waits) Touch(other);
  }
}

Instance* Find(Slot& slot, Which which) {
  if (which == Which::kCurrent) return &slot.current;
  return slot.replacement ? &*slot.replacement : nullptr;
}

bool IsWanted(const State& state, const Service& service, const Slot& slot) {
  return !state.shutdown && service.wish == Wish::kRunning && slot.wish == Wish::kRunning &&
         !service.deleting && !service.stop_order;
}

bool StepInstance(Context& context, Service& service, SlotIndex slot, Which which,
                  const InstanceEvent& event) {
  Instance& instance = Get(service.slots[slot], which);
  const InstanceId id{service.name, slot};
  InstanceContext inner = MakeInstanceContext(context, service, id, service.slots[slot], instance);
  const StateKind before = instance.kind();
  if (!Step(instance, event, inner)) return false;
  if (std::holds_alternative<on::Started>(event)) context.starts_may_go = true;
  AfterStep(context, service, slot, which, inner.failed, inner.settled, before);
  return true;
}

void LaunchInstance(Context& context, Service& service, SlotIndex slot, Which which) {
  Instance& instance = Get(service.slots[slot], which);
  const InstanceId id{service.name, slot};
  InstanceContext inner = MakeInstanceContext(context, service, id, service.slots[slot], instance);
  Launch(instance, inner);
  context.Touch(service);
}

void AskInstance(Context& context, Service& service, SlotIndex slot, Which which) {
  Instance& instance = Get(service.slots[slot], which);
  const InstanceId id{service.name, slot};
  InstanceContext inner = MakeInstanceContext(context, service, id, service.slots[slot], instance);
  AskIfDue(instance, inner);
  context.Touch(service);
}

void JudgeInstance(Context& context, Service& service, SlotIndex slot, Which which,
                   ProbeOutcome outcome) {
  Instance& instance = Get(service.slots[slot], which);
  const InstanceId id{service.name, slot};
  InstanceContext inner = MakeInstanceContext(context, service, id, service.slots[slot], instance);
  const std::optional<InstanceEvent> verdict = Judge(instance, outcome, inner);
  context.Touch(service);
  // What it says of itself is no use if nobody can reach it.
  const bool is_vain =
      verdict && std::holds_alternative<on::Good>(*verdict) && IsDeaf(service, instance);
  if (verdict && !is_vain) StepInstance(context, service, slot, which, *verdict);
}

Token StartServiceHook(Context& context, Service& service, ProcessKind kind, Generation generation,
                       Millis timeout) {
  const InstanceId id{service.name, 0};
  InstanceContext inner = MakeInstanceContext(context, service, id, service.slots.front(),
                                              service.slots.front().current);
  context.Touch(service);
  return StartHook(kind, generation, timeout, inner);
}

void TellService(Context& context, const Service& service, action::Tell::Kind kind,
                 Generation generation, const Failure& failure) {
  context.actions.push_back(action::Tell{.kind = kind,
                                         .instance = {service.name, 0},
                                         .generation = generation,
                                         .token = {},
                                         .millis = 0,
                                         .number = 0,
                                         .failure = failure});
}

}  // namespace oxherd
