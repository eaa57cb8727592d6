// A new daemon joins the saved state with the world: the world wins on facts, the state on wishes.
#include <algorithm>
#include <utility>

#include "core/auto_listen.h"
#include "core/context.h"
#include "core/reconcile.h"
#include "core/reload_signal.h"
#include "core/rollout.h"
#include "core/rollout_slot.h"
#include "core/start_order.h"
#include "core/supervisor.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

const WorldRecord* Find(const World& world, Token token) {
  const auto found = std::ranges::find(world, token, &WorldRecord::token);
  return found == world.end() ? nullptr : &*found;
}

// An answer that was on its way to the old daemon will not come: ask again.
void ForgetQuestion(Instance& instance, Instant now) {
  std::visit(
      [&](auto& state) {
        if constexpr (requires { state.probing; }) {
          if (state.probing.asking) state.probing = {.next = now, .asking = false};
        }
      },
      instance.state);
}

// The world has never heard of the token: its Spawn was decided, saved, and lost.
void NeverSpawned(Context& context, Service& service, SlotIndex slot, Which which) {
  Instance& instance = *Find(service.slots[slot], which);
  const bool only_decided =
      std::holds_alternative<Starting>(instance.state) && !instance.process()->pid.is_set();
  if (!only_decided) {
    StepInstance(context, service, slot, which, on::Gone{});
    return;
  }
  instance.state = Waiting{.delay_until = kNever, .order = Order::kAtOnce};
  context.Touch(service);
}

// The Stop was lost on its way to the keeper: the process has all its time from now on.
void StopAnew(Context& context, Stopping& stopping, const Policy& policy) {
  stopping.until = context.now + policy.stop_timeout;
  context.actions.push_back(action::Stop{.token = stopping.process.token,
                                         .signal = policy.stop_signal,
                                         .scope = policy.kill_mode,
                                         .kill_at = stopping.until});
}

// Actions that were decided and saved, and may or may not have been performed.
void RepeatStop(Context& context, Instance& instance, const Policy& policy,
                const WorldRecord& record) {
  // The keeper has it: the signal went out, or will once the exec is confirmed.
  const bool was_told = record.stop_sent || record.kill_at != kNever;
  if (auto* stopping = std::get_if<Stopping>(&instance.state)) {
    if (stopping->phase != Stopping::Phase::kSignal) return;
    if (!was_told) return StopAnew(context, *stopping, policy);
    stopping->until = std::min(stopping->until, record.kill_at);
    return;
  }
  const auto* const killing = std::get_if<Killing>(&instance.state);
  if (killing == nullptr || record.kill_fired) return;
  // Its time was over by the old daemon's clock, and nobody had ever told it to stop.
  if (killing->why == Killing::Why::kInTime && !was_told && !record.exit) {
    Stopping stopping{.process = killing->process,
                      .phase = Stopping::Phase::kSignal,
                      .until = kNever,
                      .after = killing->after,
                      .hook = {}};
    StopAnew(context, stopping, policy);
    instance.state = stopping;
    return;
  }
  context.actions.push_back(action::Kill{record.token});
}

// While no daemon was there no proof could be seen: that is not held against the instance.
void GiveTimeForProof(Instance& instance, const Policy& policy, const WorldRecord& record,
                      Instant now) {
  auto* starting = std::get_if<Starting>(&instance.state);
  if (starting == nullptr) return;
  if (policy.ready_by == ReadyBy::kUptime && record.pid.is_set()) {
    starting->proven_at = std::min(starting->proven_at, record.spawned_at + policy.min_uptime);
  }
  if (starting->ready_by <= now && policy.ready_timeout) {
    starting->ready_by = now + *policy.ready_timeout;
  }
}

