#include "control/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/signals.h"
#include "control/words.h"

namespace oxherd::control {
namespace {

using TellKind = action::Tell::Kind;

// keeper/protocol.h: Stage, in its order; a test holds the two together.
constexpr std::array<std::string_view, 11> kStages = {"table",       "plan",    "pipe",   "clone",
                                                      "descriptors", "session", "limits", "user",
                                                      "chdir",       "exec",    "died"};
constexpr std::string_view kChdir = "chdir";
constexpr std::string_view kExec = "exec";

std::string ExitWords(const ExitStatus& status) {
  switch (status.kind) {
    case ExitStatus::Kind::kCode:
      return fmt::format("exited {}", status.number);
    case ExitStatus::Kind::kSignal:
      return "was killed by " + status.Text();
    case ExitStatus::Kind::kUnknown:
      break;
  }
  return "ended unseen (exit status unknown)";
}

std::string ExitedText(const Failure& failure) {
  return fmt::format("{} after {}{}", ExitWords(failure.status), DurationText(failure.millis),
                     failure.was_ready ? "" : ", before it was ready");
}

std::size_t BytesOf(const Spec& spec) {
  std::size_t bytes = 0;
  for (const std::string& word : spec.command.argv) bytes += word.size() + 1;
  for (const auto& [name, value] : spec.env) bytes += name.size() + value.size() + 2;
  return bytes;
}

// How to mend an exec that failed, by its errno.
std::string ExecAdvice(int number, const Spec& spec, std::string_view search_path) {
  switch (number) {
    case ENOENT:
      if (spec.program.empty() && !spec.command.argv.empty() &&
          spec.command.argv.front().contains('/')) {
        return "; there is none, seen from " + spec.working_dir;
      }
      if (spec.program.empty()) {
        return search_path.empty() ? "; it is not on PATH"
                                   : fmt::format("; it is not on PATH, which is {}", search_path);
      }
      return "; it is missing, or the interpreter that its first line names";
    case EACCES:
      return "; is it an executable file? chmod +x makes it one";
    case ENOEXEC:
      return "; a script needs a first line such as #!/bin/sh";
    case ETXTBSY:
      return "; somebody is still writing it";
    case E2BIG:
      return fmt::format("; its arguments and environment are {} long", BytesText(BytesOf(spec)));
    default:
      return "";
  }
}

std::string SpawnText(const Failure& failure, const About& about) {
  const std::string_view stage = StageWord(failure.stage);
  if (stage == "died") return "cannot start: died between clone and exec";
  std::string text = "cannot start: " + std::string(stage);
  if (about.spec != nullptr && stage == kChdir) {
    text += fmt::format(" \"{}\"", about.spec->working_dir);
  }
  if (about.spec != nullptr && stage == kExec && !about.spec->command.empty()) {
    const Spec& spec = *about.spec;
    text += fmt::format(" \"{}\"", spec.program.empty() ? spec.command.argv[0] : spec.program);
  }
  text += ": " + ErrnoText(failure.number);
  if (about.spec != nullptr && stage == kExec) {
    text += ExecAdvice(failure.number, *about.spec, about.search_path);
  }
  if (stage == "clone" && failure.number == EAGAIN) {
    text += "; the limit of processes is reached (RLIMIT_NPROC, pids.max)";
  }
  return text;
}

std::string ForeignPortText(const Failure& failure, const About& about) {
  const std::string port = about.port == 0 ? "its port" : fmt::format("port {}", about.port);
  if (!failure.text.empty()) {
    return fmt::format("has proved nothing: {} is answered by {}", port, failure.text);
  }
  if (!failure.other.is_set()) {
    return fmt::format(
        "has proved nothing: {} is answered by a process that is not its own; stop that one, or "
        "give this service another port",
        port);
  }
  return fmt::format(
      "has proved nothing: {} is answered by gen {}; write listen = {}, or reload_strategy = "
      "\"stop-first\"",
      port, failure.other.number(), about.port == 0 ? "PORT" : std::to_string(about.port));
}

std::string DependencyFailure(const Failure& failure) {
  if (failure.verb == Verb::kStop || failure.verb == Verb::kDelete) {
    return fmt::format("waits for {}, which was stopped", failure.service);
  }
  if (failure.status.kind == ExitStatus::Kind::kUnknown) {
    return fmt::format("waits for {}, which failed", failure.service);
  }
  return fmt::format("waits for {}, which failed: {}", failure.service, failure.status.Text());
}

std::string HookText(const Failure& failure) {
  if (failure.millis > 0) {
    return fmt::format("was not begun: pre_reload_cmd was not done in {} and was killed",
                       LimitText(failure.millis));
  }
  return "was not begun: pre_reload_cmd " + ExitWords(failure.status);
}

std::string_view VerbWord(Verb verb) {
  switch (verb) {
    case Verb::kStart:
      return "a start";
    case Verb::kStop:
      return "a stop";
    case Verb::kRestart:
      return "a restart";
    case Verb::kReload:
      return "a reload";
    case Verb::kApply:
      return "an apply";
    case Verb::kDelete:
      return "a delete";
    case Verb::kShutdown:
      return "the daemon's shutdown";
    case Verb::kReplace:
      return "a replacement";
    case Verb::kDrain:
      return "a drain";
    case Verb::kResume:
      return "a resume";
    case Verb::kReset:
      return "a reset";
    case Verb::kScale:
      return "a scale";
    case Verb::kWait:
    case Verb::kBoot:
    case Verb::kNone:
      break;
  }
  return "another command";
}

// "tcp:127.0.0.1:3000" as it is written in an Oxfile; ":3000" for all addresses.
std::string AddressText(const std::string& address) {
  constexpr std::string_view kAnywhere = "tcp:[::]:";
  if (address.starts_with(kAnywhere)) return address.substr(kAnywhere.size() - 1);
  return address.starts_with("tcp:") ? address.substr(4) : address;
}

std::string CauseText(const Failure& failure, const About& about) {
  switch (failure.kind) {
    case Failure::Kind::kNone:
      return "";
    case Failure::Kind::kExited:
      return ExitedText(failure);
    case Failure::Kind::kNotReady:
      return fmt::format("was not ready in {}", LimitText(failure.millis));
    case Failure::Kind::kSpawn:
      return SpawnText(failure, about);
    case Failure::Kind::kUnhealthy:
      return "failed its health check";
    case Failure::Kind::kForeignPort:
      return ForeignPortText(failure, about);
    case Failure::Kind::kDependency:
      return DependencyFailure(failure);
    case Failure::Kind::kHook:
      return HookText(failure);
    case Failure::Kind::kAborted:
      return fmt::format("was ended by {}", VerbWord(failure.verb));
    case Failure::Kind::kSuperseded:
      return fmt::format("was superseded by a later reload (generation {})",
                         failure.other.number());
    case Failure::Kind::kUnkillable:
      return "is unkillable: SIGKILL was sent and its processes are still there";
    case Failure::Kind::kUnknown:
      return "is no service that is known here";
    case Failure::Kind::kTimeout:
      return failure.millis == 0 ? "ran out of time"
                                 : "was not so within " + LimitText(failure.millis);
    case Failure::Kind::kListen:
      return fmt::format("cannot listen at {}: {}", AddressText(failure.address), failure.text);
    case Failure::Kind::kBindFamily:
      return fmt::format("binds {} ({}); write listen = [\"{}\"]", failure.text,
                         failure.text.starts_with('[') ? "IPv6" : "IPv4", failure.text);
    case Failure::Kind::kBindWidth:
      return fmt::format("binds {}, listen opens {}; write listen = [\"{}\"]", failure.text,
                         AddressText(failure.address), failure.text);
    case Failure::Kind::kNotInTraffic:
      return "is not in traffic: it has no listen, or is not ready";
    case Failure::Kind::kLastInTraffic:
      return "is the only one in traffic; --force takes it out all the same";
    case Failure::Kind::kDeaf:
      return "shut its listening socket and did not listen again";
    case Failure::Kind::kCount:
      if (failure.number == 0) return "is a oneshot, which is not scaled";
      return fmt::format("may have 1 to {} instances; oxherd stop takes all of them down",
                         failure.number);
    case Failure::Kind::kRoutine:
      return failure.text;
  }
  return "";
}

std::string Because(const Failure& failure, const About& about) {
  return failure.is_set() ? ": " + Describe(failure, about) : "";
}

std::string TriesText(std::int32_t crashes, const About& about) {
  if (about.spec == nullptr || about.spec->policy.max_restarts == 0) {
    return fmt::format("try {}", crashes);
  }
  return fmt::format("try {} of {}", crashes, about.spec->policy.max_restarts);
}

std::string RetryText(const action::Tell& tell) {
  if (tell.millis == 0) return "it stays down until somebody starts it";
  return fmt::format("next try in {}", LimitText(tell.millis));
}

// The cause has just been told by the event before.
std::string FailedText(const action::Tell& tell) {
  const std::string crashes =
      tell.number > 1 ? fmt::format(" after {} crashes in a row", tell.number) : "";
  return fmt::format("given up{}; {}", crashes, RetryText(tell));
}

std::string StopsFirstText(const action::Tell& tell) {
  if (tell.number == 0) return "gives its sockets back: stopped first, this once";
  const std::string what = tell.failure.address.empty()
                               ? "may hold its port"
                               : fmt::format("holds {}", AddressText(tell.failure.address));
  return what + " itself: stopped first, this once; from now on reloads have no gap";
}

std::string StoppingText(const action::Tell& tell) {
  const std::string signal = SignalName(tell.number);
  if (tell.millis == 0) return fmt::format("stopping with {}", signal);
  return fmt::format("stopping with {}, SIGKILL after {}", signal, LimitText(tell.millis));
}

std::string BackoffText(const action::Tell& tell, const About& about) {
  return fmt::format("starting again in {} ({})", LimitText(tell.millis),
                     TriesText(tell.number, about));
}

std::string ReplacingText(const action::Tell& tell, const About& about) {
  return "being replaced" + Because(tell.failure, about);
}

}  // namespace

std::string_view StageWord(std::uint8_t stage) {
  return stage < kStages.size() ? kStages[stage] : "unknown stage";
}

std::string Describe(const Failure& failure, const About& about) {
  std::string text = CauseText(failure, about);
  if (failure.old_lost) {
    text += "; the old generation no longer becomes ready, so the new one stays";
  }
  return text;
}
std::string Describe(const action::Tell& tell, const About& about) {
  switch (tell.kind) {
    case TellKind::kSpawning:
      return "starting";
    case TellKind::kStarted:
      return fmt::format("started as pid {}", tell.number);
    case TellKind::kReady:
      return fmt::format("ready in {}", DurationText(tell.millis));
    case TellKind::kExited:
      return tell.failure.is_set() ? Describe(tell.failure, about) : ExitWords(tell.failure.status);
    case TellKind::kSpawnFailed:
    case TellKind::kNotReady:
      return Describe(tell.failure, about);
    case TellKind::kUnhealthy:
      if (tell.failure.kind != Failure::Kind::kDeaf) return "unhealthy";
      return "unhealthy: it " + CauseText(tell.failure, about);
    case TellKind::kHealthyAgain:
      return "healthy again";
    case TellKind::kDraining:
      return "draining";
    case TellKind::kUndrained:
      return "back in service: its replacement failed";
    case TellKind::kStopping:
      return StoppingText(tell);
    case TellKind::kKilling:
      return "did not stop in time, SIGKILL sent";
    case TellKind::kUnkillable:
      return "unkillable: SIGKILL was sent and its processes are still there";
    case TellKind::kStopped:
      return fmt::format("stopped in {}", DurationText(tell.millis));
    case TellKind::kBackoff:
      return BackoffText(tell, about);
    case TellKind::kFailed:
      return FailedText(tell);
    case TellKind::kDone:
      return fmt::format("done in {}", DurationText(tell.millis));
    case TellKind::kHookStarted:
      return "running its hook";
    case TellKind::kHookFailed:
      return "hook failed" + Because(tell.failure, about);
    case TellKind::kReloadBegun:
      return fmt::format("reloading to generation {}", tell.generation.number());
    case TellKind::kReloadDone:
      return fmt::format("reloaded to generation {}", tell.generation.number());
    case TellKind::kRollingBack:
      return "rolling back" + Because(tell.failure, about);
    case TellKind::kRolledBack:
      return "rolled back" + Because(tell.failure, about);
    case TellKind::kReplacing:
      return ReplacingText(tell, about);
    case TellKind::kWaitingFor:
      return "waiting for " + tell.failure.service;
    case TellKind::kAdopted:
      return "found running";
    case TellKind::kLeftovers:
      return "its main process is gone, the processes it left behind are killed";
    case TellKind::kStopsFirst:
      return StopsFirstText(tell);
    case TellKind::kReopened:
      return fmt::format("binds {}: {} is opened for IPv4 alone", tell.failure.text,
                         AddressText(tell.failure.address));
    case TellKind::kAddressFound:
      return fmt::format("binds {}, which its instances share from now on; started once more",
                         AddressText(tell.failure.address));
    case TellKind::kSignalled:
      return fmt::format("told to reload itself by {}", SignalName(tell.number));
    case TellKind::kRunSkipped:
      return "its time has come, but the last run still lasts: this one is skipped";
  }
  return "";
}

}  // namespace oxherd::control
