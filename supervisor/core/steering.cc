#include "core/steering.h"

#include <algorithm>
#include <utility>

#include "core/traffic.h"
#include "core/trial.h"

namespace oxherd {
namespace {

using Sockets = std::vector<SocketNumber>;

// The number that this instance has, or will be given if it starts in this slot.
std::optional<SocketNumber> SocketOf(const Slot& slot, Which which, const Instance& instance) {
  if (instance.socket || which == Which::kReplacement) return instance.socket;
  return slot.socket;
}

// Of what has a process that will accept, or that makes room in its slot for one.
constexpr Instant kUnderWay = Instant::min();

// When somebody will accept there; kNever: as it stands, nobody.
Instant AcceptsAt(const State& state, const Service& service, const Slot& slot, Which which,
                  const Instance& instance) {
  if (instance.kind() == StateKind::kStarting) return kUnderWay;
  const auto* stopping = std::get_if<Stopping>(&instance.state);
  const auto* killing = std::get_if<Killing>(&instance.state);
  if (stopping == nullptr && killing == nullptr) return StartsAt(state, service, slot, instance);
  const After after = stopping != nullptr ? stopping->after : killing->after;
  const bool is_stuck = killing != nullptr && killing->unkillable;  // and nobody knows how long
  const bool is_wanted =
      service.wish == Wish::kRunning && slot.wish == Wish::kRunning && !state.shutdown && !is_stuck;
  const bool makes_room = which == Which::kCurrent && !slot.replacement;
  if (is_wanted && (after != After::kStopped || makes_room)) return kUnderWay;
  return StartsAt(state, service, slot, instance);
}

// Of this pool, if one is given: another generation may have the number, and not listen there.
bool HasLivingOwner(const Service& service, SocketNumber socket, const Pool* pool = nullptr) {
  bool lives = false;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
    if (instance.socket != socket || !instance.is_live()) return;
    lives |= pool == nullptr || Uses(service, instance, *pool);
  });
  return lives;
}

class Targets {
 public:
  Targets(const Context& context, const Service& service, const Pool& pool)
      : context_(context), service_(service), pool_(pool) {}

  // Sorted by place; empty only if every socket of the pool is shut.
  [[nodiscard]] Sockets Choose() const {
    const auto serves = [](SlotIndex, Which, const Instance& one) { return IsInTraffic(one); };
    const auto is_well = [](SlotIndex, Which, const Instance& one) {
      return IsInTraffic(one) && one.is_ready();
    };
    Sockets chosen = All([&](SlotIndex slot, Which which, const Instance& one) {
      return is_well(slot, which, one) && !IsOnTrial(context_, service_, slot, which);
    });
    if (chosen.empty()) chosen = All(is_well);
    if (chosen.empty()) chosen = All(serves);
    if (chosen.empty()) chosen = FirstToCome();
    if (chosen.empty()) {
      chosen = All([](SlotIndex, Which, const Instance& one) { return IsDraining(one); });
    }
    if (chosen.empty()) chosen = AnyFree();
    return chosen;
  }

 private:
  [[nodiscard]] bool Listens(SocketNumber socket) const {
    return std::ranges::find(pool_.order, socket) != pool_.order.end();
  }

  // Of those that listen here, the ones of which the claim is true.
  template <typename Claim>
  [[nodiscard]] Sockets All(Claim claim) const {
    Sockets all;
    ForEachInstance(service_, [&](SlotIndex slot, Which which, const Instance& instance) {
      if (!instance.socket || !Listens(*instance.socket)) return;
      if (!Uses(service_, instance, pool_)) return;
      if (claim(slot, which, instance)) all.push_back(*instance.socket);
    });
    return all;
  }

  [[nodiscard]] static bool IsDraining(const Instance& instance) {
    return instance.kind() == StateKind::kDraining && !instance.taken_out;
  }

