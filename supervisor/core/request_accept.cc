#include "core/request_accept.h"

#include <algorithm>

#include "core/request.h"
#include "core/request_target.h"
#include "core/rollout.h"
#include "core/supervisor.h"

namespace oxherd {
namespace {

void AcceptWait(Context& context, const event::Request& request, RequestRecord& record) {
  record.until = request.until;
  if (request.timeout) record.deadline = context.now + *request.timeout;
  for (const Target& target : TargetsOf(request)) {
    RequestItem item{.service = target.service, .verb = Verb::kWait, .outcome = Outcome::kRunning};
    item.slot = target.slot;
    record.items.push_back(std::move(item));
  }
}

Generation NewestWanted(const Service& service) {
  Generation newest = service.generation;
  if (service.rollout) newest = std::max(newest, service.rollout->target);
  if (service.next) newest = std::max(newest, service.next->target);
  return newest;
}

}  // namespace

void AcceptVerb(Context& context, const event::Request& asked, RequestRecord& record) {
  event::Request request = asked;
  for (SpecPtr& spec : request.specs) {
    const Service* const service = context.state.Find(spec->name);
    if (service != nullptr) spec = AsScaled(service->spec(), spec);
  }
  const std::vector<Target> targets = TargetsOf(request);
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
      return AcceptStops(context, request, record);
    case Verb::kRestart:
      return AcceptRestarts(context, request, record);
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
    case Verb::kReset:
      for (const Target& target : targets) {
        AcceptReset(context, record, target.service, target.slot);
      }
      return;
    case Verb::kScale:
      return AcceptScale(request, record);
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
  } else if (item.verb == Verb::kScale) {
    BeginScale(context, *service, item);
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
                    kind == StateKind::kDraining || slot.current.awaits_schedule() ||
                    (kind == StateKind::kExited && !slot.replacement && slot.current.last_exit &&
                     slot.current.last_exit->success());
    if (!up) return false;
  }
  return true;
}

}  // namespace oxherd
