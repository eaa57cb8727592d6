// scale: instances added or taken by hand, without touching the others.
//
// The count becomes part of the definition that runs, which so survives the daemon. What a file
// says later counts only if it says another number than when a person scaled.
#include <algorithm>
#include <utility>

#include "core/request_accept.h"
#include "core/request_target.h"
#include "core/rollout_slot.h"
#include "core/supervisor.h"

namespace oxherd {
namespace {

SpecPtr WithCount(const Spec& spec, std::uint16_t count, std::uint16_t of_file) {
  auto scaled = std::make_shared<Spec>(spec);
  scaled->policy.instances = count;
  scaled->policy.reload_parallel = std::min(scaled->policy.reload_parallel, count);
  scaled->scaled_from = count == of_file ? std::nullopt : std::optional(of_file);
  return scaled;
}

// How many there are to be; nothing if there cannot be so many.
std::optional<std::uint16_t> CountFor(const RequestItem& item, const Policy& policy) {
  const int count = item.relative ? policy.instances + item.count : item.count;
  const int most = policy.has_listen() ? kMaxListenInstances : kMaxInstances;
  if (count < 1 || count > most) return std::nullopt;
  return static_cast<std::uint16_t>(count);
}

// How far dependents may rely on the service: one more instance does not change that.
Reached LeastReached(const Service& service, std::size_t count) {
  Reached least = Reached::kReady;
  for (std::size_t i = 0; i < std::min(count, service.slots.size()); ++i) {
    least = std::min(least, service.slots[i].reached);
  }
  return service.slots.empty() ? Reached::kNothing : least;
}

}  // namespace

SpecPtr AsScaled(const Spec& runs, SpecPtr spec) {
  if (!runs.scaled_from || *runs.scaled_from != spec->policy.instances) return spec;
  const int most = spec->policy.has_listen() ? kMaxListenInstances : kMaxInstances;
  if (runs.policy.instances > most) return spec;
  return WithCount(*spec, runs.policy.instances, spec->policy.instances);
}

void AcceptScale(const event::Request& request, RequestRecord& record) {
  for (const std::string& name : NamesOf(TargetsOf(request))) {
    RequestItem item{.service = name, .verb = Verb::kScale, .outcome = Outcome::kQueued};
    item.count = request.count;
    item.relative = request.relative;
    record.items.push_back(std::move(item));
  }
}

void BeginScale(Context& context, Service& service, RequestItem& item) {
  if (service.rollout || service.next) {  // after it
    item.outcome = Outcome::kQueued;
    return;
  }
  item.generation = service.generation;
  const Spec& runs = service.spec();
  const bool is_oneshot = runs.policy.type == ServiceType::kOneshot;
  const std::optional<std::uint16_t> count =
      is_oneshot ? std::nullopt : CountFor(item, runs.policy);
  if (!count) {
    item.outcome = Outcome::kFailed;
    item.failure.kind = Failure::Kind::kCount;
    if (is_oneshot) return;
    item.failure.number = runs.policy.has_listen() ? kMaxListenInstances : kMaxInstances;
    return;
  }
  const std::uint16_t before = runs.policy.instances;
  if (*count == before) {
    item.outcome = Outcome::kUnchanged;
    return;
  }
  const auto kept = std::ranges::find(service.specs, service.generation, &KeptSpec::generation);
  kept->spec = WithCount(runs, *count, runs.scaled_from.value_or(before));
  context.actions.push_back(action::SaveWishes{});
  context.Touch(service);
  if (service.wish != Wish::kRunning) {
    item.outcome = Outcome::kDone;  // that many when it is started
    return;
  }
  item.limit = context.state.next_token;
  const Reached reached = LeastReached(service, before);
  for (std::size_t i = before; i < std::min<std::size_t>(*count, service.slots.size()); ++i) {
    const bool is_ready =
        service.slots[i].current.kind() == StateKind::kReady && !service.stop_order;
    service.slots[i].reached = is_ready ? Reached::kReady : reached;
    if (service.slots[i].current.kind() != StateKind::kDraining) continue;  // taken away just now
    StepInstance(context, service, static_cast<SlotIndex>(i), Which::kCurrent, on::Undrain{});
  }
  while (service.slots.size() < *count) {
    AddSlot(context, service);
    service.slots.back().reached = reached;
  }
  LeaveSurplus(context, service, *count);
}

}  // namespace oxherd