void JoinInstance(Context& context, Service& service, SlotIndex slot, Which which,
                  const World& world) {
  Instance* instance = Find(service.slots[slot], which);
  if (instance == nullptr || !instance->is_live()) return;
  ForgetQuestion(*instance, context.now);
  const WorldRecord* record = Find(world, instance->token());
  if (record == nullptr) return NeverSpawned(context, service, slot, which);
  if (record->spawn_failed) {
    StepInstance(context, service, slot, which,
                 on::SpawnFailed{.stage = record->stage, .number = record->number});
    return;
  }
  if (record->pid.is_set() && !instance->process()->pid.is_set()) {
    StepInstance(context, service, slot, which, on::Started{record->pid});
  }
  GiveTimeForProof(*instance, service.policy(instance->generation), *record, context.now);
  if (record->kill_fired) StepInstance(context, service, slot, which, on::KillFired{});
  if (record->exit) StepInstance(context, service, slot, which, on::Exit{*record->exit});
  if (record->gone) {
    StepInstance(context, service, slot, which, on::Gone{});
    return;
  }
  RepeatStop(context, *instance, service.policy(instance->generation), *record);
}

void SpawnHookAgain(Context& context, Service& service, Hook& hook) {
  const Token old = hook.token;
  hook.token = context.state.next_token;
  context.state.next_token = hook.token.Next();
  if (service.rollout && service.rollout->hook == old) service.rollout->hook = hook.token;
  for (Slot& slot : service.slots) {
    for (const Which which : {Which::kCurrent, Which::kReplacement}) {
      Instance* instance = Find(slot, which);
      if (instance == nullptr) continue;
      auto* stopping = std::get_if<Stopping>(&instance->state);
      if (stopping != nullptr && stopping->hook == old) stopping->hook = hook.token;
    }
  }
  context.actions.push_back(action::Spawn{.token = hook.token,
                                          .instance = {service.name, hook.slot},
                                          .generation = hook.generation,
                                          .kind = hook.kind});
}

// Those below `limit`: the others were started by this very restore.
void JoinHooks(Context& context, Service& service, const World& world, Token limit) {
  std::vector<Token> ended;
  for (Hook& hook : service.hooks) {
    if (hook.token >= limit) continue;
    const WorldRecord* record = Find(world, hook.token);
    if (record == nullptr && hook.killed) {
      ended.push_back(hook.token);
    } else if (record == nullptr) {
      SpawnHookAgain(context, service, hook);
    } else {
      if (record->exit) hook.status = record->exit;
      if (record->gone || record->spawn_failed) {
        ended.push_back(hook.token);
      } else if (hook.killed || record->exit) {
        context.actions.push_back(action::Kill{hook.token});
      }
    }
  }
  for (const Token token : ended) EndHook(context, service, token);
  context.Touch(service);
}

bool IsKnown(const State& state, Token token) {
  for (const Service& service : state.services) {
    for (const Slot& slot : service.slots) {
      if (slot.current.token() == token) return true;
      if (slot.replacement && slot.replacement->token() == token) return true;
    }
    if (std::ranges::find(service.hooks, token, &Hook::token) != service.hooks.end()) return true;
  }
  return false;
}

// A service that only its running processes tell of: it is shown, and stopped when asked, but as
// nobody knows how it was started, never started again.
Service& RecoverService(State& state, const WorldRecord& record) {
  auto spec = std::make_shared<Spec>();
  spec->name = record.instance.service;
  spec->policy.restart = RestartPolicy::kNo;
  spec->policy.instances = 1;
  Service service;
  service.name = spec->name;
  service.wish = Wish::kRunning;
  service.generation = record.generation;
  service.last_generation = record.generation;
  service.specs.push_back({.generation = record.generation, .spec = std::move(spec)});
  state.services.push_back(std::move(service));
  return state.services.back();
}

