#include "core/request_accept.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "core/request.h"
#include "core/rollout.h"
#include "core/start_order.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

// What a request names: a service, or one instance of it.
struct Target {
  std::string service;
  std::optional<SlotIndex> slot;
};

Target ParseTarget(const std::string& name) {
  const std::size_t slash = name.find('/');
  Target target{.service = name.substr(0, slash), .slot = std::nullopt};
  if (slash == std::string::npos) return target;
  SlotIndex slot = 0;
  const char* end = name.data() + name.size();
  const auto [stop, failure] = std::from_chars(name.data() + slash + 1, end, slot);
  if (failure == std::errc{} && stop == end) target.slot = slot;
  return target;
}

std::vector<Target> TargetsOf(const event::Request& request) {
  std::vector<Target> targets;
  if (!request.names.empty()) {
    for (const std::string& name : request.names) targets.push_back(ParseTarget(name));
    return targets;
  }
  for (const SpecPtr& spec : request.specs) {
    if (request.verb == Verb::kStart && !spec->policy.autostart) continue;
    targets.push_back({.service = spec->name, .slot = std::nullopt});
  }
  return targets;
}

std::vector<std::string> NamesOf(const std::vector<Target>& targets) {
  std::vector<std::string> names;
  for (const Target& target : targets) {
    if (std::ranges::find(names, target.service) == names.end()) names.push_back(target.service);
  }
  return names;
}

std::optional<SlotIndex> SlotOf(const std::vector<Target>& targets, const std::string& service) {
  const auto found = std::ranges::find(targets, service, &Target::service);
  return found == targets.end() ? std::nullopt : found->slot;
}

SpecPtr SpecFor(const event::Request& request, std::string_view name) {
  for (const SpecPtr& spec : request.specs) {
    if (spec->name == name) return spec;
  }
  return nullptr;
}

RequestItem FailedItem(const std::string& service, Verb verb, Failure::Kind kind, Verb by) {
  RequestItem item{.service = service, .verb = verb, .outcome = Outcome::kFailed};
  item.failure.kind = kind;
  item.failure.verb = by;
  item.failure.service = service;
  return item;
}

Service& CreateService(Context& context, SpecPtr spec) {
  Service service;
  service.name = spec->name;
  service.generation = AddGeneration(service, std::move(spec));
  context.state.services.push_back(std::move(service));
  context.Touch(context.state.services.back());
  return context.state.services.back();
}

// Makes a stopped service one that is wanted, and its slots as many as its spec says. What is still
// stopping is started when it is gone.
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

// A new generation, if the definition has changed; it is what the next start starts.
void AdoptSpec(Context& context, Service& service, const SpecPtr& spec) {
  if (spec == nullptr || *spec == service.spec()) return;
  service.generation = AddGeneration(service, spec);
  TrimSpecs(service, context.state);
  context.actions.push_back(action::SaveWishes{});
  context.Touch(service);
}

// Whoever waits for the service to come up is told that `by` overtook it.
void AbortStarts(Context& context, const std::string& service, Verb by) {
  for (RequestRecord& record : context.state.requests) {
    for (RequestItem& item : record.items) {
      const bool waits =
          item.verb == Verb::kStart || item.verb == Verb::kRestart || item.verb == Verb::kReload;
      if (item.service != service || !waits || IsFinal(item.outcome)) continue;
      item.outcome = Outcome::kFailed;
      item.failure = {};
      item.failure.kind = Failure::Kind::kAborted;
      item.failure.verb = by;
    }
  }
}

void AbortDeletes(Context& context, const std::string& service, Verb by) {
  for (RequestRecord& record : context.state.requests) {
    for (RequestItem& item : record.items) {
      if (item.service != service || item.verb != Verb::kDelete || IsFinal(item.outcome)) continue;
      item.outcome = Outcome::kFailed;
      item.failure.kind = Failure::Kind::kAborted;
      item.failure.verb = by;
    }
  }
}

// ---- start

// The service is wanted already: what has ended or was given up is started, the rest left alone.
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
      StepInstance(context, service, static_cast<SlotIndex>(i), Which::kCurrent, on::Undrain{});
      continue;
    }
    StepInstance(context, service, static_cast<SlotIndex>(i), Which::kCurrent, on::Start{});
  }
  context.starts_may_go = true;
  context.Touch(service);
}

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
    const bool oneshot = service->spec().policy.type == ServiceType::kOneshot;
    if (IsUp(*service, item) && !oneshot) item.outcome = Outcome::kUnchanged;
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

// ---- stop, delete

