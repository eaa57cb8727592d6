#include "core/traffic.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/auto_listen.h"
#include "core/rollout.h"
#include "core/socket_queue.h"

namespace oxherd {
namespace {

bool Has(const std::vector<SocketNumber>& sockets, SocketNumber socket) {
  return std::ranges::find(sockets, socket) != sockets.end();
}

void AddOnce(std::vector<Generation>& generations, Generation generation) {
  if (std::ranges::find(generations, generation) == generations.end()) {
    generations.push_back(generation);
  }
}

// The generations that run, or are to.
std::vector<Generation> GenerationsInUse(const Service& service) {
  std::vector<Generation> in_use{service.generation};
  if (service.rollout) {
    AddOnce(in_use, service.rollout->from);
    AddOnce(in_use, service.rollout->target);
  }
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
    if (instance.kind() != StateKind::kStopped) AddOnce(in_use, instance.generation);
  });
  return in_use;
}

// So many that every instance has one, and every replacement that may stand beside it.
std::uint16_t WidthFor(const Service& service) {
  std::size_t instances = service.slots.size();
  std::size_t parallel = 1;
  for (const Generation generation : GenerationsInUse(service)) {
    const Policy& policy = service.policy(generation);
    instances = std::max<std::size_t>(instances, policy.instances);
    parallel = std::max<std::size_t>(parallel, policy.reload_parallel);
  }
  const std::size_t most = std::numeric_limits<SocketNumber>::max();
  return static_cast<std::uint16_t>(std::min(instances + std::min(parallel, instances), most));
}

bool IsTaken(const Service& service, SocketNumber socket) {
  bool taken = false;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
    taken |= instance.socket == socket && instance.kind() != StateKind::kStopped;
  });
  return taken;
}

bool IsLost(const Service& service, SocketNumber socket) {
  return std::ranges::any_of(service.traffic->pools,
                             [&](const Pool& pool) { return Has(pool.lost, socket); });
}

bool IsAnothersLast(const Service& service, SlotIndex index, SocketNumber socket) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    if (i != index && service.slots[i].socket == socket) return true;
  }
  return false;
}

// The numbers below it are there at every address of the generation.
std::uint16_t CommonWidth(const Service& service, Generation generation) {
  std::uint16_t width = std::numeric_limits<std::uint16_t>::max();
  for (const Pool& pool : service.traffic->pools) {
    if (Lists(service, generation, pool.address)) width = std::min(width, pool.width);
  }
  return width;
}

// A number that is free at every address of the generation. A slot's own one first: clients may be
// waiting there for the one that comes.
std::optional<SocketNumber> FreeSocket(Service& service, SlotIndex index, Which which,
                                       Generation generation) {
  const std::uint16_t width = CommonWidth(service, generation);
  const Slot& slot = service.slots[index];
  if (which == Which::kCurrent && slot.socket && *slot.socket < width &&
      !IsTaken(service, *slot.socket) && !IsLost(service, *slot.socket)) {
    return slot.socket;
  }
  std::optional<SocketNumber> second_best;
  for (SocketNumber socket = 0; socket < width; ++socket) {
    if (IsTaken(service, socket) || IsLost(service, socket)) continue;
    if (!IsAnothersLast(service, index, socket)) return socket;
    if (!second_best) second_best = socket;
  }
  return second_best;
}

// What lives holds the port itself, where this one is given a socket; or the other way round.
bool WaitsForOthersToGo(const Service& service, const Instance& instance) {
  const Policy& own = service.policy(instance.generation);
  const bool listens = own.has_listen();
  const bool changes_hands = service.rollout && service.rollout->changes_hands;
  if (!listens && !service.traffic && !changes_hands) return false;
  bool waits = false;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& other) {
    const auto* killing = std::get_if<Killing>(&other.state);
    if (!other.is_live() || (killing != nullptr && killing->unkillable)) return;
    const Policy& theirs = service.policy(other.generation);
    // Who has bound nothing is in nobody's way, and who is to find the address binds nothing yet.
    const bool bind =
        theirs.auto_listen != AutoListen::kUnknown && own.auto_listen != AutoListen::kUnknown;
    waits |= (bind && theirs.has_listen() != listens) ||
             (changes_hands && other.generation != instance.generation);
  });
  return waits;
}

