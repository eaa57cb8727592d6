// The step of one instance: its On() functions return the state that follows.
//
// Internal to core/instance. Only the cells that kInstanceTable calls handled get here.
#pragma once

#include "core/instance.h"

namespace oxherd {

class Machine {
 public:
  Machine(Instance& instance, InstanceContext& context) : self_(instance), context_(context) {}

  InstanceState On(const Waiting& state, const InstanceEvent& event);
  InstanceState On(const Starting& state, const InstanceEvent& event);
  InstanceState On(const Ready& state, const InstanceEvent& event);
  InstanceState On(const Unhealthy& state, const InstanceEvent& event);
  InstanceState On(const Draining& state, const InstanceEvent& event);
  InstanceState On(const Stopping& state, const InstanceEvent& event);
  InstanceState On(const Killing& state, const InstanceEvent& event);
  InstanceState On(const Backoff& state, const InstanceEvent& event);
  InstanceState On(const Exited& state, const InstanceEvent& event);
  InstanceState On(const Failed& state, const InstanceEvent& event);
  InstanceState On(const Stopped& state, const InstanceEvent& event);

  InstanceState EnterStarting();

 private:
  template <typename T>
  static const T* As(const InstanceEvent& event) {
    return std::get_if<T>(&event);
  }

  [[nodiscard]] const Policy& policy() const { return context_.policy; }
  [[nodiscard]] Instant now() const { return context_.now; }
  void Say(action::Tell::Kind kind, Token token, std::uint32_t millis = 0, std::int32_t number = 0);
  void SayFailure(action::Tell::Kind kind, Token token, std::uint32_t millis = 0,
                  std::int32_t number = 0);

  InstanceState EnterReady(const Process& process);
  InstanceState FreshStart(const on::Start& start);
  InstanceState BeginStop(const Process& process, on::Stop::How how, After after);
  InstanceState SendSignal(const Process& process, After after);
  InstanceState EnterDraining(const Process& process, Instant ready_since, Instant not_before);
  InstanceState Undrained(const Draining& state);
  InstanceState KillNow(const Process& process, After after, Killing::Why why);
  InstanceState MainExited(const Process& process, ExitStatus status, bool was_ready,
                           Instant ready_since);
  InstanceState RestRemoved(const Process& process, ExitStatus status);
  InstanceState SpawnFailed(const Process& process, const on::SpawnFailed& failure);
  InstanceState TreeGone(const Process& process, After after, bool asked_to_stop);
  InstanceState Finish(const Process& process, After after);
  InstanceState TurnBad(const Ready& state, Failure::Kind why);
  InstanceState StayDown(const on::NoSockets& none);
  InstanceState Refuse(const Process& process, const on::Refused& refused);
  [[nodiscard]] bool IsToStartAgain() const;
  InstanceState AfterCrash(const Process& process);
  InstanceState GiveUp();
  InstanceState WaitBeforeRestart(Millis delay);

  Instance& self_;
  InstanceContext& context_;
};

}  // namespace oxherd
