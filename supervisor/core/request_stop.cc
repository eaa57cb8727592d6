// stop, delete and the shutdown of the daemon: who is told to go, and whose wishes that ends.
#include "core/request_accept.h"
#include "core/request_target.h"
#include "core/rollout.h"
#include "core/start_order.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

// Whoever waits for the service to come up is told that `by` overtook it.
void AbortStarts(Context& context, const std::string& service, Verb by) {
  for (RequestRecord& record : context.state.requests) {
    for (RequestItem& item : record.items) {
      const bool waits = item.verb == Verb::kStart || item.verb == Verb::kRestart ||
                         item.verb == Verb::kReload || item.verb == Verb::kScale;
      if (item.service != service || !waits || IsFinal(item.outcome)) continue;
      item.outcome = Outcome::kFailed;
      item.failure = {};
      item.failure.kind = Failure::Kind::kAborted;
      item.failure.verb = by;
    }
  }
}

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

}  // namespace

void AcceptStops(Context& context, const event::Request& request, RequestRecord& record) {
  const std::vector<Target> targets = TargetsOf(request);
  const auto how = request.forced ? on::Stop::How::kForced : on::Stop::How::kInTime;
  for (const Target& target : targets) {
    AcceptStop(context, record, target, NamesOf(targets), request.verb, how);
  }
}

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

}  // namespace oxherd
