#include <fmt/format.h>

#include "base/signals.h"
#include "control/describe.h"
#include "control/words.h"

namespace oxherd::control {
namespace {

using TellKind = action::Tell::Kind;

Severity SeverityOf(const action::Tell& tell) {
  switch (tell.kind) {
    case TellKind::kFailed:
    case TellKind::kUnkillable:
      return Severity::kError;
    case TellKind::kExited:
      return tell.failure.is_set() ? Severity::kWarn : Severity::kInfo;
    case TellKind::kSpawnFailed:
    case TellKind::kNotReady:
    case TellKind::kUnhealthy:
    case TellKind::kKilling:
    case TellKind::kBackoff:
    case TellKind::kHookFailed:
    case TellKind::kRollingBack:
    case TellKind::kRolledBack:
    case TellKind::kLeftovers:
    case TellKind::kStopsFirst:
    case TellKind::kRunSkipped:
      return Severity::kWarn;
    case TellKind::kSpawning:
    case TellKind::kWaitingFor:
      return Severity::kDebug;
    case TellKind::kStarted:
    case TellKind::kReady:
    case TellKind::kHealthyAgain:
    case TellKind::kDraining:
    case TellKind::kUndrained:
    case TellKind::kStopping:
    case TellKind::kStopped:
    case TellKind::kDone:
    case TellKind::kHookStarted:
    case TellKind::kReloadBegun:
    case TellKind::kReloadDone:
    case TellKind::kReplacing:
    case TellKind::kAdopted:
    case TellKind::kReopened:
    case TellKind::kAddressFound:
    case TellKind::kSignalled:
      return Severity::kInfo;
  }
  return Severity::kInfo;
}

std::string ExitFields(const ExitStatus& status) {
  switch (status.kind) {
    case ExitStatus::Kind::kCode:
      return fmt::format("code={}", status.number);
    case ExitStatus::Kind::kSignal:
      return fmt::format("signal={}{}", SignalName(status.number),
                         status.out_of_memory ? " oom=true" : "");
    case ExitStatus::Kind::kUnknown:
      break;
  }
  return "code=unknown";
}

// Numbers as key=value where the words for people would bury them.
std::string Words(const action::Tell& tell, const About& about) {
  switch (tell.kind) {
    case TellKind::kStarted:
      return fmt::format("started pid={}", tell.number);
    case TellKind::kReady:
      return fmt::format("ready after={}", ShortDuration(tell.millis));
    case TellKind::kExited:
      return fmt::format(
          "exited {} uptime={}{}", ExitFields(tell.failure.status), ShortDuration(tell.millis),
          tell.failure.is_set() && !tell.failure.was_ready ? ", before it was ready" : "");
    case TellKind::kStopping:
      return fmt::format("stopping signal={} kill_after={}", SignalName(tell.number),
                         ShortDuration(tell.millis));
    case TellKind::kStopped:
      return fmt::format("stopped after={}", ShortDuration(tell.millis));
    case TellKind::kDone:
      return fmt::format("done after={}", ShortDuration(tell.millis));
    case TellKind::kBackoff:
      return fmt::format("crashed crashes={}; {}", tell.number, Describe(tell, about));
    case TellKind::kFailed:
      return fmt::format("failed crashes={}{}{}; {}", tell.number,
                         tell.failure.is_set() ? ": " : "", Describe(tell.failure, about),
                         tell.millis == 0
                             ? "it stays down until somebody starts it"
                             : fmt::format("next try in {}", ShortDuration(tell.millis)));
    case TellKind::kSpawning:
    case TellKind::kSpawnFailed:
    case TellKind::kNotReady:
    case TellKind::kUnhealthy:
    case TellKind::kHealthyAgain:
    case TellKind::kDraining:
    case TellKind::kUndrained:
    case TellKind::kKilling:
    case TellKind::kUnkillable:
    case TellKind::kHookStarted:
    case TellKind::kHookFailed:
    case TellKind::kReloadBegun:
    case TellKind::kReloadDone:
    case TellKind::kRollingBack:
    case TellKind::kRolledBack:
    case TellKind::kReplacing:
    case TellKind::kWaitingFor:
    case TellKind::kAdopted:
    case TellKind::kLeftovers:
    case TellKind::kStopsFirst:
    case TellKind::kReopened:
    case TellKind::kAddressFound:
    case TellKind::kSignalled:
    case TellKind::kRunSkipped:
      break;
  }
  return Describe(tell, about);
}

bool IsAboutService(TellKind kind) {
  return kind == TellKind::kReloadBegun || kind == TellKind::kReloadDone ||
         kind == TellKind::kRollingBack || kind == TellKind::kRolledBack ||
         kind == TellKind::kStopsFirst || kind == TellKind::kReopened;
}

}  // namespace

LogLine LogLineFor(const action::Tell& tell, const About& about) {
  const std::string subject =
      IsAboutService(tell.kind) ? tell.instance.service : tell.instance.Text();
  return {SeverityOf(tell),
          fmt::format("{} gen={} {}", subject, tell.generation.number(), Words(tell, about))};
}

}  // namespace oxherd::control