InstanceState AdoptedState(const WorldRecord& record, const Policy& policy, Instant now) {
  const Process process{.token = record.token, .pid = record.pid, .spawned_at = record.spawned_at};
  if (record.kill_fired) {
    return Killing{.process = process,
                   .unkillable_at = now + kUnkillableAfter,
                   .unkillable = false,
                   .why = Killing::Why::kInTime,
                   .after = After::kStopped};
  }
  if (record.stop_sent) {
    return Stopping{.process = process,
                    .phase = Stopping::Phase::kSignal,
                    .until = std::max(record.kill_at, now),
                    .after = After::kStopped,
                    .hook = {}};
  }
  // It has to prove itself again: nobody remembers that it did.
  Starting starting{.process = process,
                    .confirmed = record.pid.is_set(),
                    .ready_by = policy.ready_timeout ? now + *policy.ready_timeout : kNever,
                    .proven_at = kNever,
                    .probing = {}};
  if (!starting.confirmed) return starting;  // the rest when its exec is heard of
  if (policy.ready_by == ReadyBy::kUptime) {
    starting.proven_at = std::max(now, record.spawned_at + policy.min_uptime);
  } else if (const auto within = MayBindWithin(policy)) {
    starting.proven_at = now + *within;
  } else if (policy.ready_by == ReadyBy::kHealth || policy.ready_by == ReadyBy::kListen) {
    starting.probing.next = now;
  } else if (policy.ready_by == ReadyBy::kLog || policy.ready_by == ReadyBy::kNotify) {
    starting.proven_at = now;  // it was said to a daemon that is no more
  }
  return starting;
}

void Adopt(Context& context, const WorldRecord& record) {
  State& state = context.state;
  Service* service = state.Find(record.instance.service);
  if (service == nullptr) service = &RecoverService(state, record);
  context.Touch(*service);
  if (record.kind != ProcessKind::kInstance) {  // a hook nobody waits for any more
    service->hooks.push_back(Hook{.token = record.token,
                                  .kind = record.kind,
                                  .slot = record.instance.slot,
                                  .generation = service->generation,
                                  .deadline = context.now,
                                  .killed = true,
                                  .status = record.exit});
    context.actions.push_back(action::Kill{record.token});
    return;
  }
  const SlotIndex index = record.instance.slot;
  while (service->slots.size() <= index) {
    service->slots.push_back(Slot{.current = Instance{.generation = service->generation}});
  }
  Slot& slot = service->slots[index];
  const bool known = service->Find(record.generation) != nullptr;
  service->last_generation = std::max(service->last_generation, record.generation);
  Instance adopted{.generation = known ? record.generation : service->generation};
  adopted.socket = record.socket;
  adopted.state = AdoptedState(record, service->policy(adopted.generation), context.now);
  adopted.state_since = context.now;
  const bool taken = slot.current.is_occupied();
  if (taken && slot.replacement) {  // no room: it does not belong here
    context.actions.push_back(action::Kill{record.token});
    return;
  }
  if (taken) {
    slot.replacement = std::move(adopted);
  } else {
    slot.current = std::move(adopted);
  }
  const Which which = taken ? Which::kReplacement : Which::kCurrent;
  context.actions.push_back(action::Tell{.kind = action::Tell::Kind::kAdopted,
                                         .instance = record.instance,
                                         .generation = record.generation,
                                         .token = record.token,
                                         .millis = 0,
                                         .number = record.pid.number(),
                                         .failure = {}});
  // Cut off: it could never serve again. Its successor will.
  if (taken || record.is_cut_off || !IsWanted(state, *service, service->slots[index])) {
    StepInstance(context, *service, index, which, on::Stop{});
  }
  if (record.exit) StepInstance(context, *service, index, which, on::Exit{*record.exit});
}

// One that is over is adopted to count its end: a oneshot is not run twice, and what failed is
// started again as its policy says. True: there is nothing to adopt.
bool AdoptEnd(Context& context, const WorldRecord& record) {
  if (!record.gone && !record.spawn_failed) return false;
  const Service* service = context.state.Find(record.instance.service);
  const SlotIndex index = record.instance.slot;
  const bool counts = record.unseen && record.exit && record.kind == ProcessKind::kInstance &&
                      service != nullptr && index < service->slots.size() &&
                      !service->slots[index].current.is_occupied() &&
                      IsWanted(context.state, *service, service->slots[index]);
  if (!counts) {
    context.actions.push_back(action::Acknowledge{record.token});
    return true;
  }
  Adopt(context, record);
  StepInstance(context, *context.state.Find(record.instance.service), index, Which::kCurrent,
               on::Gone{});
  return true;
}