// The service is to have sockets at all: something lives, or will soon.
bool ArePoolsWanted(const Context& context, const Service& service) {
  const State& state = context.state;
  if (state.shutdown && state.shutdown->keep_instances) return true;
  const bool wanted = service.wish == Wish::kRunning && !service.deleting && !state.shutdown;
  if (!wanted) return service.stop_order.has_value();  // others stop first
  if (service.rollout && service.rollout->cause == Cause::kPerson) return true;
  bool somebody = false;
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const Slot& slot = service.slots[i];
    somebody |= slot.current.is_live() || IsComing(context, service, slot, slot.current);
    // Empty for a moment, in the middle of a turn: what follows is started before its end.
    somebody |= slot.current.kind() == StateKind::kStopped && IsWanted(state, service, slot) &&
                !service.is_gap(i);
    if (!slot.replacement) continue;
    somebody |= slot.replacement->is_live() || IsComing(context, service, slot, *slot.replacement);
  }
  return somebody;
}

// Those whose addresses are to be open.
std::vector<Generation> GenerationsWithPools(const Context& context, const Service& service) {
  if (!ArePoolsWanted(context, service)) return {};
  if (!service.rollout || !service.rollout->changes_hands) return GenerationsInUse(service);
  std::vector<Generation> there;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
    const StateKind kind = instance.kind();
    if (instance.is_live() || kind == StateKind::kWaiting) AddOnce(there, instance.generation);
  });
  return there;
}

// Somebody has a copy of the sockets that are open, or were, at this address.
enum class Who : std::uint8_t { kAnybody, kStopping };
bool IsHeldBy(const Service& service, Who who, std::string_view address) {
  bool held = false;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
    if (!instance.is_live() || !instance.socket || instance.is_unkillable()) return;
    const StateKind kind = instance.kind();
    const bool stops = kind == StateKind::kStopping || kind == StateKind::kKilling;
    held |= (who == Who::kAnybody || stops) && Lists(service, instance.generation, address);
  });
  return held;
}

void CloseUnwanted(Context& context, Service& service) {
  if (service.traffic->pools.empty()) return;
  const std::vector<Generation> generations = GenerationsWithPools(context, service);
  std::erase_if(service.traffic->pools, [&](const Pool& pool) {
    const bool wanted = std::ranges::any_of(generations, [&](Generation generation) {
      return Lists(service, generation, pool.address);
    });
    // While an answer is on its way: with two questions open nobody could tell which one it is for.
    if (wanted || pool.awaited) return false;
    using Copies = action::ClosePool::Copies;
    const bool held = IsHeldBy(service, Who::kAnybody, pool.address);
    context.actions.push_back(
        action::ClosePool{service.name, pool.address, held ? Copies::kServeOn : Copies::kEnd});
    return true;
  });
}

// A shut socket stays down while the processes live that may still block in accept(2) on it: those
// that have its number in this pool.
void RelistenShut(Context& context, Service& service, Pool& pool) {
  if (pool.shared || pool.awaited) return;
  for (SocketNumber socket = 0; socket < pool.width; ++socket) {
    if (Has(pool.order, socket) || Has(pool.relistening, socket) || Has(pool.lost, socket)) {
      continue;
    }
    bool lives = false;
    ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
      lives |= instance.socket == socket && instance.is_live() && Uses(service, instance, pool);
    });
    if (lives) continue;
    context.actions.push_back(action::Relisten{service.name, pool.address, socket});
    pool.relistening.push_back(socket);
  }
}

// As the kernel does: the last one takes the place of the one that leaves. False: it is not there.
bool Leave(Pool& pool, SocketNumber socket) {
  const auto place = std::ranges::find(pool.order, socket);
  if (place == pool.order.end()) return false;
  *place = pool.order.back();
  pool.order.pop_back();
  pool.stale = true;
  return true;
}

Failure CannotListen(const event::PoolOpened& answer) {
  Failure failure;
  failure.kind = Failure::Kind::kListen;
  failure.address = answer.address;
  failure.text = answer.error;
  return failure;
}

// Whoever waits for this pool has failed to start.
void FailThoseWhoWait(Context& context, Service& service, const Failure& failure) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    for (const Which which : {Which::kCurrent, Which::kReplacement}) {
      const Instance* instance = Find(service.slots[i], which);
      if (instance == nullptr) continue;
      const auto* waiting = std::get_if<Waiting>(&instance->state);
      if (waiting == nullptr || waiting->delay_until != kNever) continue;
      if (!Lists(service, instance->generation, failure.address)) continue;
      StepInstance(context, service, static_cast<SlotIndex>(i), which, on::NoSockets{failure});
    }
  }
}