void AcceptStop(Context& context, RequestRecord& record, const Target& target,
                const std::vector<std::string>& names, Verb verb, on::Stop::How how) {
  Service* service = context.state.Find(target.service);
  if (service == nullptr) {
    record.items.push_back(FailedItem(target.service, verb, Failure::Kind::kUnknown, Verb::kNone));
    return;
  }
  RequestItem item{.service = target.service, .verb = verb, .outcome = Outcome::kRunning};
  item.slot = target.slot;
  item.limit = context.state.next_token;
  item.generation = service->generation;
  const bool was_down = service->is_down() && service->wish == Wish::kStopped;
  context.actions.push_back(action::SaveWishes{});
  if (target.slot && *target.slot < service->slots.size()) {
    service->slots[*target.slot].wish = Wish::kStopped;
    const Instance& current = service->slots[*target.slot].current;
    const bool drains = how == on::Stop::How::kInTime && IsInTraffic(current) &&
                        !service->slots[*target.slot].replacement && OthersServe(*service, current);
    if (drains) {
      StepInstance(context, *service, *target.slot, Which::kCurrent, on::Retire{context.now});
    } else {
      StepInstance(context, *service, *target.slot, Which::kCurrent, on::Stop{how});
    }
    if (service->slots[*target.slot].replacement) {
      StepInstance(context, *service, *target.slot, Which::kReplacement, on::Stop{how});
    }
    record.items.push_back(std::move(item));
    return;
  }
  AbortStarts(context, target.service, verb);
  AbortRollout(context, *service, verb);
  service->wish = Wish::kStopped;
  if (verb == Verb::kDelete) service->deleting = true;
  for (Slot& slot : service->slots) slot.reached = Reached::kNothing;
  if (how == on::Stop::How::kForced) {
    service->stop_order.reset();
    StopAllInstances(context, *service, how);
  } else {
    OrderStop(context, *service, names);
  }
  if (was_down && verb == Verb::kStop) item.outcome = Outcome::kUnchanged;
  record.items.push_back(std::move(item));
}

// ---- restart

// Dependencies that the command touches too, or that are to run anyway, are waited for.
void WaitForWanted(const Context& context, Service& service,
                   const std::vector<std::string>& names) {
  std::erase_if(service.waits_for, [&](const Dependency& need) {
    if (std::ranges::find(names, need.service) != names.end()) return false;
    const Service* other = context.state.Find(need.service);
    return other == nullptr || other->wish != Wish::kRunning;
  });
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
    return;
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
  item.generation = service->generation;
  record.items.push_back(std::move(item));
}

// ---- reload, apply

// What the service runs, or will when its rollouts are through.
const Spec& DesiredSpec(const Service& service) {
  if (service.next) return service.spec(service.next->target);
  if (service.rollout && service.rollout->phase != Rollout::Phase::kBack) {
    return service.spec(service.rollout->target);
  }
  return service.spec();
}

void QueueNew(Context& context, RequestRecord& record, const SpecPtr& spec) {
  Service& service = CreateService(context, spec);
  RequestItem item{.service = spec->name, .verb = Verb::kStart, .outcome = Outcome::kQueued};
  item.generation = service.generation;
  if (!spec->policy.autostart) item.outcome = Outcome::kUnchanged;
  record.items.push_back(std::move(item));
}

void QueueReload(Context& context, RequestRecord& record, Service& service, const SpecPtr& spec,
                 bool named) {
  RequestItem item{.service = service.name, .verb = Verb::kReload, .outcome = Outcome::kQueued};
  if (service.wish == Wish::kStopped) {
    AdoptSpec(context, service, spec);
    item.outcome = Outcome::kUnchanged;
    item.was_stopped = true;
    item.generation = service.generation;
    record.items.push_back(std::move(item));
    return;
  }
  const bool reruns =
      record.verb == Verb::kApply && !named && service.spec().policy.type == ServiceType::kOneshot;
  if (record.verb == Verb::kApply && *spec == DesiredSpec(service)) {
    item.generation = service.generation;
    if (reruns) {
      item.verb = Verb::kStart;
    } else {
      item.outcome = Outcome::kUnchanged;
    }
  } else {
    const SpecPtr target = spec != nullptr ? spec : service.Find(service.generation)->spec;
    item.generation = AddGeneration(service, target);
  }
  context.Touch(service);
  record.items.push_back(std::move(item));
}

void AcceptReload(Context& context, const event::Request& request, RequestRecord& record) {
  const std::vector<std::string> names = NamesOf(TargetsOf(request));
  for (const std::string& name : InDependencyOrder(context.state, request.specs, names)) {
    const SpecPtr spec = SpecFor(request, name);
    Service* service = context.state.Find(name);
    if (service != nullptr && (spec != nullptr || request.verb == Verb::kReload)) {
      QueueReload(context, record, *service, spec, !request.names.empty());
    } else if (spec != nullptr) {
      QueueNew(context, record, spec);
    } else {
      record.items.push_back(FailedItem(name, request.verb, Failure::Kind::kUnknown, Verb::kNone));
    }
  }
}

// ---- shutdown, wait

