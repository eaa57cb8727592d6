#include "tests/sim/behaviour.h"

#include <array>
#include <cerrno>

namespace oxherd::sim {
namespace {

constexpr std::array kSoon = {0, 0, 0, 50, 100, 200};
constexpr std::array kWhile = {0, 100, 500, 1000, 2000, 5000};

Behaviour Good(Random& random, const Spec& spec) {
  Behaviour good;
  good.exec_after = random.PickMillis(kSoon);
  good.ready_after = random.PickMillis(kSoon);
  good.dies_after_signal = random.PickMillis(kSoon);
  if (spec.policy.type == ServiceType::kOneshot) {
    good.exit_after = random.PickMillis(kSoon);
    good.exit_status = ExitStatus::Code(0);
    good.is_to_end = true;
  }
  return good;
}

Behaviour Hook(Random& random, bool faults) {
  Behaviour hook;
  hook.exit_after = random.PickMillis(kSoon);
  hook.exit_status = ExitStatus::Code(0);
  if (!faults) return hook;
  switch (random.Below(8)) {
    case 0:
      hook.exit_status = ExitStatus::Code(1);
      break;
    case 1:
      hook.exit_after = kForever;  // hangs until it is killed
      break;
    case 2:
      hook.spawn_fails = true;
      hook.number = ENOENT;
      break;
    case 3:
      hook.exit_after = random.PickMillis(kWhile);
      hook.tree_lingers = random.PickMillis(kWhile);
      break;
    default:
      break;
  }
  return hook;
}

// Never becomes ready, each in its way.
void Break(Random& random, Behaviour& bad) {
  switch (random.Below(4)) {
    case 0:
      bad.ready_after = kForever;
      bad.exit_after = random.PickMillis(kSoon);
      bad.exit_status = ExitStatus::Code(1);
      break;
    case 1:
      bad.ready_after = kForever;
      break;
    case 2:
      bad.spawn_fails = true;
      bad.number = random.Pick(std::array{ENOENT, EACCES, ENOEXEC, EAGAIN, ETXTBSY});
      bad.stage = bad.number == EAGAIN ? keeper::Stage::kClone : keeper::Stage::kExec;
      break;
    default:
      bad.ready_after = kForever;
      bad.exit_after = random.PickMillis(kWhile);
      bad.exit_status = random.OneIn(2) ? ExitStatus::Signal(11) : ExitStatus::Code(0);
      break;
  }
}

// So long after it is ready; what never is comes never to that.
Duration AfterReady(const Behaviour& some, Duration time) {
  return some.ready_after == kForever ? kForever : some.ready_after + time;
}

void AddTrouble(Random& random, Behaviour& some) {
  switch (random.Below(10)) {
    case 0:  // crashes some time
      some.exit_after = random.PickMillis(kWhile);
      some.exit_status = random.OneIn(3) ? ExitStatus::Code(0) : ExitStatus::Code(2);
      break;
    case 1:  // dies just after it said that it is ready
      some.exit_after = AfterReady(some, random.PickMillis(kSoon));
      break;
    case 2:
      some.heeds_signal = false;
      break;
    case 3:
      some.dies_after_signal = random.PickMillis(kWhile);
      break;
    case 4:  // leaves children behind
      some.tree_lingers = random.OneIn(2) ? kForever : Duration(random.PickMillis(kWhile));
      break;
    case 5:
      some.sick_after = AfterReady(some, random.PickMillis(kWhile));
      some.sick_for = random.OneIn(3) ? kForever : Duration(random.PickMillis(kWhile));
      break;
    case 6:  // unkillable for a while
      some.heeds_signal = random.OneIn(2);
      some.dies_after_kill = random.Pick(std::array{Millis(100), Millis(5000), Millis(9000)});
      break;
    case 7:
      some.exec_after = random.PickMillis(kWhile);
      some.ready_after = random.PickMillis(kWhile);
      break;
    default:
      break;
  }
}

}  // namespace

Behaviour DrawBehaviour(Random random, const BehaviourContext& context) {
  const bool faults = context.weather == Weather::kFaults;
  if (context.kind != ProcessKind::kInstance) return Hook(random, faults);
  Behaviour drawn = Good(random, context.spec);
  const bool listens = context.spec.policy.has_listen();
  if (listens) drawn.shuts_at_signal = random.OneIn(2);
  if (!faults) return drawn;
  if (listens) {
    drawn.wants = context.wants;
    if (random.OneIn(12)) drawn.shuts_after = AfterReady(drawn, random.PickMillis(kWhile));
  }
  switch (context.quality) {
    case Quality::kGood:
      if (random.OneIn(6)) AddTrouble(random, drawn);
      break;
    case Quality::kFlaky:
      if (random.OneIn(4)) {
        Break(random, drawn);
      } else {
        AddTrouble(random, drawn);
      }
      break;
    case Quality::kBroken:
      Break(random, drawn);
      if (random.OneIn(4)) AddTrouble(random, drawn);
      if (!drawn.spawn_fails && drawn.exit_after == kForever) drawn.ready_after = kForever;
      break;
  }
  return drawn;
}

}  // namespace oxherd::sim
