// start and restart: what they do to a service that is down, up, or on its way.
#include <algorithm>
#include <utility>

#include "core/generations.h"
#include "core/request_accept.h"
#include "core/request_target.h"
#include "core/rollout.h"
#include "core/start_order.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

void AcceptStart(Context& context, RequestRecord& record, const std::string& name,
                 std::optional<SlotIndex> slot, const SpecPtr& spec, bool named) {
  Service* service = context.state.Find(name);
  if (service == nullptr && spec == nullptr) {
    record.items.push_back(FailedItem(name, Verb::kStart, Failure::Kind::kUnknown, Verb::kNone));
    return;
  }
  if (service == nullptr) service = &CreateService(context, spec);
  RequestItem item{.service = name, .verb = Verb::kStart, .outcome = Outcome::kRunning};
  item.slot = slot;
  const bool runs = service->wish == Wish::kRunning;
  if (runs) {
    if (!named) return;  // a dependency that was started before: it is waited for, not touched
    item.differs = spec != nullptr && *spec != service->spec();
    const Policy& policy = service->spec().policy;
    const bool runs_again = policy.type == ServiceType::kOneshot && !policy.scheduled;
    if (IsUp(*service, item) && !runs_again) item.outcome = Outcome::kUnchanged;
    StartWhatIsDown(context, *service, item);
  } else {
    AbortDeletes(context, name, Verb::kStart);
    AdoptSpec(context, *service, spec);
    // What waits for its turn to stop still stops, and is started again when it is gone.
    WantService(context, *service);
    if (slot) {
      for (std::size_t i = 0; i < service->slots.size(); ++i) {
        if (i != *slot) service->slots[i].wish = Wish::kStopped;
      }
    }
  }
  item.generation = service->generation;
  record.items.push_back(std::move(item));
}

// Dependencies that the command touches too, or that are to run anyway, are waited for.
void WaitForWanted(const Context& context, Service& service,
                   const std::vector<std::string>& names) {
  std::erase_if(service.waits_for, [&](const Dependency& need) {
    if (std::ranges::find(names, need.service) != names.end()) return false;
    const Service* other = context.state.Find(need.service);
    return other == nullptr || other->wish != Wish::kRunning;
  });
}

// A restart cannot wait for the schedule.
void MakeDue(Context& context, const Target& target) {
  Service* service = context.state.Find(target.service);
  if (service == nullptr || !service->spec().policy.scheduled) return;
  for (std::size_t i = 0; i < service->slots.size(); ++i) {
    if (!target.slot || *target.slot == i) service->slots[i].is_due = true;
  }
}

void RestartInstance(Context& context, Service& service, RequestItem& item) {
  const SlotIndex slot = *item.slot;
  if (slot >= service.slots.size()) {
    item = FailedItem(item.service, Verb::kRestart, Failure::Kind::kUnknown, Verb::kNone);
  } else if (service.rollout) {
    item = FailedItem(item.service, Verb::kRestart, Failure::Kind::kAborted, Verb::kReload);
  } else if (service.wish != Wish::kRunning) {
    item = FailedItem(item.service, Verb::kRestart, Failure::Kind::kAborted, Verb::kStop);
  } else {
    service.slots[slot].wish = Wish::kRunning;
    // In traffic it is replaced beside itself.
    const bool beside = IsInTraffic(service.slots[slot].current) && service.may_replace();
    if (beside) return RequestReplacement(context, service, Cause::kRoutine, slot);
    StepInstance(context, service, slot, Which::kCurrent, on::Stop{});
  }
}

