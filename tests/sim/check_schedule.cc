// Checks of what the wall clock brings: 40, and that cron's replacements are no crashes (11).
#include <algorithm>

#include "tests/sim/checker.h"

namespace oxherd::sim {
namespace {

bool IsScheduled(const Moment& moment, const action::Spawn& spawn) {
  const Service* service = moment.state.Find(spawn.instance.service);
  const KeptSpec* kept = service == nullptr ? nullptr : service->Find(spawn.generation);
  return spawn.kind == ProcessKind::kInstance && kept != nullptr && kept->spec->policy.scheduled;
}

bool RunsAlready(const Moment& moment, const action::Spawn& spawn) {
  return std::ranges::any_of(moment.kernel.processes(), [&](const Process& process) {
    return process.is_alive() && process.kind == ProcessKind::kInstance &&
           process.service == ServiceIndex(spawn.instance.service) &&
           process.slot == spawn.instance.slot && process.token != spawn.token;
  });
}

}  // namespace

Violation CheckSchedule(const Moment& moment) {
  for (const Action& action : moment.actions) {
    const auto* spawn = std::get_if<action::Spawn>(&action);
    if (spawn == nullptr || !IsScheduled(moment, *spawn)) continue;
    if (RunsAlready(moment, *spawn)) return {Invariant::kSchedule, "two runs at a time"};
    if (moment.event == nullptr || moment.ledger.image_was_lost) continue;
    const ServiceHistory& service = moment.ledger.services[ServiceIndex(spawn->instance.service)];
    const SlotHistory& slot = service.slots[spawn->instance.slot % kMaxSlots];
    const TokenHistory* last = moment.ledger.Find(slot.last);
    // It never came to run: the spawn failed, or was lost with the daemon.
    const bool is_next_try = last != nullptr && (last->failed || last->started_at == kNever);
    if (!slot.is_due && !is_next_try) return {Invariant::kSchedule, "a run before its time"};
  }
  return {};
}

Violation CheckRoutine(const Moment& moment) {
  if (moment.event == nullptr || !std::holds_alternative<event::Replace>(*moment.event)) return {};
  for (const InstanceView& one : moment.after.instances()) {
    const InstanceView* was = moment.before.Find(one.service, one.slot, one.is_replacement);
    // Its post_stop_cmd was over in this very step: it had crashed before.
    const bool had_crashed = was != nullptr && was->is_leaving() && !was->token.is_set();
    if (was != nullptr && !had_crashed && one.crashes > was->crashes) {
      return {Invariant::kRestartLimit, "a replacement was counted as a crash"};
    }
  }
  return {};
}

}  // namespace oxherd::sim