// Of this opening of the pool, as far as the fact says.
template <typename Fact>
bool IsAbout(const Fact& fact, const Pool& pool) {
  return !fact.pool.is_set() || fact.pool == pool.id;
}

bool IsDown(const Pool& pool, SocketNumber socket) {
  return !pool.shared && !Has(pool.order, socket);
}

// Of one of the pools that the instance uses.
template <typename Claim>
bool IsSo(const Service& service, const Instance& instance, SocketNumber socket, Claim claim) {
  return std::ranges::any_of(service.traffic->pools, [&](const Pool& pool) {
    return claim(pool, socket) && Uses(service, instance, pool);
  });
}

}  // namespace

Pool* FindPool(Service& service, std::string_view address) {
  if (!service.traffic) return nullptr;
  const auto found = std::ranges::find(service.traffic->pools, address, &Pool::address);
  return found == service.traffic->pools.end() ? nullptr : &*found;
}

bool Uses(const Service& service, const Instance& instance, const Pool& pool) {
  return Lists(service, instance.generation, pool.address);
}

bool IsInTraffic(const Instance& instance) {
  const StateKind kind = instance.kind();
  const bool serves = kind == StateKind::kReady || kind == StateKind::kUnhealthy;
  return serves && instance.socket && !instance.taken_out;
}

bool IsDeaf(const Service& service, const Instance& instance) {
  return service.traffic && instance.socket &&
         IsSo(service, instance, *instance.socket, [](const Pool& pool, SocketNumber socket) {
           return socket < pool.width && IsDown(pool, socket);
         });
}

bool Serves(const Service& service, const Instance& instance) {
  return IsInTraffic(instance) && !IsDeaf(service, instance);
}

bool OthersServe(const Service& service, const Instance& instance) {
  bool serve = false;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& other) {
    serve |= &other != &instance && Serves(service, other);
  });
  return serve;
}

bool ChangesHands(const Service& service, Generation from, Generation target) {
  const auto listens = [&](Generation generation) {
    const Policy& policy = service.policy(generation);
    return policy.has_listen() || policy.auto_listen == AutoListen::kUnknown;
  };
  return listens(from) != listens(target);
}

bool OpenPools(Context& context, Service& service, Generation generation) {
  // What the old ones had may be in the way of what the new ones get.
  const bool changes_hands = service.rollout && service.rollout->changes_hands;
  if (changes_hands && service.traffic) CloseUnwanted(context, service);
  bool ready = true;
  const std::uint16_t width = WidthFor(service);
  for (const std::string& address : OpenAddresses(service, generation)) {
    if (!service.traffic) service.traffic = Traffic{};
    Pool* pool = FindPool(service, address);
    if (pool == nullptr && IsHeldBy(service, Who::kStopping, address)) {  // the address is not free
      ready = false;
      continue;
    }
    if (pool == nullptr) {
      pool = &service.traffic->pools.emplace_back();
      pool->address = address;
      pool->id = context.state.next_token;
      context.state.next_token = pool->id.Next();
    }
    if (pool->asked < width) {
      pool->asked = width;
      pool->awaited = true;
      action::OpenPool open{service.name, address, width, pool->id};
      open.asks_order = pool->width == 0;
      context.actions.push_back(std::move(open));
    }
    ready &= pool->width >= width && !pool->awaited;
  }
  return ready;
}

bool TakeSocket(Context& context, Service& service, SlotIndex index, Which which) {
  Instance& instance = *Find(service.slots[index], which);
  if (WaitsForAddress(context, service, index, which)) return false;
  if (WaitsForOthersToGo(service, instance)) return false;
  if (!service.policy(instance.generation).has_listen()) {
    instance.socket.reset();
    return true;
  }
  if (!OpenPools(context, service, instance.generation)) return false;
  // A pool that was closed meanwhile may be open again with fewer sockets.
  const bool is_there = instance.socket && !IsLost(service, *instance.socket) &&
                        *instance.socket < CommonWidth(service, instance.generation);
  if (!is_there) instance.socket.reset();
  if (!instance.socket) instance.socket = FreeSocket(service, index, which, instance.generation);
  if (which == Which::kCurrent) service.slots[index].socket = instance.socket;
  if (!instance.socket) return false;
  return !IsSo(service, instance, *instance.socket, IsDown);
}