void AcceptRestart(Context& context, RequestRecord& record, const Target& target,
                   const SpecPtr& spec, const std::vector<std::string>& names) {
  Service* service = context.state.Find(target.service);
  if (service == nullptr || service->wish != Wish::kRunning) {
    AcceptStart(context, record, target.service, target.slot, spec, true);
    record.items.back().verb = Verb::kRestart;
    return MakeDue(context, target);
  }
  RequestItem item{.service = target.service, .verb = Verb::kRestart, .outcome = Outcome::kRunning};
  item.slot = target.slot;
  item.limit = context.state.next_token;
  if (target.slot) {
    RestartInstance(context, *service, item);
  } else {
    const bool forward = service->rollout && service->rollout->cause == Cause::kPerson &&
                         service->rollout->phase != Rollout::Phase::kBack;
    const Generation target_generation = forward ? service->rollout->target : service->generation;
    AbortRollout(context, *service, Verb::kRestart);
    service->generation = target_generation;
    AdoptSpec(context, *service, spec);
    WantService(context, *service);
    WaitForWanted(context, *service, names);
    OrderStop(context, *service, names);
  }
  MakeDue(context, target);
  item.generation = service->generation;
  record.items.push_back(std::move(item));
}

}  // namespace

Service& CreateService(Context& context, SpecPtr spec) {
  Service service;
  service.name = spec->name;
  service.generation = AddGeneration(service, std::move(spec));
  context.state.services.push_back(std::move(service));
  context.Touch(context.state.services.back());
  return context.state.services.back();
}

void WantService(Context& context, Service& service) {
  const Policy& policy = service.policy(service.generation);
  service.wish = Wish::kRunning;
  service.deleting = false;
  service.waits_for = policy.depends_on;
  while (service.slots.size() < policy.instances) {
    service.slots.push_back(Slot{.current = Instance{.generation = service.generation}});
  }
  for (Slot& slot : service.slots) {
    slot.wish = Wish::kRunning;
    slot.reached = Reached::kNothing;
  }
  context.starts_may_go = true;
  context.Touch(service);
  context.actions.push_back(action::SaveWishes{});
}

void AdoptSpec(Context& context, Service& service, const SpecPtr& spec) {
  if (spec == nullptr || *spec == service.spec()) return;
  service.generation = AddGeneration(service, spec);
  TrimSpecs(service, context.state);
  context.actions.push_back(action::SaveWishes{});
  context.Touch(service);
}

void StartWhatIsDown(Context& context, Service& service, const RequestItem& item) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    if (item.slot && *item.slot != i) continue;
    Slot& slot = service.slots[i];
    slot.wish = Wish::kRunning;
    const StateKind kind = slot.current.kind();
    if (kind == StateKind::kExited || kind == StateKind::kFailed) slot.reached = Reached::kNothing;
    // What is stopped starts anew, in the generation and number that are wanted now.
    if (kind == StateKind::kStopped) continue;
    if (kind == StateKind::kDraining && !slot.replacement &&
        !service.rollout) {  // stopped alone, a moment ago
      if (i >= service.policy(service.generation).instances) continue;  // surplus: it is leaving
      StepInstance(context, service, static_cast<SlotIndex>(i), Which::kCurrent, on::Undrain{});
      continue;
    }
    StepInstance(context, service, static_cast<SlotIndex>(i), Which::kCurrent, on::Start{});
  }
  context.starts_may_go = true;
  context.Touch(service);
}

void AcceptStarts(Context& context, const event::Request& request, RequestRecord& record) {
  const std::vector<Target> targets = TargetsOf(request);
  const std::vector<std::string> names = NamesOf(targets);
  for (const std::string& name : WithDependencies(context.state, request.specs, names)) {
    const bool named = std::ranges::find(names, name) != names.end();
    AcceptStart(context, record, name, SlotOf(targets, name), SpecFor(request, name), named);
  }
}

void AcceptRestarts(Context& context, const event::Request& request, RequestRecord& record) {
  const std::vector<Target> targets = TargetsOf(request);
  const std::vector<std::string> names = NamesOf(targets);
  for (const std::string& name : InDependencyOrder(context.state, request.specs, names)) {
    AcceptRestart(context, record, {.service = name, .slot = SlotOf(targets, name)},
                  SpecFor(request, name), names);
  }
}

}  // namespace oxherd
