#include "core/reload_signal.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace oxherd {
namespace {

// The instance that is to be told; nothing where it cannot be any more.
std::optional<SlotIndex> SlotToTell(const Service& service, Token token) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const Instance& instance = service.slots[i].current;
    const StateKind kind = instance.kind();
    const bool is_up = kind == StateKind::kReady || kind == StateKind::kUnhealthy;
    if (is_up && instance.token() == token) return static_cast<SlotIndex>(i);
  }
  return std::nullopt;
}

void Tell(Context& context, const Service& service, SlotIndex slot) {
  const Instance& instance = service.slots[slot].current;
  const std::uint8_t signal = service.policy(service.rollout->target).reload_signal;
  context.actions.push_back(action::Signal{.token = instance.token(), .signal = signal});
  context.actions.push_back(action::Tell{.kind = action::Tell::Kind::kSignalled,
                                         .instance = {service.name, slot},
                                         .generation = instance.generation,
                                         .token = instance.token(),
                                         .millis = 0,
                                         .number = signal,
                                         .failure = {}});
}

}  // namespace

bool ReloadsItself(const Service& service, const SpecPtr& spec) {
  const Policy& policy = service.spec().policy;
  if (policy.reload_signal == 0 || service.rollout || service.next || service.stop_order) {
    return false;
  }
  if (spec != nullptr && *spec != service.spec()) return false;
  return service.slots.size() == policy.instances &&
         std::ranges::all_of(service.slots, [&](const Slot& slot) {
           const StateKind kind = slot.current.kind();
           const bool is_up = kind == StateKind::kReady || kind == StateKind::kUnhealthy;
           return slot.current.generation == service.generation &&
                  (is_up || slot.wish == Wish::kStopped);
         });
}

void TellToReload(Context& context, Service& service) {
  if (service.policy(service.rollout->target).reload_signal == 0) return;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const Token token = service.slots[i].current.token();
    if (const auto slot = SlotToTell(service, token)) {
      service.rollout->untold.push_back(token);
      Tell(context, service, *slot);
    }
  }
}

bool AwaitsTelling(Service& service) {
  std::vector<Token>& untold = service.rollout->untold;
  std::erase_if(untold, [&](Token token) { return !SlotToTell(service, token); });
  return !untold.empty();
}

void WasTold(Context& context, Service& service, Token token) {
  if (!service.rollout || std::erase(service.rollout->untold, token) == 0) return;
  context.Touch(service);
}

void TellAgain(Context& context, Service& service) {
  if (!service.rollout || !AwaitsTelling(service)) return;
  for (const Token token : service.rollout->untold) {
    Tell(context, service, *SlotToTell(service, token));
  }
}

}  // namespace oxherd