  // The last of those that still accept, although they are to have no more.
  [[nodiscard]] Instant LastDrainEnds() const {
    Instant last = kNever;
    ForEachInstance(service_, [&](SlotIndex, Which, const Instance& instance) {
      if (!instance.socket || !IsDraining(instance) || !Uses(service_, instance, pool_)) return;
      const Instant until = std::get<Draining>(instance.state).until;
      if (Listens(*instance.socket)) last = last == kNever ? until : std::max(last, until);
    });
    return last;
  }

  // The lowest slot of those that come first, unless somebody can serve until then. The state alone
  // decides, not the time: what is chosen stays right until something happens.
  [[nodiscard]] Sockets FirstToCome() const {
    Sockets first;
    Instant at = kNever;
    for (const Slot& slot : service_.slots) {
      for (const Which which : {Which::kCurrent, Which::kReplacement}) {
        if (which == Which::kReplacement && !slot.replacement) continue;
        const Instance& instance = which == Which::kCurrent ? slot.current : *slot.replacement;
        const auto socket = SocketOf(slot, which, instance);
        if (!socket || !Listens(*socket) || !Uses(service_, instance, pool_)) continue;
        const Instant accepts = AcceptsAt(context_.state, service_, slot, which, instance);
        if (accepts >= at) continue;
        at = accepts;
        first = {*socket};
      }
    }
    if (at > LastDrainEnds()) first.clear();
    return first;
  }

  // Nobody is to have them: what comes in waits where it is swept.
  [[nodiscard]] Sockets AnyFree() const {
    if (pool_.order.empty()) return {};
    Sockets in_order = pool_.order;
    std::ranges::sort(in_order);
    for (const SocketNumber socket : in_order) {
      if (!HasLivingOwner(service_, socket)) return {socket};
    }
    return {in_order.front()};
  }

  const Context& context_;
  const Service& service_;
  const Pool& pool_;
};

std::vector<std::uint16_t> PlacesOf(const Pool& pool, const Sockets& sockets) {
  std::vector<std::uint16_t> places;
  for (std::size_t i = 0; i < pool.order.size(); ++i) {
    if (std::ranges::find(sockets, pool.order[i]) == sockets.end()) continue;
    places.push_back(static_cast<std::uint16_t>(i));
  }
  return places;
}

void SteerPool(Context& context, Service& service, Pool& pool) {
  if (pool.shared || pool.width == 0) return;
  const Sockets chosen = Targets(context, service, pool).Choose();
  if (chosen.empty() || (chosen == pool.steered && !pool.stale)) return;
  std::vector<std::uint16_t> places = PlacesOf(pool, chosen);
  if (places == pool.places && !pool.stale) return;
  // Handshakes that have begun still end where clients were sent until now.
  ExpectStrays(context, *service.traffic, pool.steered);
  pool.places = std::move(places);
  pool.steered = chosen;
  pool.stale = false;
  ++service.revision;
  context.actions.push_back(action::Steer{.service = service.name,
                                          .address = pool.address,
                                          .places = pool.places,
                                          .order = pool.order});
}

void WatchDrains(Context& context, Service& service) {
  ForEachInstance(service, [&](SlotIndex, Which, Instance& instance) {
    auto* draining = std::get_if<Draining>(&instance.state);
    const bool leaves = draining != nullptr && !draining->watched;
    const bool taken_out = instance.out_until != kNever && !instance.out_watched;
    if (!instance.socket || !instance.is_live() || (!leaves && !taken_out)) return;
    if (leaves) draining->watched = true;
    instance.out_watched = true;
    ++service.revision;
    context.actions.push_back(
        action::WatchDrain{.token = instance.token(),
                           .service = service.name,
                           .socket = *instance.socket,
                           .drain = service.policy(instance.generation).drain});
  });
}

void NoteReady(Service& service) {
  for (Pool& pool : service.traffic->pools) {
    if (pool.was_ready) continue;
    ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
      pool.was_ready |= instance.is_ready() && Uses(service, instance, pool);
    });
  }
}

