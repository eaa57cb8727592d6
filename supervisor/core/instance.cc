#include "core/instance.h"

#include <algorithm>

#include "base/check.h"
#include "core/instance_machine.h"

namespace oxherd {
namespace {

using Tell = action::Tell;

}  // namespace

bool Step(Instance& instance, const InstanceEvent& event, InstanceContext& context) {
  if (std::holds_alternative<on::Due>(event) && instance.out_until <= context.now) {
    instance.out_until = kNever;  // what is still under way is cut off when it is told to stop
  }
  const Cell& cell = kInstanceTable[instance.state.index()][event.index()];
  if (cell.kind == Cell::Kind::kIgnored) return false;
  // Told to go while its tree is not empty: gone without an exit means nobody saw how.
  if (std::holds_alternative<on::Gone>(event) &&
      !std::holds_alternative<Stopping>(instance.state) &&
      !std::holds_alternative<Killing>(instance.state)) {
    Step(instance, on::Exit{ExitStatus{}}, context);
  }
  const StateKind before = instance.kind();
  Machine machine(instance, context);
  const InstanceState old = instance.state;
  instance.state = std::visit([&](const auto& state) { return machine.On(state, event); }, old);
  if (instance.kind() != before) instance.state_since = context.now;
  return true;
}

void Launch(Instance& instance, InstanceContext& context) {
  OXHERD_CHECK(std::holds_alternative<Waiting>(instance.state), "only what waits is launched");
  instance.state = Machine(instance, context).EnterStarting();
  instance.state_since = context.now;
}

Token StartHook(ProcessKind kind, Generation generation, Millis timeout, InstanceContext& context) {
  const Token token = context.next_token;
  context.next_token = token.Next();
  context.hooks.push_back(Hook{.token = token,
                               .kind = kind,
                               .slot = context.id.slot,
                               .generation = generation,
                               .deadline = context.now + timeout,
                               .killed = false,
                               .status = std::nullopt});
  context.actions.push_back(action::Spawn{
      .token = token, .instance = context.id, .generation = generation, .kind = kind});
  context.actions.push_back(Tell{.kind = Tell::Kind::kHookStarted,
                                 .instance = context.id,
                                 .generation = generation,
                                 .token = token,
                                 .millis = static_cast<std::uint32_t>(timeout.count()),
                                 .number = static_cast<std::int32_t>(kind),
                                 .failure = {}});
  return token;
}

const Process* Instance::process() const {
  struct Visitor {
    const Process* operator()(const Starting& s) const { return &s.process; }
    const Process* operator()(const Ready& s) const { return &s.process; }
    const Process* operator()(const Unhealthy& s) const { return &s.process; }
    const Process* operator()(const Draining& s) const { return &s.process; }
    const Process* operator()(const Stopping& s) const {
      return s.phase == Stopping::Phase::kPostStop ? nullptr : &s.process;
    }
    const Process* operator()(const Killing& s) const { return &s.process; }
    const Process* operator()(const Waiting&) const { return nullptr; }
    const Process* operator()(const Backoff&) const { return nullptr; }
    const Process* operator()(const Exited&) const { return nullptr; }
    const Process* operator()(const Failed&) const { return nullptr; }
    const Process* operator()(const Stopped&) const { return nullptr; }
  };
  return std::visit(Visitor{}, state);
}

Token Instance::token() const {
  const Process* running = process();
  return running == nullptr ? Token{} : running->token;
}

Instant Instance::deadline() const {
  struct Visitor {
    Instant operator()(const Waiting& s) const { return s.delay_until; }
    Instant operator()(const Starting& s) const {
      return std::min({s.ready_by, s.proven_at, s.probing.next});
    }
    Instant operator()(const Ready& s) const { return std::min(s.probing.next, s.deaf_at); }
    Instant operator()(const Unhealthy& s) const { return s.probing.next; }
    Instant operator()(const Draining& s) const { return s.until; }
    Instant operator()(const Stopping& s) const { return s.until; }
    Instant operator()(const Killing& s) const { return s.unkillable_at; }
    Instant operator()(const Backoff& s) const { return s.until; }
    Instant operator()(const Exited&) const { return kNever; }
    Instant operator()(const Failed& s) const { return s.retry_at; }
    Instant operator()(const Stopped&) const { return kNever; }
  };
  return std::min(out_until, std::visit(Visitor{}, state));
}

}  // namespace oxherd