void AcceptShutdown(Context& context, const event::Request& request) {
  State& state = context.state;
  const bool forced = request.forced || (state.shutdown && state.shutdown->forced);
  state.shutdown =
      Shutdown{.request = request.id, .forced = forced, .keep_instances = request.keep_instances};
  if (request.keep_instances) return;
  std::vector<std::string> names;
  names.reserve(state.services.size());
  for (const Service& service : state.services) names.push_back(service.name);
  for (Service& service : state.services) {
    AbortStarts(context, service.name, Verb::kShutdown);
    AbortRollout(context, service, Verb::kShutdown);
    if (forced) {
      service.stop_order.reset();
      StopAllInstances(context, service, on::Stop::How::kForced);
    } else {
      OrderStop(context, service, names);
    }
  }
}

void AcceptWait(Context& context, const event::Request& request, RequestRecord& record) {
  record.until = request.until;
  if (request.timeout) record.deadline = context.now + *request.timeout;
  for (const Target& target : TargetsOf(request)) {
    RequestItem item{.service = target.service, .verb = Verb::kWait, .outcome = Outcome::kRunning};
    item.slot = target.slot;
    record.items.push_back(std::move(item));
  }
}

void AcceptStarts(Context& context, const event::Request& request, RequestRecord& record) {
  const std::vector<Target> targets = TargetsOf(request);
  const std::vector<std::string> names = NamesOf(targets);
  for (const std::string& name : WithDependencies(context.state, request.specs, names)) {
    const bool named = std::ranges::find(names, name) != names.end();
    AcceptStart(context, record, name, SlotOf(targets, name), SpecFor(request, name), named);
  }
}

Generation NewestWanted(const Service& service) {
  Generation newest = service.generation;
  if (service.rollout) newest = std::max(newest, service.rollout->target);
  if (service.next) newest = std::max(newest, service.next->target);
  return newest;
}

}  // namespace

void AcceptVerb(Context& context, const event::Request& request, RequestRecord& record) {
  const std::vector<Target> targets = TargetsOf(request);
  const auto how = request.forced ? on::Stop::How::kForced : on::Stop::How::kInTime;
  const bool starts = request.verb == Verb::kStart || request.verb == Verb::kRestart ||
                      request.verb == Verb::kReload || request.verb == Verb::kApply;
  if (starts && context.state.shutdown) {
    for (const std::string& name : NamesOf(targets)) {
      record.items.push_back(
          FailedItem(name, request.verb, Failure::Kind::kAborted, Verb::kShutdown));
    }
    return;
  }
  switch (request.verb) {
    case Verb::kStart:
      return AcceptStarts(context, request, record);
    case Verb::kStop:
    case Verb::kDelete:
      for (const Target& target : targets) {
        AcceptStop(context, record, target, NamesOf(targets), request.verb, how);
      }
      return;
    case Verb::kRestart:
      for (const std::string& name :
           InDependencyOrder(context.state, request.specs, NamesOf(targets))) {
        AcceptRestart(context, record, {.service = name, .slot = SlotOf(targets, name)},
                      SpecFor(request, name), NamesOf(targets));
      }
      return;
    case Verb::kReload:
    case Verb::kApply:
      return AcceptReload(context, request, record);
    case Verb::kWait:
      return AcceptWait(context, request, record);
    case Verb::kShutdown:
      return AcceptShutdown(context, request);
    case Verb::kNone:
    case Verb::kBoot:
    case Verb::kReplace:
      return;
    case Verb::kDrain:
    case Verb::kResume:
      for (const Target& target : targets) {
        if (request.verb == Verb::kResume) {
          AcceptResume(context, record, target.service, target.slot);
        } else {
          AcceptDrain(context, record, target.service, target.slot, request.forced);
        }
      }
      return;
  }
}

void BeginItem(Context& context, RequestItem& item) {
  Service* service = context.state.Find(item.service);
  item.outcome = Outcome::kRunning;
  if (service == nullptr) {
    item = FailedItem(item.service, item.verb, Failure::Kind::kUnknown, Verb::kNone);
  } else if (item.verb == Verb::kStart) {
    if (service->wish == Wish::kRunning) {
      StartWhatIsDown(context, *service, item);
    } else {
      WantService(context, *service);
    }
  } else if (service->wish == Wish::kStopped) {
    item.outcome = Outcome::kUnchanged;
    item.was_stopped = true;
  } else if (const Generation newest = NewestWanted(*service); item.generation < newest) {
    item.outcome = Outcome::kFailed;  // while it was queued
    item.failure.kind = Failure::Kind::kSuperseded;
    item.failure.other = newest;
    item.tried = item.generation;
  } else {
    RequestRollout(context, *service, item.generation);
  }
}

bool IsUp(const Service& service, const RequestItem& item) {
  if (service.slots.empty() || service.stop_order) return false;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    if (item.slot && *item.slot != i) continue;
    const Slot& slot = service.slots[i];
    if (slot.wish == Wish::kStopped || service.is_gap(i)) continue;
    const StateKind kind = slot.current.kind();
    const bool up = kind == StateKind::kReady || kind == StateKind::kUnhealthy ||
                    kind == StateKind::kDraining ||
                    (kind == StateKind::kExited && !slot.replacement && slot.current.last_exit &&
                     slot.current.last_exit->success());
    if (!up) return false;
  }
  return true;
}

}  // namespace oxherd