// What is Ready and has lost a socket is given some time; what listens again is well.
void NoteDeaf(Context& context, Service& service) {
  ForEachInstance(service, [&](SlotIndex, Which, Instance& instance) {
    auto* ready = std::get_if<Ready>(&instance.state);
    if (ready == nullptr || IsDeaf(service, instance) == (ready->deaf_at != kNever)) return;
    ready->deaf_at = ready->deaf_at == kNever ? context.now + kDeafFor : kNever;
    ++service.revision;
  });
}

void PlanSweeps(Context& context, Service& service) {
  std::vector<SocketQueue>& queues = service.traffic->queues;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    const auto socket = static_cast<SocketNumber>(i);
    const bool lost = std::ranges::any_of(service.traffic->pools, [&](const Pool& pool) {
      return IsLost(context, service, pool, socket);
    });
    const bool planned = queues[i].sweep_at != kNever;
    if (lost == planned) continue;
    // What time alone has changed is seen when the sweep is due.
    if (!lost && !HasLivingOwner(service, socket)) continue;
    queues[i].sweep_at = lost ? context.now + kSweepEvery : kNever;
    ++service.revision;
  }
}

// Those from which nobody living accepts; none, if nobody else is there to whom clients could go.
Sockets IdleSockets(const Service& service, const Pool& pool) {
  bool others_serve = false;
  ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
    others_serve |=
        instance.is_ready() && Uses(service, instance, pool) && Serves(service, instance);
  });
  Sockets idle;
  if (!others_serve) return idle;
  for (const SocketNumber socket : pool.order) {
    if (!HasLivingOwner(service, socket, &pool)) idle.push_back(socket);
  }
  return idle;
}

void SweepDue(Context& context) {
  for (const Context::DueSweep& due : context.due_sweeps) {
    Service* service = context.state.Find(due.service);
    if (service == nullptr || !service->traffic) continue;
    if (due.socket >= service->traffic->queues.size()) continue;
    for (const Pool& pool : service->traffic->pools) {
      // Until a new daemon has heard how the pool is, it may give the socket to a newcomer and hear
      // only then that this shut it.
      if (pool.awaited || !IsLost(context, *service, pool, due.socket)) continue;
      service->traffic->queues[due.socket].sweep_at = context.now + kSweepEvery;
      context.actions.push_back(
          action::Sweep{due.service, pool.address, due.socket, IdleSockets(*service, pool)});
    }
  }
}

}  // namespace

void SteerAll(Context& context) {
  for (Service& service : context.state.services) {
    if (!service.traffic) continue;
    NoteReady(service);
    for (Pool& pool : service.traffic->pools) SteerPool(context, service, pool);
    for (const Pool& pool : service.traffic->pools) {
      for (const SocketNumber socket : pool.steered) (void)QueueOf(*service.traffic, socket);
    }
    WatchDrains(context, service);
    NoteDeaf(context, service);
  }
  SweepDue(context);
  for (Service& service : context.state.services) {
    if (service.traffic) PlanSweeps(context, service);
  }
}

bool IsLost(const Context& context, const Service& service, const Pool& pool, SocketNumber socket) {
  if (pool.shared || socket >= pool.width) return false;
  const bool fed = std::ranges::find(pool.steered, socket) != pool.steered.end();
  if (!fed && service.traffic->queues[socket].quiet_at <= context.now) return false;
  bool comes = false;
  bool others_ready = false;
  for (const Slot& slot : service.slots) {
    for (const Which which : {Which::kCurrent, Which::kReplacement}) {
      if (which == Which::kReplacement && !slot.replacement) continue;
      const Instance& instance = which == Which::kCurrent ? slot.current : *slot.replacement;
      const bool has_number = SocketOf(slot, which, instance) == socket;
      if (!has_number && (others_ready || !instance.is_ready())) continue;  // says nothing new
      // Another generation may have this number, and not listen here.
      if (!Uses(service, instance, pool)) continue;
      others_ready |= instance.is_ready();
      if (!has_number) continue;
      if (instance.is_live() && instance.socket == socket) return false;
      comes |= IsComing(context, service, slot, instance);
    }
  }
  return others_ready || !comes;
}

}  // namespace oxherd
