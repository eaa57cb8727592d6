// drain, resume, reset: what a person asks of single instances, and is done at once.
#include <algorithm>

#include "core/request_accept.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

Instance* CurrentOf(Context& context, const std::string& name, std::optional<SlotIndex> slot) {
  Service* service = context.state.Find(name);
  if (service == nullptr || !slot || *slot >= service->slots.size()) return nullptr;
  return &service->slots[*slot].current;
}

RequestItem ItemFor(const std::string& name, std::optional<SlotIndex> slot, Verb verb) {
  RequestItem item{.service = name, .verb = verb, .outcome = Outcome::kRunning};
  item.slot = slot;
  return item;
}

void Refuse(RequestRecord& record, RequestItem item, Failure::Kind kind) {
  item.outcome = Outcome::kFailed;
  item.failure.kind = kind;
  item.failure.service = item.service;
  item.failure.slot = item.slot.value_or(0);
  record.items.push_back(std::move(item));
}

}  // namespace

void AcceptDrain(Context& context, RequestRecord& record, const std::string& name,
                 std::optional<SlotIndex> slot, bool forced) {
  RequestItem item = ItemFor(name, slot, Verb::kDrain);
  Instance* instance = CurrentOf(context, name, slot);
  if (instance == nullptr) return Refuse(record, std::move(item), Failure::Kind::kUnknown);
  Service& service = *context.state.Find(name);
  item.generation = instance->generation;
  item.limit = instance->token();
  if (instance->taken_out && instance->is_live()) {  // drained, or on the way there
    record.items.push_back(std::move(item));
    return;
  }
  if (!IsInTraffic(*instance)) return Refuse(record, std::move(item), Failure::Kind::kNotInTraffic);
  if (!forced && !OthersServe(service, *instance)) {
    return Refuse(record, std::move(item), Failure::Kind::kLastInTraffic);
  }
  instance->taken_out = true;
  instance->out_until = context.now + service.policy(instance->generation).drain_max;
  instance->out_watched = false;
  context.Touch(service);
  record.items.push_back(std::move(item));
}

void AcceptResume(Context& context, RequestRecord& record, const std::string& name,
                  std::optional<SlotIndex> slot) {
  RequestItem item = ItemFor(name, slot, Verb::kResume);
  Instance* instance = CurrentOf(context, name, slot);
  if (instance == nullptr) return Refuse(record, std::move(item), Failure::Kind::kUnknown);
  item.generation = instance->generation;
  item.outcome = instance->taken_out ? Outcome::kDone : Outcome::kUnchanged;
  if (!instance->socket) return Refuse(record, std::move(item), Failure::Kind::kNotInTraffic);
  instance->taken_out = false;
  instance->out_until = kNever;
  context.Touch(*context.state.Find(name));
  record.items.push_back(std::move(item));
}

void AcceptReset(Context& context, RequestRecord& record, const std::string& name,
                 std::optional<SlotIndex> slot) {
  RequestItem item = ItemFor(name, slot, Verb::kReset);
  Service* service = context.state.Find(name);
  if (service == nullptr || (slot && *slot >= service->slots.size())) {
    return Refuse(record, std::move(item), Failure::Kind::kUnknown);
  }
  const auto reset = [](Instance& instance) {
    instance.restarts = 0;
    instance.crashes = 0;
    instance.first_crash = Instant();
  };
  for (std::size_t i = 0; i < service->slots.size(); ++i) {
    if (slot && *slot != i) continue;
    reset(service->slots[i].current);
    if (service->slots[i].replacement) reset(*service->slots[i].replacement);
  }
  item.generation = service->generation;
  item.outcome = Outcome::kDone;
  context.Touch(*service);
  record.items.push_back(std::move(item));
}

}  // namespace oxherd
