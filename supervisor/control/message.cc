#include "control/message.h"

#include <algorithm>
#include <array>

namespace oxherd::control {
namespace {

using TellKind = action::Tell::Kind;

template <typename Value>
struct Named {
  Value value;
  std::string_view name;
};

constexpr std::array kCommands = {
    Named{Command::kStart, "start"},
    Named{Command::kStop, "stop"},
    Named{Command::kRestart, "restart"},
    Named{Command::kReload, "reload"},
    Named{Command::kApply, "apply"},
    Named{Command::kDelete, "delete"},
    Named{Command::kDrain, "drain"},
    Named{Command::kResume, "resume"},
    Named{Command::kReplace, "replace"},
    Named{Command::kRollback, "rollback"},
    Named{Command::kReset, "reset"},
    Named{Command::kScale, "scale"},
    Named{Command::kWait, "wait"},
    Named{Command::kDaemonStop, "daemon stop"},
    Named{Command::kList, "list"},
    Named{Command::kStatus, "status"},
    Named{Command::kLogs, "logs"},
    Named{Command::kEnvironment, "env"},
    Named{Command::kSignal, "signal"},
    Named{Command::kPing, "ping"},
    Named{Command::kDaemonStatus, "daemon status"},
    Named{Command::kDaemonUpgrade, "daemon upgrade"},
};

constexpr std::array kKinds = {
    Named{TellKind::kSpawning, "spawning"},
    Named{TellKind::kStarted, "started"},
    Named{TellKind::kReady, "ready"},
    Named{TellKind::kExited, "exited"},
    Named{TellKind::kSpawnFailed, "spawn_failed"},
    Named{TellKind::kNotReady, "not_ready"},
    Named{TellKind::kUnhealthy, "unhealthy"},
    Named{TellKind::kHealthyAgain, "healthy_again"},
    Named{TellKind::kDraining, "draining"},
    Named{TellKind::kUndrained, "undrained"},
    Named{TellKind::kStopping, "stopping"},
    Named{TellKind::kKilling, "killing"},
    Named{TellKind::kUnkillable, "unkillable"},
    Named{TellKind::kStopped, "stopped"},
    Named{TellKind::kBackoff, "backoff"},
    Named{TellKind::kFailed, "failed"},
    Named{TellKind::kDone, "done"},
    Named{TellKind::kHookStarted, "hook_started"},
    Named{TellKind::kHookFailed, "hook_failed"},
    Named{TellKind::kReloadBegun, "reload_begun"},
    Named{TellKind::kReloadDone, "reload_done"},
    Named{TellKind::kRollingBack, "rolling_back"},
    Named{TellKind::kRolledBack, "rolled_back"},
    Named{TellKind::kReplacing, "replacing"},
    Named{TellKind::kWaitingFor, "waiting_for"},
    Named{TellKind::kAdopted, "adopted"},
    Named{TellKind::kLeftovers, "leftovers"},
    Named{TellKind::kStopsFirst, "stops_first"},
    Named{TellKind::kReopened, "reopened"},
    Named{TellKind::kAddressFound, "address_found"},
    Named{TellKind::kSignalled, "signalled"},
    Named{TellKind::kRunSkipped, "run_skipped"},
};

// kQueued and kRunning are no outcomes to report.
constexpr std::array kOutcomes = {
    Named{Outcome::kStarted, "started"},     Named{Outcome::kReloaded, "reloaded"},
    Named{Outcome::kUnchanged, "unchanged"}, Named{Outcome::kStopped, "stopped"},
    Named{Outcome::kDone, "done"},           Named{Outcome::kRolledBack, "rolled_back"},
    Named{Outcome::kFailed, "failed"},       Named{Outcome::kSkipped, "skipped"},
};

constexpr std::array kSteps = {
    Named{PlanStep::Kind::kStart, "start"},
    Named{PlanStep::Kind::kReload, "reload"},
    Named{PlanStep::Kind::kKeep, "keep"},
    Named{PlanStep::Kind::kLeaveStopped, "leave_stopped"},
    Named{PlanStep::Kind::kLeftFile, "left_file"},
    Named{PlanStep::Kind::kStop, "stop"},
    Named{PlanStep::Kind::kRestart, "restart"},
    Named{PlanStep::Kind::kDelete, "delete"},
};

constexpr std::array kUntils = {
    Named{Until::kReady, "ready"},
    Named{Until::kHealthy, "healthy"},
    Named{Until::kDone, "done"},
};

template <typename Table, typename Value>
std::string_view NameIn(const Table& table, Value value, std::string_view otherwise) {
  const auto* found = std::ranges::find(table, value, [](const auto& row) { return row.value; });
  return found == table.end() ? otherwise : found->name;
}

template <typename Table>
auto ValueIn(const Table& table, std::string_view name) -> std::optional<decltype(table[0].value)> {
  const auto* found = std::ranges::find(table, name, [](const auto& row) { return row.name; });
  if (found == table.end()) return std::nullopt;
  return found->value;
}

}  // namespace

std::string_view Name(Command command) { return NameIn(kCommands, command, "unknown"); }
std::optional<Command> CommandFromName(std::string_view name) { return ValueIn(kCommands, name); }

bool IsTracked(Command command) { return command <= Command::kDaemonStop; }

bool ReadsOxfile(Command command) {
  return command == Command::kStart || command == Command::kRestart ||
         command == Command::kReload || command == Command::kApply;
}

std::string_view KindName(TellKind kind) { return NameIn(kKinds, kind, "unknown"); }
std::optional<TellKind> KindFromName(std::string_view name) { return ValueIn(kKinds, name); }

std::string_view OutcomeName(Outcome outcome) { return NameIn(kOutcomes, outcome, "failed"); }
std::optional<Outcome> OutcomeFromName(std::string_view name) { return ValueIn(kOutcomes, name); }

std::string_view StepName(PlanStep::Kind kind) { return NameIn(kSteps, kind, "keep"); }
std::optional<PlanStep::Kind> StepFromName(std::string_view name) { return ValueIn(kSteps, name); }

std::string_view UntilName(Until until) { return NameIn(kUntils, until, "ready"); }
std::optional<Until> UntilFromName(std::string_view name) { return ValueIn(kUntils, name); }

std::string Progress::Subject() const {
  return slot ? service + "/" + std::to_string(*slot) : service;
}

std::string Row::name() const { return service + "/" + std::to_string(slot); }

}  // namespace oxherd::control