void JoinService(Context& context, Service& service, const World& world, Token limit) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const auto slot = static_cast<SlotIndex>(i);
    JoinInstance(context, service, slot, Which::kCurrent, world);
    if (i < service.slots.size()) JoinInstance(context, service, slot, Which::kReplacement, world);
  }
  JoinHooks(context, service, world, limit);
}

}  // namespace

namespace {

// What was concluded from one fact, before the next one was looked at, may be a signal for what is
// gone or never was.
void DropSignalsToTheDead(Actions& actions, std::size_t first, const World& world, Token limit) {
  const auto is_dead = [&](Token token) {
    const WorldRecord* record = Find(world, token);
    return token < limit && (record == nullptr || record->gone || record->spawn_failed);
  };
  const auto is_vain = [&](const Action& action) {
    if (const auto* stop = std::get_if<action::Stop>(&action)) return is_dead(stop->token);
    const auto* kill = std::get_if<action::Kill>(&action);
    return kill != nullptr && is_dead(kill->token);
  };
  const auto begin = actions.begin() + static_cast<std::ptrdiff_t>(first);
  actions.erase(std::remove_if(begin, actions.end(), is_vain), actions.end());
}

// Instances that were adopted bring their pools with them.
void OpenPoolsOfTheLiving(Context& context, Service& service) {
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
    const bool wanted = instance.is_live() && service.wish == Wish::kRunning;
    if (wanted) OpenPools(context, service, instance.generation);
  });
}

bool HasAny(const std::vector<const WorldRecord*>& records, const Service& service) {
  return std::ranges::any_of(
      records, [&](const WorldRecord* record) { return record->instance.service == service.name; });
}

// Taken away by a scale or a reload of which only the wishes were saved.
void LeaveAdoptedSurplus(Context& context, Service& service) {
  if (service.rollout) return;
  LeaveSurplus(context, service, service.policy(service.generation).instances);
}

// Pools that this state knows nothing of may be held, with clients in any of their queues.
void MarkNewPools(State& state) {
  for (Service& service : state.services) {
    if (!service.traffic) continue;
    for (Pool& pool : service.traffic->pools) pool.stale = true;
  }
}

}  // namespace

void Restore(State& state, const World& world, Instant now, Actions& actions) {
  Context context{.state = state, .now = now, .actions = actions, .touched = {}};
  const std::size_t first = actions.size();
  for (const WorldRecord& record : world) {
    state.next_token = std::max(state.next_token, record.token.Next());
  }
  const Token limit = state.next_token;
  for (Service& service : state.services) RejoinTraffic(context, service);
  const std::size_t defined = state.services.size();
  std::vector<const WorldRecord*> unknown;
  for (const WorldRecord& record : world) {
    if (!IsKnown(state, record.token)) unknown.push_back(&record);
  }
  for (std::size_t i = 0; i < state.services.size(); ++i) {
    JoinService(context, state.services[i], world, limit);
  }
  for (const WorldRecord* record : unknown) {
    if (!AdoptEnd(context, *record)) Adopt(context, *record);
  }
  for (std::size_t i = 0; i < defined; ++i) {
    if (HasAny(unknown, state.services[i])) LeaveAdoptedSurplus(context, state.services[i]);
  }
  context.starts_may_go = true;
  for (Service& service : state.services) {
    OpenPoolsOfTheLiving(context, service);
    TellAgain(context, service);
    context.Touch(service);
  }
  Reconcile(context);
  MarkNewPools(state);
  DropSignalsToTheDead(actions, first, world, limit);
}

}  // namespace oxherd
