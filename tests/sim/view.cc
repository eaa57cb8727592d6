#include "tests/sim/view.h"

#include <algorithm>

#include "base/check.h"

namespace oxherd::sim {
namespace {

Instant OwnDeadline(const InstanceState& state) {
  if (const auto* starting = std::get_if<Starting>(&state)) return starting->ready_by;
  if (const auto* draining = std::get_if<Draining>(&state)) return draining->until;
  if (const auto* stopping = std::get_if<Stopping>(&state)) return stopping->until;
  if (const auto* killing = std::get_if<Killing>(&state)) return killing->unkillable_at;
  if (const auto* backoff = std::get_if<Backoff>(&state)) return backoff->until;
  if (const auto* failed = std::get_if<Failed>(&state)) return failed->retry_at;
  return kNever;
}

bool MayTakeForEver(const Service& service, const Instance& instance) {
  if (const auto* killing = std::get_if<Killing>(&instance.state)) return killing->unkillable;
  if (instance.kind() != StateKind::kStarting) return false;
  const Policy& policy = service.policy(instance.generation);
  return policy.type == ServiceType::kOneshot && !policy.ready_timeout;
}

void Add(View& view, const Service& service, const Instance& instance, std::size_t slot,
         bool is_replacement) {
  OXHERD_CHECK(view.count < view.table.size(), "more instances than a scenario can have");
  InstanceView& seen = view.table[view.count++];
  seen = InstanceView{};
  seen.token = instance.token();
  seen.generation = instance.generation;
  seen.kind = instance.kind();
  seen.service = static_cast<std::uint8_t>(ServiceIndex(service.name));
  seen.slot = static_cast<std::uint8_t>(slot);
  seen.is_replacement = is_replacement;
  const oxherd::Process* process = instance.process();
  seen.has_pid = process != nullptr && process->pid.is_set();
  if (process == nullptr) seen.token = Token();
  seen.ended_well = seen.kind == StateKind::kExited && !instance.failure.is_set();
  seen.may_take_for_ever = MayTakeForEver(service, instance);
  seen.crashes = instance.crashes;
  seen.socket = instance.socket;
  seen.deadline = OwnDeadline(instance.state);
}

void LookAtRollout(const Service& service, ServiceView& seen) {
  seen.is_rolling = service.rollout.has_value();
  if (service.rollout) {
    seen.phase = service.rollout->phase;
    seen.cause = service.rollout->cause;
    seen.strategy = service.rollout->strategy;
    seen.from = service.rollout->from;
    seen.target = service.rollout->target;
    seen.began = service.rollout->began;
    seen.gave_up =
        seen.phase == Rollout::Phase::kBack &&
        std::ranges::count(service.rollout->slots.each(), Rollout::Progress::kGivenUp) > 0;
  }
  seen.has_next = service.next.has_value();
  if (service.last_reload) {
    seen.ended_target = service.last_reload->target;
    seen.ended = service.last_reload->ended;
    seen.old_is_lost = service.last_reload->failure.old_lost;
  }
}

}  // namespace

const InstanceView* View::Find(Token token) const {
  for (const InstanceView& one : instances()) {
    if (one.token == token) return &one;
  }
  return nullptr;
}

const InstanceView* View::Find(std::size_t service, std::size_t slot, bool is_replacement) const {
  for (const InstanceView& one : instances()) {
    if (one.service == service && one.slot == slot && one.is_replacement == is_replacement) {
      return &one;
    }
  }
  return nullptr;
}

void Look(const State& state, View& view) {
  view.count = 0;
  view.hook_count = 0;
  view.next_token = state.next_token;
  view.shutting_down = state.shutdown.has_value();
  for (ServiceView& seen : view.services) seen.is_there = false;
  for (const Service& service : state.services) {
    ServiceView& seen = view.services[ServiceIndex(service.name)];
    seen = ServiceView{};
    seen.is_there = true;
    seen.wanted = service.wish == Wish::kRunning;
    seen.deleting = service.deleting;
    seen.stops_in_turn = service.stop_order.has_value();
    seen.generation = service.generation;
    seen.last_generation = service.last_generation;
    seen.instances = service.policy(service.generation).instances;
    seen.revision = service.revision;
    seen.slots = static_cast<std::uint16_t>(service.slots.size());
    seen.hooks = static_cast<std::uint16_t>(service.hooks.size());
    seen.due = service.deadline();
    for (const Hook& hook : service.hooks) {
      OXHERD_CHECK(view.hook_count < view.hook_table.size(), "more hooks than there can be");
      view.hook_table[view.hook_count++] = {.token = hook.token, .killed = hook.killed};
    }
    LookAtRollout(service, seen);
    for (std::size_t slot = 0; slot < service.slots.size(); ++slot) {
      const Slot& both = service.slots[slot];
      Add(view, service, both.current, slot, false);
      if (both.replacement) Add(view, service, *both.replacement, slot, true);
      const bool is_new_ready = both.replacement && both.replacement->is_ready();
      if (both.current.is_ready() || is_new_ready) ++seen.ready;
    }
  }
}

}  // namespace oxherd::sim
