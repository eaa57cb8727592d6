// What the ledger takes note of after a step of the core.
#include <algorithm>

#include "tests/sim/checker.h"

namespace oxherd::sim {
namespace {

const Policy* PolicyOf(const Moment& moment, std::size_t service, Generation generation) {
  const Service* found = moment.state.Find(ServiceName(service));
  const KeptSpec* kept = found == nullptr ? nullptr : found->Find(generation);
  return kept == nullptr ? nullptr : &kept->spec->policy;
}

}  // namespace

// In the place of one that was told to go, or was down: a new line of restarts.
bool IsReplacing(const Moment& moment, const InstanceView& one) {
  const bool rolls = moment.before.services[one.service].is_rolling ||
                     moment.after.services[one.service].is_rolling;
  if (!rolls) return false;
  const SlotHistory& slot = moment.ledger.services[one.service].slots[one.slot % kMaxSlots];
  const TokenHistory* last = moment.ledger.Find(slot.last);
  const InstanceView* was = moment.before.Find(one.service, one.slot, false);
  const bool was_down = was == nullptr || !was->token.is_set();
  return was_down || (last != nullptr && last->no_crash);
}

namespace {

void RememberSpawn(const Moment& moment, const action::Spawn& spawn) {
  Ledger& ledger = moment.ledger;
  TokenHistory& token = ledger.At(spawn.token);
  const std::size_t index = ServiceIndex(spawn.instance.service);
  token.known = true;
  token.service = static_cast<std::uint8_t>(index);
  token.slot = static_cast<std::uint8_t>(spawn.instance.slot);
  token.generation = spawn.generation;
  token.kind = spawn.kind;
  token.decided_at = moment.now;
  ledger.highest = std::max(ledger.highest, spawn.token);
  if (spawn.kind == ProcessKind::kPreReload) {
    ledger.services[index].At(spawn.generation).hook = spawn.token;
  }
  if (spawn.kind != ProcessKind::kInstance) return;
  ServiceHistory& service = ledger.services[index];
  SlotHistory& slot = service.slots[spawn.instance.slot % kMaxSlots];
  slot.spawned_since_start = true;
  const InstanceView* one = moment.after.Find(spawn.token);
  if (one == nullptr || one->is_replacement) return;
  const TokenHistory* last = ledger.Find(slot.last);
  if (last == nullptr || slot.generation != spawn.generation || IsReplacing(moment, *one)) {
    slot.restarts = 0;
    slot.last_delay = {};
  } else if (last->ended_at != kNever && !last->no_crash && !slot.fresh) {
    ++slot.restarts;
  }
  slot.fresh = false;
  slot.is_due = false;
  slot.last = spawn.token;
  slot.generation = spawn.generation;
}

void RememberInstance(const Moment& moment, const InstanceView& one) {
  ServiceHistory& service = moment.ledger.services[one.service];
  SlotHistory& slot = service.slots[one.slot % kMaxSlots];
  const InstanceView* was = moment.before.Find(one.service, one.slot, one.is_replacement);
  if (one.is_ready()) {
    TokenHistory& token = moment.ledger.At(one.token);
    if (token.ready_at == kNever) token.ready_at = moment.now;
    service.At(one.generation).was_ready = true;
    if (!one.is_replacement && slot.last != one.token) {  // the replacement has moved up
      slot.last = one.token;
      slot.generation = one.generation;
      slot.restarts = 0;
      slot.last_delay = {};
    }
  }
  if (one.kind == StateKind::kDraining && (was == nullptr || was->kind != one.kind)) {
    TokenHistory& token = moment.ledger.At(one.token);
    token.drained = false;
    token.drains_since = moment.now;
    token.was_unhealthy = was != nullptr && was->kind == StateKind::kUnhealthy;
  }
  if (one.kind == StateKind::kExited && one.ended_well) {
    service.At(one.generation).was_ready = true;
  }
  const bool backs_off = one.kind == StateKind::kBackoff && !one.is_replacement;
  if (backs_off && (was == nullptr || was->deadline != one.deadline)) {
    const TokenHistory* last = moment.ledger.Find(slot.last);
    // After a failed spawn it waits for at least a second, which is not part of the row.
    if (last != nullptr && !last->failed) slot.last_delay = one.deadline - moment.now;
  }
}

// In this very step.
bool IsAnswered(const Moment& moment, RequestId id) {
  return std::ranges::any_of(moment.actions, [&](const Action& action) {
    const auto* reply = std::get_if<action::Reply>(&action);
    return reply != nullptr && reply->request == id;
  });
}

}  // namespace

namespace {

// Whether this holds for a scale of the service that is under way, or has just ended.
template <typename Holds>
bool AnyScale(const Moment& moment, std::size_t service, Holds holds) {
  for (const RequestRecord& record : moment.state.requests) {
    if (record.finished && !IsAnswered(moment, record.id)) continue;
    for (const RequestItem& item : record.items) {
      if (item.verb != Verb::kScale || item.service != ServiceName(service)) continue;
      if (item.outcome == Outcome::kUnchanged || !holds(item)) continue;
      if (item.outcome == Outcome::kRunning || record.finished) return true;
    }
  }
  return false;
}

}  // namespace

bool IsScaled(const Moment& moment, std::size_t service) {
  return AnyScale(moment, service, [](const RequestItem&) { return true; });
}

// Two scales that waited for the same rollout begin in one step: the first may have taken away any
// slot but the first, and the second brought it back.
bool IsScaledTwice(const Moment& moment, std::size_t service) {
  const auto is_new = [&](const RequestHistory& request) {
    return request.verb == Verb::kScale && request.took_turn &&
           ((request.services >> service) & 1U) != 0;
  };
  return std::ranges::count_if(moment.ledger.requests, is_new) > 1;
}

bool IsAddedByScale(const Moment& moment, std::size_t service, std::size_t slot) {
  if (slot == 0) return false;
  if (IsScaledTwice(moment, service)) return true;
  const InstanceView* was = moment.before.Find(service, slot, false);
  const InstanceView* now = moment.after.Find(service, slot, false);
  if (was == nullptr || slot >= moment.before.services[service].instances) {
    return IsScaled(moment, service);
  }
  // Or taken away and added in one step: what had no process is not what it was, ...
  if (!was->token.is_set()) {
    const bool is_another =
        now == nullptr || now->kind != was->kind || now->generation != was->generation;
    return is_another && IsScaled(moment, service);
  }
  // ... what was on its way out has a successor of the scale's time.
  if (!was->is_leaving() || now == nullptr || now->token == was->token) return false;
  return AnyScale(moment, service, [&](const RequestItem& scale) {
    const bool is_later =
        now->token.is_set() ? !(now->token < scale.limit) : now->kind == StateKind::kWaiting;
    return was->token < scale.limit && is_later;
  });
}

// How far dependents may rely on the slot.
void RememberReached(const Moment& moment) {
  for (const InstanceView& one : moment.after.instances()) {
    if (moment.after.services[one.service].stops_in_turn) continue;  // of before the restart
    SlotHistory& slot = moment.ledger.services[one.service].slots[one.slot % kMaxSlots];
    if (one.kind == StateKind::kStarting && one.has_pid) {
      slot.reached = std::max(slot.reached, Reached::kStarted);
    }
    const InstanceView* was = moment.before.Find(one.service, one.slot, one.is_replacement);
    if (!one.is_replacement && IsAddedByScale(moment, one.service, one.slot)) {
      slot.reached = moment.ledger.services[one.service].slots[0].reached;
      slot.is_added = true;
    }
    const bool anew = was == nullptr || was->kind != StateKind::kFailed;
    if (one.kind == StateKind::kFailed && anew && !one.is_replacement)
      slot.reached = Reached::kNothing;
    const bool well = one.kind == StateKind::kExited && one.ended_well;
    if (well || one.is_ready()) {
      slot.reached = Reached::kReady;
      slot.is_added = false;
    }
  }
  for (const Action& action : moment.actions) {  // Ready, and in the same step told to go
    const auto* tell = std::get_if<action::Tell>(&action);
    if (tell == nullptr || tell->kind != action::Tell::Kind::kReady) continue;
    ServiceHistory& service = moment.ledger.services[ServiceIndex(tell->instance.service)];
    service.slots[tell->instance.slot % kMaxSlots].reached = Reached::kReady;
    service.At(tell->generation).was_ready = true;
  }
  for (const InstanceView& was : moment.before.instances()) {
    const TokenHistory* token = moment.ledger.Find(was.token);
    if (token != nullptr && token->started_at != kNever && was.kind == StateKind::kStarting) {
      SlotHistory& slot = moment.ledger.services[was.service].slots[was.slot % kMaxSlots];
      slot.reached = std::max(slot.reached, Reached::kStarted);
    }
    // A oneshot that is done was Ready.
    if (token == nullptr || !token->exited_well) continue;
    const Policy* policy = PolicyOf(moment, was.service, was.generation);
    if (policy == nullptr || policy->type != ServiceType::kOneshot) continue;
    ServiceHistory& service = moment.ledger.services[was.service];
    service.At(was.generation).was_ready = true;
    const InstanceView* still = moment.after.Find(was.token);
    if (still == nullptr) service.slots[was.slot % kMaxSlots].reached = Reached::kReady;
  }
}

// The crash count starts anew once an instance was Ready for the whole window.
void RememberWindow(const Moment& moment) {
  for (const InstanceView& was : moment.before.instances()) {
    if (was.is_replacement || !was.token.is_set()) continue;
    SlotHistory& slot = moment.ledger.services[was.service].slots[was.slot % kMaxSlots];
    const TokenHistory* token = moment.ledger.Find(was.token);
    if (token == nullptr || token->ended_at != moment.now || slot.last != was.token) continue;
    const Policy* policy = PolicyOf(moment, was.service, was.generation);
    if (policy == nullptr || token->ready_at == kNever) continue;
    if (moment.now - token->ready_at >= policy->restart_window) {
      slot.restarts = 0;
      slot.last_delay = {};
    }
  }
}

namespace {

// Told to make room: its end is no crash.
void RememberLeaving(const Moment& moment) {
  for (const InstanceView& was : moment.before.instances()) {
    const InstanceView* now = was.token.is_set() ? moment.after.Find(was.token) : nullptr;
    if (now == nullptr || now->kind == was.kind || !now->is_leaving()) continue;
    TokenHistory& history = moment.ledger.At(was.token);
    // What drains has been told to go: whatever ends it, its slot is done.
    const bool drains = was.kind == StateKind::kDraining;
    const bool by_itself = !drains && (history.exited || was.is_leaving());
    if (by_itself) continue;
    if (was.kind != StateKind::kStarting || moment.before.services[was.service].is_rolling ||
        moment.after.services[was.service].is_rolling) {
      history.no_crash = true;
    }
  }
}

// Of a service that is not there, and was not: its history is blank already, unless the event was
// about it.
bool IsBlank(const Moment& moment, const ServiceView& before) {
  if (before.is_there || moment.event == nullptr) return false;
  const Event& event = *moment.event;
  return !std::holds_alternative<event::Request>(event) &&
         !std::holds_alternative<event::Boot>(event) &&
         !std::holds_alternative<event::PoolOpened>(event) &&
         !std::holds_alternative<event::AddressRefused>(event);
}

void RememberService(const Moment& moment, std::size_t index) {
  ServiceHistory& history = moment.ledger.services[index];
  const ServiceView& before = moment.before.services[index];
  const ServiceView& after = moment.after.services[index];
  if (!after.is_there) {
    if (!IsBlank(moment, before)) history = ServiceHistory{};
    return;
  }
  const bool begins = after.is_rolling && (!before.is_rolling || before.began != after.began ||
                                           before.target != after.target);
  if (begins) history.ready_at_begin = before.ready;
  if (after.gave_up) history.is_mixed = true;
  const bool back = after.is_rolling && after.phase == Rollout::Phase::kBack &&
                    !(before.is_rolling && before.phase == Rollout::Phase::kBack);
  if (back && after.cause == Cause::kPerson && after.from != after.target) {
    history.At(after.target).failed = true;
  }
}

}  // namespace

void Remember(const Moment& moment) {
  RememberLeaving(moment);
  for (const Action& action : moment.actions) {
    if (const auto* spawn = std::get_if<action::Spawn>(&action)) RememberSpawn(moment, *spawn);
    const auto* tell = std::get_if<action::Tell>(&action);  // several rollouts may end in one step
    if (tell != nullptr && tell->kind == action::Tell::Kind::kRolledBack &&
        tell->failure.old_lost) {
      moment.ledger.services[ServiceIndex(tell->instance.service)].is_mixed = true;
    }
    if (const auto* signal = std::get_if<action::Signal>(&action)) {
      moment.ledger.At(signal->token).is_untold = true;
    }
    if (const auto* probe = std::get_if<action::Probe>(&action)) {
      moment.ledger.highest = std::max(moment.ledger.highest, probe->check);
    }
  }
  for (const InstanceView& one : moment.after.instances()) RememberInstance(moment, one);
  for (std::size_t i = 0; i < kMaxServices; ++i) RememberService(moment, i);
}

}  // namespace oxherd::sim
