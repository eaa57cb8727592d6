#include "daemon/run_end.h"

#include <algorithm>

namespace oxherd {
namespace {

bool IsOver(const Slot& slot) {
  const StateKind kind = slot.current.kind();
  return !slot.replacement &&
         (kind == StateKind::kFailed || kind == StateKind::kExited || kind == StateKind::kStopped);
}

// By its schedule.
bool IsRunAgain(const Service& service) {
  const KeptSpec* const kept = service.Find(service.generation);
  return service.wish == Wish::kRunning && kept != nullptr && kept->spec->policy.scheduled;
}

bool IsOver(const Service& service) {
  return !IsRunAgain(service) && service.is_down() &&
         std::ranges::all_of(service.slots, [](const Slot& slot) { return IsOver(slot); });
}

bool HasFailed(const Service& service) {
  if (IsRunAgain(service)) return false;
  return std::ranges::any_of(
      service.slots, [](const Slot& slot) { return slot.current.kind() == StateKind::kFailed; });
}

// Of the first instance that did not end well; 1 where nobody knows how it ended.
int ExitCodeOf(const Service& service) {
  for (const Slot& slot : service.slots) {
    if (!slot.current.last_exit) {
      if (slot.current.kind() == StateKind::kFailed) return 1;
      continue;
    }
    const ExitStatus& status = *slot.current.last_exit;
    if (status.kind == ExitStatus::Kind::kUnknown) return 1;
    if (status.kind == ExitStatus::Kind::kSignal) return 128 + status.number;
    if (status.number != 0) return status.number;
  }
  return 0;
}

}  // namespace

std::optional<RunEnd> EndOfRun(const State& state, const RunRules& rules) {
  if (!rules.exit_with.empty()) {
    const Service* const awaited = state.Find(rules.exit_with);
    if (awaited != nullptr && !IsOver(*awaited)) return std::nullopt;
    return RunEnd{.code = awaited == nullptr ? 1 : ExitCodeOf(*awaited),
                  .why = rules.exit_with + " has ended"};
  }
  const auto failed = std::ranges::find_if(state.services, HasFailed);
  const bool has_failed = failed != state.services.end();
  if (has_failed && !rules.keep_going)
    return RunEnd{.code = 1, .why = failed->name + " has failed"};
  const bool is_over =
      std::ranges::all_of(state.services, [](const Service& service) { return IsOver(service); });
  if (!is_over) return std::nullopt;
  if (has_failed)
    return RunEnd{.code = 1, .why = "nothing runs any more, and something has failed"};
  return RunEnd{.code = 0, .why = "all is done"};
}

}  // namespace oxherd
