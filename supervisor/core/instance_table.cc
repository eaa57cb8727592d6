// The table of the instance's states and events; every cell is handled, or ignored because of a
// reason. supervisor/README.md prints it, tests/core walks it.
#include "core/instance.h"

namespace oxherd {
namespace {

constexpr Cell Does(std::string_view what) { return {Cell::Kind::kHandled, what}; }
constexpr Cell Ignored(std::string_view because) { return {Cell::Kind::kIgnored, because}; }

constexpr Cell kNoProcess = Ignored("no process has this token");
constexpr Cell kNotAsked = Ignored("it is not asked in this state");
constexpr Cell kNoHook = Ignored("it waits for no hook");
constexpr Cell kNotLeaving = Ignored("it was not leaving");
constexpr Cell kRuns = Ignored("it runs already");
constexpr Cell kConfirmed = Ignored("its exec was confirmed before");
constexpr Cell kPidKnown = Does("its pid is known");
constexpr Cell kNoKill = Ignored("no SIGKILL was due: its exit follows");
constexpr Cell kWishRemembers = Ignored("the slot's wish remembers it: a new one starts when gone");
constexpr Cell kNoDeadline = Ignored("it has no deadline");
constexpr Cell kTooLate = Ignored("it was told to stop");
constexpr Cell kHasSockets = Ignored("it was given its sockets");
constexpr Cell kServesWithout = Ignored("it was ready without that address");

}  // namespace

// Columns: start, stop, turn, retire, undrain, proof, bad, good, started, spawn failed, exit, gone,
// kill fired, hook done, due, drained, no sockets, refused.
constexpr InstanceTable kInstanceTable = {{
    // Waiting
    {{Ignored("it is about to start"), Does("Stopped"),
      Ignored("the rollout puts the new spec in its place"), kNotLeaving, kNotLeaving, kNotAsked,
      kNotAsked, kNotAsked, kNoProcess, kNoProcess, kNoProcess, kNoProcess, kNoProcess, kNoHook,
      Does("delay over: Starting once dependencies are met"), kNotLeaving,
      Does("Failed, or Backoff"), kNoProcess}},
    // Starting
    {{kRuns, Does("Stopping"), Ignored("kept until the new one is Ready"), Does("Stopping"),
      kNotLeaving, Does("Ready"), Ignored("failures count only against ready_timeout"),
      Ignored("the threshold is a proof"), Does("exec is confirmed"),
      Does("Failed, or Backoff if it will pass"), Does("crash; a oneshot's 0: done"), Does("crash"),
      kNoKill, kNoHook, Does("Ready by uptime, or Stopping: not ready in time"), kNotLeaving,
      kHasSockets, Does("crash; or started again, not counted")}},
    // Ready
    {{kRuns, Does("Stopping"), Ignored("kept until the new one is Ready"), Does("Draining"),
      kNotLeaving, Ignored("ready is said once per token"), Does("Unhealthy"),
      Ignored("it is healthy"), kPidKnown, kConfirmed, Does("crash"), Does("crash"), kNoKill,
      kNoHook, Does("asks for its health; Unhealthy, if it is deaf"), kNotLeaving, kHasSockets,
      kServesWithout}},
    // Unhealthy
    {{kRuns, Does("Stopping"), Ignored("kept until the new one is Ready"), Does("Draining"),
      kNotLeaving, Ignored("ready is said once per token"), Ignored("it is unhealthy"),
      Does("Ready"), kPidKnown, kConfirmed, Does("crash"), Does("crash"), kNoKill, kNoHook,
      Does("asks for its health"), kNotLeaving, kHasSockets, kServesWithout}},
    // Draining
    {{kRuns, Does("Stopping"), Ignored("its turn has come"), Ignored("it is leaving"),
      Does("Ready, or Unhealthy, as it was"), kNotAsked, kNotAsked, kNotAsked, kPidKnown,
      kConfirmed, Does("slot done"), Does("slot done"), kNoKill, kNoHook, Does("Stopping"),
      Does("Stopping"), kHasSockets, kServesWithout}},
    // Stopping
    {{kWishRemembers, Does("waits for the same result; forced: Killing"),
      Ignored("the rollout waits until it is gone"), Does("does not come back"), kTooLate, kTooLate,
      kTooLate, kTooLate, kPidKnown, Does("gone"), Does("stays"), Does("where the reason said"),
      Does("Killing"), Does("the stop signal; or where it was going"),
      Does("Killing; or the hook's time is over"), kTooLate, kHasSockets, kTooLate}},
    // Killing
    {{kWishRemembers, Does("waits for the same result"),
      Ignored("the rollout waits until it is gone"), Does("does not come back"), kTooLate, kTooLate,
      kTooLate, kTooLate, kPidKnown, Does("gone"), Does("stays"), Does("where the reason said"),
      Ignored("SIGKILL was sent"), kNoHook, Does("unkillable"), kTooLate, kHasSockets, kTooLate}},
    // Backoff
    {{Does("Waiting, counters cleared"), Does("Stopped"), Does("cancelled: the new one starts"),
      kNotLeaving, kNotLeaving, kNotAsked, kNotAsked, kNotAsked, kNoProcess, kNoProcess, kNoProcess,
      kNoProcess, kNoProcess, kNoHook, Does("Starting"), kNotLeaving,
      Ignored("it does not start now"), kNoProcess}},
    // Exited
    {{Does("Waiting, counters cleared; Exited, with a schedule"), Does("Stopped"),
      Ignored("the new one starts beside it"), kNotLeaving,
      Does("Backoff, if its turn had cancelled that"), kNotAsked, kNotAsked, kNotAsked, kNoProcess,
      kNoProcess, kNoProcess, kNoProcess, kNoProcess, kNoHook, kNoDeadline, kNotLeaving,
      Ignored("it does not start now"), kNoProcess}},
    // Failed
    {{Does("Waiting, counters cleared; Exited, with a schedule"), Does("Stopped"),
      Ignored("the new one starts beside it"), kNotLeaving, kNotLeaving, kNotAsked, kNotAsked,
      kNotAsked, kNoProcess, kNoProcess, kNoProcess, kNoProcess, kNoProcess, kNoHook,
      Does("Starting: tried again"), kNotLeaving, Ignored("it does not start now"), kNoProcess}},
    // Stopped
    {{Does("Waiting, counters cleared; Exited, with a schedule"), Ignored("it is stopped"),
      Ignored("the rollout puts the new spec in its place"), kNotLeaving, kNotLeaving, kNotAsked,
      kNotAsked, kNotAsked, kNoProcess, kNoProcess, kNoProcess, kNoProcess, kNoProcess, kNoHook,
      kNoDeadline, kNotLeaving, Ignored("it does not start now"), kNoProcess}},
}};

std::string_view Name(StateKind kind) {
  constexpr std::array<std::string_view, kStateCount> kNames = {
      "waiting", "starting", "ready",  "unhealthy", "draining", "stopping",
      "killing", "backoff",  "exited", "failed",    "stopped"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view Name(InstanceEventKind kind) {
  constexpr std::array<std::string_view, kInstanceEventCount> kNames = {
      "start",      "stop",      "turn",    "retire",       "undrain",    "proof",
      "bad",        "good",      "started", "spawn failed", "exit",       "gone",
      "kill fired", "hook done", "due",     "drained",      "no sockets", "refused"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace oxherd
