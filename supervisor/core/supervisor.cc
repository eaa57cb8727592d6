#include "core/supervisor.h"

#include <algorithm>

#include "base/check.h"
#include "core/auto_listen.h"
#include "core/context.h"
#include "core/reconcile.h"
#include "core/reload_signal.h"
#include "core/request.h"
#include "core/rollout.h"
#include "core/schedule.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

// Where a token lives: an instance of a slot, or a hook.
struct Place {
  Service* service = nullptr;
  SlotIndex slot = 0;
  Which which = Which::kCurrent;
  Hook* hook = nullptr;
};

Place FindToken(State& state, Token token) {
  for (Service& service : state.services) {
    for (std::size_t i = 0; i < service.slots.size(); ++i) {
      Slot& slot = service.slots[i];
      const auto index = static_cast<SlotIndex>(i);
      if (slot.current.token() == token) {
        return {.service = &service, .slot = index, .which = Which::kCurrent};
      }
      if (slot.replacement && slot.replacement->token() == token) {
        return {.service = &service, .slot = index, .which = Which::kReplacement};
      }
    }
    for (Hook& hook : service.hooks) {
      if (hook.token == token) return {.service = &service, .hook = &hook};
    }
  }
  return {};
}

void StepAt(Context& context, const Place& place, const InstanceEvent& event) {
  StepInstance(context, *place.service, place.slot, place.which, event);
}

// ---- one function per event; an event whose token no state holds was dropped before

void On(Context& context, const Place& place, const event::Started& event) {
  if (place.hook == nullptr) StepAt(context, place, on::Started{event.pid});
}

void On(Context& context, const Place& place, const event::SpawnFailed& event) {
  if (place.hook == nullptr) {
    return StepAt(context, place, on::SpawnFailed{.stage = event.stage, .number = event.number});
  }
  EndHook(context, *place.service, event.token);
}

void On(Context& context, const Place& place, const event::Exited& event) {
  if (place.hook == nullptr) return StepAt(context, place, on::Exit{event.status});
  place.hook->status = event.status;
  // What the hook left behind is not part of the service.
  context.actions.push_back(action::Kill{event.token});
  context.Touch(*place.service);
}

void On(Context& context, const Place& place, const event::Gone& event) {
  if (place.hook == nullptr) return StepAt(context, place, on::Gone{});
  EndHook(context, *place.service, event.token);
}

void On(Context& context, const Place& place, const event::KillFired& /*event*/) {
  if (place.hook == nullptr) StepAt(context, place, on::KillFired{});
}

void On(Context& context, const Place& place, const event::Probed& event) {
  if (place.hook != nullptr) return;
  JudgeInstance(context, *place.service, place.slot, place.which, event.outcome);
}

void On(Context& context, const Place& place, const event::LogMatched& /*event*/) {
  if (place.hook != nullptr) return;
  const Instance& instance = *Find(place.service->slots[place.slot], place.which);
  const Policy& policy = place.service->policy(instance.generation);
  if (policy.ready_by == ReadyBy::kLog) StepAt(context, place, on::Proof{});
}

void On(Context& context, const Place& place, const event::Notified& event) {
  if (place.hook != nullptr || event.kind != event::Notified::Kind::kReady) return;
  const Instance& instance = *Find(place.service->slots[place.slot], place.which);
  const Policy& policy = place.service->policy(instance.generation);
  if (policy.ready_by == ReadyBy::kNotify) StepAt(context, place, on::Proof{});
}

void On(Context& context, const Place& place, const event::Drained& /*event*/) {
  if (place.hook != nullptr) return;
  const Slot& slot = place.service->slots[place.slot];
  // A new one that fails in this very instant is no reason to stop the old one.
  const bool is_old = place.which == Which::kCurrent && slot.replacement;
  if (is_old && slot.replacement->deadline() <= context.now) {
    StepInstance(context, *place.service, place.slot, Which::kReplacement, on::Due{});
  }
  Find(place.service->slots[place.slot], place.which)->out_until = kNever;
  context.Touch(*place.service);
  StepAt(context, place, on::Drained{});
}

void On(Context& context, const Place& place, const event::AddressRefused& event) {
  if (place.hook != nullptr) return;
  const Instance& instance = *Find(place.service->slots[place.slot], place.which);
  if (TellsAddress(*place.service, instance, event)) {
    return AddressWasFound(context, *place.service, place.slot, place.which, event);
  }
  AddressWasRefused(context, *place.service, place.slot, place.which, event);
}

void On(Context& context, const Place& place, const event::Signalled& event) {
  if (place.hook == nullptr) WasTold(context, *place.service, event.token);
}

void On(Context& context, const event::PoolOpened& event) { PoolAnswered(context, event); }
void On(Context& context, const event::SocketShut& event) { SocketWasShut(context, event); }
void On(Context& context, const event::Relistened& event) { SocketListens(context, event); }

void On(Context& context, const event::Request& event) { AcceptRequest(context, event); }

void On(Context& context, const event::Replace& event) {
  Service* service = context.state.Find(event.service);
  if (service == nullptr) return;
  RequestReplacement(context, *service, Cause::kRoutine, event.slot, event.why);
}

void On(Context& context, const event::Schedule& event) {
  Service* service = context.state.Find(event.service);
  if (service != nullptr) RunScheduled(context, *service);
}

void On(Context& context, const event::Boot& event) {
  Populate(context.state, event);
  context.starts_may_go = true;
  for (const Service& service : context.state.services) context.Touch(service);
}

void On(Context& context, const event::Due& /*event*/) { TouchDue(context); }

template <typename E>
concept AboutToken = requires(const E& event) { event.token; };

void Route(Context& context, const Event& event) {
  std::visit(
      [&](const auto& happened) {
        if constexpr (AboutToken<std::decay_t<decltype(happened)>>) {
          const Place place = FindToken(context.state, happened.token);
          // The one place where events of dead tokens end.
          if (place.service != nullptr) On(context, place, happened);
        } else {
          On(context, happened);
        }
      },
      event);
}

}  // namespace

void Apply(State& state, const Event& event, Instant now, Actions& actions) {
  Context context{.state = state, .now = now, .actions = actions, .touched = {}};
  Route(context, event);
  Reconcile(context);
}

Instant NextDeadline(const State& state) {
  Instant earliest = RequestDeadline(state);
  for (const Service& service : state.services) {
    earliest = std::min(earliest, service.deadline());
  }
  return earliest;
}

bool ShutdownFinished(const State& state) {
  if (!state.shutdown) return false;
  if (state.shutdown->keep_instances) return true;
  return std::ranges::all_of(state.services, [](const Service& service) {
    return service.is_down() && !service.stop_order;
  });
}

void Populate(State& state, const event::Boot& boot) {
  OXHERD_CHECK(state.services.empty(), "wishes for a state that has services");
  for (const event::Boot::Wish& wish : boot.wishes) {
    Service service;
    service.name = wish.spec->name;
    service.generation = wish.generation;
    service.last_generation = wish.generation;
    for (const auto& [generation, spec] : wish.earlier) {
      if (generation < wish.generation && spec->name == wish.spec->name) {
        service.specs.push_back({.generation = generation, .spec = spec, .was_ready = true});
      }
    }
    service.specs.push_back({.generation = wish.generation, .spec = wish.spec});
    service.wish = wish.wanted ? Wish::kRunning : Wish::kStopped;
    service.waits_for = wish.spec->policy.depends_on;
    service.slots.resize(wish.spec->policy.instances,
                         Slot{.current = Instance{.generation = wish.generation}});
    state.services.push_back(std::move(service));
  }
}

}  // namespace oxherd
