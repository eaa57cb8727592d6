#include "core/reconcile.h"

#include <algorithm>

#include "base/check.h"
#include "core/request.h"
#include "core/rollout.h"
#include "core/settle_slots.h"
#include "core/start_order.h"
#include "core/steering.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

// More rounds than any real turn needs: beyond it two rules undo each other.
constexpr int kMostRounds = 100000;

// Forgets what was to be deleted and is down. True if something was.
bool ForgetDeleted(Context& context) {
  const std::size_t before = context.state.services.size();
  std::erase_if(context.state.services, [](const Service& service) {
    const bool awaits =
        service.traffic && std::ranges::any_of(service.traffic->pools, &Pool::awaited);
    return service.deleting && service.is_down() && !service.stop_order && !awaits;
  });
  if (context.state.services.size() == before) return false;
  context.actions.push_back(action::SaveWishes{});
  return true;
}

// The instance that waits for this hook goes on.
void TellWaiting(Context& context, Service& service, const Hook& hook) {
  if (hook.kind == ProcessKind::kPreReload) return PreReloadEnded(context, service, hook);
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    for (const Which which : {Which::kCurrent, Which::kReplacement}) {
      const Instance* instance = Find(service.slots[i], which);
      if (instance == nullptr) continue;
      const auto* stopping = std::get_if<Stopping>(&instance->state);
      if (stopping == nullptr || stopping->hook != hook.token) continue;
      StepInstance(context, service, static_cast<SlotIndex>(i), which, on::HookDone{});
      return;
    }
  }
}

void TellHookFailed(Context& context, const Service& service, const Hook& hook) {
  Failure failure;
  failure.kind = Failure::Kind::kHook;
  failure.token = hook.token;
  failure.slot = hook.slot;
  if (hook.status) failure.status = *hook.status;
  context.actions.push_back(action::Tell{.kind = action::Tell::Kind::kHookFailed,
                                         .instance = {service.name, hook.slot},
                                         .generation = hook.generation,
                                         .token = hook.token,
                                         .millis = 0,
                                         .number = static_cast<std::int32_t>(hook.kind),
                                         .failure = failure});
}

void RunHookDeadlines(Context& context, Service& service) {
  for (std::size_t i = 0; i < service.hooks.size(); ++i) {
    Hook& hook = service.hooks[i];
    if (hook.killed || hook.deadline > context.now) continue;
    hook.killed = true;
    context.actions.push_back(action::Kill{hook.token});
    context.Touch(service);
    const Hook ended = hook;  // what waits may start another hook
    TellHookFailed(context, service, ended);
    TellWaiting(context, service, ended);
  }
}

void RunInstanceDeadlines(Context& context, Service& service) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const auto slot = static_cast<SlotIndex>(i);
    // If the replacement fails now, the old one is not to be told to stop a moment before.
    for (const Which which : {Which::kReplacement, Which::kCurrent}) {
      const Instance* instance = Find(service.slots[i], which);
      if (instance == nullptr || instance->deadline() > context.now) continue;
      StepInstance(context, service, slot, which, on::Due{});
      if (Find(service.slots[i], which) != nullptr) AskInstance(context, service, slot, which);
    }
  }
}

void ReconcileService(Context& context, Service& service) {
  ++service.revision;
  if (service.deadline() <= context.now) {
    context.starts_may_go = true;
    RunHookDeadlines(context, service);
    RunInstanceDeadlines(context, service);
  }
  AdvanceStopOrder(context, service);
  SettleSlots(context, service);
  AdvanceRollout(context, service);
  ReplaceUnhealthy(context, service);
  SettlePools(context, service);
  if (service.deadline() <= context.now) context.Touch(service);
}

}  // namespace

void Reconcile(Context& context) {
  for (int round = 0;; ++round) {
    OXHERD_CHECK(round < kMostRounds, "reconciling does not come to an end");
    if (!context.touched.empty()) {
      const std::size_t index = context.touched.back();
      context.touched.pop_back();
      ReconcileService(context, context.state.services[index]);
      continue;
    }
    LaunchWaiting(context);
    AdvanceRequests(context);
    if (!context.touched.empty() || context.starts_may_go) continue;
    if (!ForgetDeleted(context)) break;
  }
  SteerAll(context);
}

void TouchDue(Context& context) {
  for (const Service& service : context.state.services) {
    if (service.deadline() <= context.now) context.Touch(service);
  }
}

void EndHook(Context& context, Service& service, Token token) {
  const auto found = std::ranges::find(service.hooks, token, &Hook::token);
  if (found == service.hooks.end()) return;
  const Hook hook = *found;
  service.hooks.erase(found);
  context.Touch(service);
  context.TouchDependents(service);  // it may be down now
  context.actions.push_back(action::Acknowledge{token});
  if (hook.killed) return;  // whoever waited went on at its deadline
  if (!hook.status || !hook.status->success()) TellHookFailed(context, service, hook);
  TellWaiting(context, service, hook);
}

}  // namespace oxherd
