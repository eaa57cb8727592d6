// reload and apply: which services are rolled, started, or left as they are.
#include "core/generations.h"
#include "core/reload_signal.h"
#include "core/request_accept.h"
#include "core/request_target.h"
#include "core/rollout.h"
#include "core/start_order.h"

namespace oxherd {
namespace {

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
  const Policy& policy = service.spec().policy;
  const bool reruns = record.verb == Verb::kApply && !named &&
                      policy.type == ServiceType::kOneshot && !policy.scheduled;
  if (record.verb == Verb::kApply && *spec == DesiredSpec(service)) {
    item.generation = service.generation;
    if (reruns) {
      item.verb = Verb::kStart;
    } else {
      item.outcome = Outcome::kUnchanged;
    }
  } else if (ReloadsItself(service, spec)) {
    item.generation = service.generation;
  } else {
    const SpecPtr target = spec != nullptr ? spec : service.Find(service.generation)->spec;
    item.generation = AddGeneration(service, target);
  }
  context.Touch(service);
  record.items.push_back(std::move(item));
}

}  // namespace

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

}  // namespace oxherd
