#include "core/auto_listen.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/traffic.h"

namespace oxherd {
namespace {

KeptSpec* FindKept(Service& service, Generation generation) {
  const auto found = std::ranges::find(service.specs, generation, &KeptSpec::generation);
  return found == service.specs.end() ? nullptr : &*found;
}

// A program that asks for all of IPv6 is served by IPv4 too, and by that alone where there is no
// other.
ListenAddress AddressFrom(const std::string& wanted) {
  return {.address = "tcp:" + wanted, .any_family = wanted.starts_with("[::]:")};
}

}  // namespace

std::optional<Millis> MayBindWithin(const Policy& policy) {
  if (policy.auto_listen != AutoListen::kUnknown) return std::nullopt;
  if (policy.ready_by != ReadyBy::kListen) return std::nullopt;
  return policy.ready_timeout ? std::min(kBindsWithin, *policy.ready_timeout / 2) : kBindsWithin;
}

bool IsToTellAddress(const Service& service, Generation generation) {
  const KeptSpec* const kept = service.Find(generation);
  return kept != nullptr && !kept->was_ready &&
         kept->spec->policy.auto_listen == AutoListen::kUnknown;
}

void KeepFoundAddress(Spec& spec, const Spec& earlier, Runs runs) {
  Policy& policy = spec.policy;
  if (policy.auto_listen != AutoListen::kUnknown) return;
  for (const ListenAddress& each : earlier.policy.listen) {
    if (each.address.starts_with("tcp:") && policy.listen.empty()) policy.listen = {each};
  }
  if (policy.listen.empty()) return;
  policy.auto_listen = earlier.policy.auto_listen;
  if (runs == Runs::kNo || spec != earlier) policy.auto_listen = AutoListen::kAssumed;
}

void ShareFoundAddress(Service& service, Generation from, Generation target) {
  KeptSpec* const kept = FindKept(service, target);
  const KeptSpec* const known = service.Find(from);
  if (kept == nullptr || known == nullptr || kept->was_ready) return;
  if (kept->spec->policy.auto_listen != AutoListen::kUnknown) return;
  auto spec = std::make_shared<Spec>(*kept->spec);
  KeepFoundAddress(*spec, *known->spec, Runs::kYes);
  kept->spec = std::move(spec);
}

bool TellsAddress(const Service& service, const Instance& instance,
                  const event::AddressRefused& refused) {
  const KeptSpec* const kept = service.Find(instance.generation);
  if (kept == nullptr || kept->was_ready) return false;
  const AutoListen known = kept->spec->policy.auto_listen;
  const bool is_unlisted = refused.why == event::AddressRefused::Why::kUnlisted;
  return known == AutoListen::kAssumed || (known == AutoListen::kUnknown && is_unlisted);
}

bool WaitsForAddress(const Context& context, const Service& service, SlotIndex slot, Which which) {
  const Instance& own =
      which == Which::kCurrent ? service.slots[slot].current : *service.slots[slot].replacement;
  const KeptSpec* const kept = service.Find(own.generation);
  if (kept == nullptr || kept->was_ready) return false;
  const AutoListen known = kept->spec->policy.auto_listen;
  if (known == AutoListen::kNo || known == AutoListen::kAssumed) return false;
  bool waits = false;
  ForEachInstance(service, [&](SlotIndex index, Which, const Instance& other) {
    if (&other == &own || other.generation != own.generation) return;
    if (known == AutoListen::kFound) {  // who has found it starts first, where clients come first
      waits |= other.is_live() && !other.socket && !other.is_unkillable();
      return;
    }
    const bool comes = index < slot && other.kind() != StateKind::kFailed &&
                       StartsAt(context.state, service, service.slots[index], other) != kNever;
    waits |= other.is_live() || comes;
  });
  return waits;
}

void AddressWasFound(Context& context, Service& service, SlotIndex slot, Which which,
                     const event::AddressRefused& asked) {
  const Instance& instance = *Find(service.slots[slot], which);
  const Generation generation = instance.generation;
  if (instance.kind() != StateKind::kStarting || !TellsAddress(service, instance, asked)) return;
  KeptSpec* const kept = FindKept(service, generation);
  if (kept == nullptr) return;

  auto spec = std::make_shared<Spec>(*kept->spec);
  spec->policy.listen = {AddressFrom(asked.wanted)};
  spec->policy.auto_listen = AutoListen::kFound;
  kept->spec = std::move(spec);
  Failure why;
  why.kind = Failure::Kind::kRoutine;
  why.address = "tcp:" + asked.wanted;
  TellService(context, service, action::Tell::Kind::kAddressFound, generation, why);
  std::get<action::Tell>(context.actions.back()).instance.slot = slot;
  // Whoever of it starts already has been given other sockets, or none.
  std::vector<std::pair<SlotIndex, Which>> starting;
  ForEachInstance(service, [&](SlotIndex index, Which one, const Instance& other) {
    if (other.generation == generation && other.kind() == StateKind::kStarting) {
      starting.emplace_back(index, one);
    }
  });
  for (const auto& [index, one] : starting) {
    StepInstance(context, service, index, one,
                 on::Refused{.then = on::Refused::Then::kTryAgain, .failure = why});
  }
  context.Touch(service);
  context.actions.push_back(action::SaveWishes{});
}

}  // namespace oxherd
