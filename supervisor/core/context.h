// What the parts of the core share while one event is handled: the state, the time, the actions,
// and which services have to be looked at again.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/action.h"
#include "core/event.h"
#include "core/instance.h"
#include "core/state.h"

namespace oxherd {

// Which of a slot's two instances.
enum class Which : std::uint8_t { kCurrent, kReplacement };

struct Context {
  State& state;
  Instant now;
  Actions& actions;
  std::vector<std::size_t> touched;  // indexes into state.services, to be reconciled
  bool starts_may_go = false;        // some bound, delay or dependency may have been lifted
  // The queues whose sweep is due; whether it is called for is seen when all is decided.
  struct DueSweep {
    std::string service;
    SocketNumber socket = 0;
  };
  std::vector<DueSweep> due_sweeps{};

  void Touch(const Service& service);
  // Also those that depend on it: something they wait for may have happened.
  void TouchDependents(const Service& service);
};

// Feeds one event to one instance, and draws the conclusions that lie outside it: rollout, waiting
// requests, dependents. False if the instance ignores it.
bool StepInstance(Context& context, Service& service, SlotIndex slot, Which which,
                  const InstanceEvent& event);

// Lets an instance leave Waiting.
void LaunchInstance(Context& context, Service& service, SlotIndex slot, Which which);

// Asks the instance for its health if it is time; counts the answer.
void AskInstance(Context& context, Service& service, SlotIndex slot, Which which);
void JudgeInstance(Context& context, Service& service, SlotIndex slot, Which which,
                   ProbeOutcome outcome);

// Starts a hook of the service as a whole; its token is in service.hooks from now on.
Token StartServiceHook(Context& context, Service& service, ProcessKind kind, Generation generation,
                       Millis timeout);

[[nodiscard]] Instance* Find(Slot& slot, Which which);

// Whether this slot is to run something.
[[nodiscard]] bool IsWanted(const State& state, const Service& service, const Slot& slot);

// A narration of the service as a whole (slot 0 stands for it).
void TellService(Context& context, const Service& service, action::Tell::Kind kind,
                 Generation generation, const Failure& failure = {});

}  // namespace oxherd