void SettlePools(Context& context, Service& service) {
  if (!service.traffic) return;
  CloseUnwanted(context, service);
  for (Pool& pool : service.traffic->pools) RelistenShut(context, service, pool);
  NoteDueSweeps(context, service);
  if (!service.traffic->pools.empty()) return;
  service.traffic->queues.clear();
  if (service.traffic->ipv4_only.empty()) service.traffic.reset();
}

void PoolAnswered(Context& context, const event::PoolOpened& answer) {
  Service* service = context.state.Find(answer.service);
  Pool* pool = service == nullptr ? nullptr : FindPool(*service, answer.address);
  if (pool == nullptr) {  // not wanted any more
    if (!answer.error.empty()) return;
    context.actions.push_back(action::ClosePool{answer.service, answer.address});
    return;
  }
  if (!IsAbout(answer, *pool)) return;                  // closed again meanwhile
  if (!pool->awaited && !answer.error.empty()) return;  // said before
  context.Touch(*service);
  context.starts_may_go = true;
  // Of two questions the first answer is not yet all.
  pool->awaited = answer.error.empty() && !answer.shared && answer.width < pool->asked;
  if (answer.error.empty()) {
    pool->shared = answer.shared;
    const bool is_new = pool->width == 0;
    const bool was_held = pool->stale;  // maybe: a restore has asked for it
    for (SocketNumber socket = pool->width; socket < answer.width; ++socket) {
      pool->order.push_back(socket);
      pool->stale = true;
    }
    if (is_new && !answer.order.empty()) pool->order = answer.order;
    // An earlier daemon had opened them, and all at once.
    for (const SocketNumber socket : std::exchange(pool->shut_early, {})) Leave(*pool, socket);
    pool->width = std::max(pool->width, answer.width);
    // Until it is steered clients go to the first one, or where a daemon before us sent them.
    if (is_new && !pool->shared) {
      ExpectStrays(context, *service->traffic,
                   was_held ? pool->order : std::vector<SocketNumber>{0});
    }
    return PoolsMayBeOpen(context, *service);
  }
  const bool was_growing = pool->width > 0 && pool->asked > pool->width;
  pool->asked = pool->width;
  if (!was_growing) {
    std::erase_if(service->traffic->pools,
                  [&](const Pool& each) { return each.address == answer.address; });
  }
  if (answer.is_own && MustChangeHands(context, *service, answer.address)) return;
  const Failure failure = CannotListen(answer);
  PoolsFailed(context, *service, failure);
  FailThoseWhoWait(context, *service, failure);
}

void SocketWasShut(Context& context, const event::SocketShut& shut) {
  Service* service = context.state.Find(shut.service);
  Pool* pool = service == nullptr ? nullptr : FindPool(*service, shut.address);
  if (pool == nullptr || !IsAbout(shut, *pool)) return;
  if (pool->shared) {
    context.actions.push_back(action::Relisten{shut.service, shut.address, shut.socket});
    return;
  }
  if (shut.socket >= pool->width) return pool->shut_early.push_back(shut.socket);
  if (!Leave(*pool, shut.socket)) return;
  // Until it is steered anew, the old places meant other sockets.
  ExpectStrays(context, *service->traffic, pool->order);
  context.Touch(*service);
}

void SocketListens(Context& context, const event::Relistened& again) {
  Service* service = context.state.Find(again.service);
  Pool* pool = service == nullptr ? nullptr : FindPool(*service, again.address);
  if (pool == nullptr || !IsAbout(again, *pool)) return;
  const bool was_asked = std::erase(pool->relistening, again.socket) > 0;
  const bool is_news = !again.failed && again.socket < pool->width &&
                       !Has(pool->order, again.socket) && !Has(pool->lost, again.socket);
  if (!was_asked && !is_news) return;
  if (again.failed) {
    pool->lost.push_back(again.socket);
  } else {
    pool->order.push_back(again.socket);
    pool->stale = true;
  }
  context.starts_may_go = true;
  context.Touch(*service);
}

}  // namespace oxherd
