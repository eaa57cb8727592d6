// The health question: when an instance is asked, and what its answers amount to.
#include <algorithm>

#include "core/instance.h"

namespace oxherd {
namespace {

// While it is starting: often, so that ready is seen soon.
constexpr Millis kStartingInterval{200};

Probing* ProbingOf(InstanceState& state) {
  if (auto* starting = std::get_if<Starting>(&state)) return &starting->probing;
  if (auto* ready = std::get_if<Ready>(&state)) return &ready->probing;
  if (auto* unhealthy = std::get_if<Unhealthy>(&state)) return &unhealthy->probing;
  return nullptr;
}

}  // namespace

void AskIfDue(Instance& instance, InstanceContext& context) {
  Probing* probing = ProbingOf(instance.state);
  if (probing == nullptr || probing->asking || probing->next > context.now) return;
  probing->next = kNever;
  probing->asking = true;
  const Token check = context.next_token;
  context.next_token = check.Next();
  context.actions.push_back(action::Probe{.token = instance.token(),
                                          .instance = context.id,
                                          .generation = instance.generation,
                                          .check = check,
                                          .socket = instance.socket});
}

std::optional<InstanceEvent> Judge(Instance& instance, ProbeOutcome outcome,
                                   InstanceContext& context) {
  Probing* probing = ProbingOf(instance.state);
  if (probing == nullptr || !probing->asking) return std::nullopt;
  const Policy& policy = context.policy;
  const bool starting = std::holds_alternative<Starting>(instance.state);
  const bool ready = std::holds_alternative<Ready>(instance.state);
  probing->asking = false;
  probing->next = context.now + (starting ? std::min(kStartingInterval, policy.health_interval)
                                          : policy.health_interval);
  if (outcome == ProbeOutcome::kVoid) return std::nullopt;

  const bool good = outcome == ProbeOutcome::kGood;
  const bool counts = ready ? !good : good;  // Ready counts failures, the others successes
  probing->streak = counts ? static_cast<std::uint16_t>(probing->streak + 1) : std::uint16_t{0};
  std::uint16_t enough = ready ? policy.unhealthy_threshold : policy.healthy_threshold;
  if (starting && policy.ready_by == ReadyBy::kListen) enough = 1;  // it has accepted
  if (probing->streak < enough) return std::nullopt;
  probing->streak = 0;
  if (starting) return on::Proof{};
  if (ready) return on::Bad{};
  return on::Good{};
}

}  // namespace oxherd
