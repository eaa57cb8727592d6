// Checks of traffic: 18, 22, and that sockets are held, drained, swept and closed as they should
// be.
#include <algorithm>

#include "core/traffic.h"
#include "tests/sim/checker.h"
#include "tests/sim/network.h"

namespace oxherd::sim {
namespace {

using Sockets = std::vector<SocketNumber>;

template <typename T>
bool Has(const std::vector<T>& all, const T& one) {
  return std::ranges::find(all, one) != all.end();
}

bool IsListed(const Service& service, const Instance& instance, const std::string& address) {
  const auto& listen = service.policy(instance.generation).listen;
  const std::string_view port = std::string_view(address).substr(address.rfind(':'));
  return std::ranges::any_of(listen,
                             [&](const ListenAddress& one) { return one.address.ends_with(port); });
}

// The very address, not the one that it is open at where its programs want no IPv6.
bool IsOpenFor(const Service& service, const Instance& instance, const std::string& address) {
  const auto& listen = service.policy(instance.generation).listen;
  return std::ranges::any_of(listen, [&](const ListenAddress& one) {
    const bool is_other_family = service.traffic && Has(service.traffic->ipv4_only, one.address);
    return one.address == address && !is_other_family;
  });
}

template <typename Visit>
void ForEach(const Service& service, Visit visit) {
  for (const Slot& slot : service.slots) {
    visit(slot, slot.current, false);
    if (slot.replacement) visit(slot, *slot.replacement, true);
  }
}

Sockets HeldBy(const Service& service, const Pool& pool, StateKind kind) {
  Sockets held;
  ForEach(service, [&](const Slot&, const Instance& one, bool) {
    const bool serves = one.kind() == kind && one.socket && !one.taken_out;
    if (serves && Has(pool.order, *one.socket) && IsListed(service, one, pool.address)) {
      held.push_back(*one.socket);
    }
  });
  std::ranges::sort(held);
  return held;
}

// Ready, in traffic, and listening wherever it should.
bool IsSound(const Service& service, const Instance& one) {
  if (one.kind() != StateKind::kReady || !one.socket || one.taken_out) return false;
  return std::ranges::all_of(service.traffic->pools, [&](const Pool& pool) {
    return !IsListed(service, one, pool.address) || Has(pool.order, *one.socket);
  });
}

// It has not shown for min_uptime that it stays well, and those serve that it is to replace.
bool IsTriedOut(const Service& service, const Slot& slot, const Instance& one, bool is_replacement,
                Instant now) {
  const auto* ready = std::get_if<Ready>(&one.state);
  if (ready == nullptr || now - ready->since >= service.policy(one.generation).min_uptime) {
    return false;
  }
  if (is_replacement) return IsSound(service, slot.current);
  if (!service.rollout || slot.replacement) return false;
  const Rollout& rollout = *service.rollout;
  const auto index = static_cast<std::size_t>(&slot - service.slots.data());
  const bool comes = rollout.cause == Cause::kPerson && rollout.phase == Rollout::Phase::kForward &&
                     rollout.slots[index] == Rollout::Progress::kInProgress &&
                     one.generation == rollout.target;
  bool old_ones_serve = false;
  ForEach(service, [&](const Slot&, const Instance& old, bool) {
    old_ones_serve |= old.generation != rollout.target && IsSound(service, old);
  });
  return comes && old_ones_serve;
}

// Those of `ready` that clients are to reach: where that is nobody, all of them.
Sockets WithoutTriedOut(const Service& service, const Sockets& ready, Instant now) {
  Sockets rest = ready;
  ForEach(service, [&](const Slot& slot, const Instance& one, bool is_replacement) {
    if (one.socket && IsTriedOut(service, slot, one, is_replacement, now)) {
      std::erase(rest, *one.socket);
    }
  });
  return rest.empty() ? ready : rest;
}

// In a state without a process: when it will have one again.
bool IsComingSoon(const State& state, const Service& service, const Slot& slot, const Instance& one,
                  Instant now) {
  if (state.shutdown || service.wish != Wish::kRunning || slot.wish != Wish::kRunning) return false;
  const Instant soon = now + Seconds(5);
  if (const auto* backoff = std::get_if<Backoff>(&one.state)) return backoff->until <= soon;
  if (const auto* failed = std::get_if<Failed>(&one.state)) return failed->retry_at <= soon;
  if (const auto* stopping = std::get_if<Stopping>(&one.state)) {
    return stopping->phase == Stopping::Phase::kPostStop && stopping->until <= soon;
  }
  // It has told its address, and is back at its slot's socket as soon as it is gone.
  const auto* killing = std::get_if<Killing>(&one.state);
  if (killing != nullptr) return killing->after == After::kAgain && !killing->unkillable;
  const auto* waiting = std::get_if<Waiting>(&one.state);
  if (waiting == nullptr) return false;
  return waiting->delay_until == kNever || waiting->delay_until <= soon;
}

// For a dependency, and nobody knows how long.
bool WaitsForOthers(const Instance& one) {
  const auto* waiting = std::get_if<Waiting>(&one.state);
  return waiting != nullptr && waiting->order == Order::kAfterDependencies;
}

// A process that will accept, or the place of one that will come.
bool HasOwner(const State& state, const Service& service, const std::string& address,
              SocketNumber socket, Instant now) {
  bool owned = false;
  ForEach(service, [&](const Slot& slot, const Instance& one, bool is_replacement) {
    const bool is_its =
        one.socket == socket || (!one.socket && !is_replacement && slot.socket == socket);
    if (!is_its || !IsListed(service, one, address)) return;
    owned |=
        (one.is_live() && one.socket == socket) || IsComingSoon(state, service, slot, one, now);
  });
  return owned;
}

// Somebody who does not accept yet, and will.
bool SomeoneComes(const State& state, const Service& service, const Pool& pool, Instant now) {
  bool comes = false;
  ForEach(service, [&](const Slot& slot, const Instance& one, bool is_replacement) {
    const auto socket = one.socket || is_replacement ? one.socket : slot.socket;
    if (!socket || !Has(pool.order, *socket) || !IsListed(service, one, pool.address)) return;
    comes |= one.kind() == StateKind::kStarting ||
             (!WaitsForOthers(one) && IsComingSoon(state, service, slot, one, now));
  });
  return comes;
}

Violation CheckSteering(const Moment& moment, const Service& service, const Pool& pool) {
  Sockets steered = pool.steered;
  std::ranges::sort(steered);
  const Sockets ready = HeldBy(service, pool, StateKind::kReady);
  if (!ready.empty()) {
    if (steered == WithoutTriedOut(service, ready, moment.now)) return {};
    return {Invariant::kSteering,
            "traffic does not go to exactly those that are Ready, or that have proved themselves"};
  }
  const Sockets unhealthy = HeldBy(service, pool, StateKind::kUnhealthy);
  if (!unhealthy.empty()) {
    if (steered == unhealthy) return {};
    return {Invariant::kSteering, "none is Ready, and traffic does not go to the unhealthy ones"};
  }
  if (pool.order.empty()) return {};
  const Sockets draining = HeldBy(service, pool, StateKind::kDraining);
  if (!draining.empty() && steered == draining) return {};  // the last that still accept
  if (steered.size() != 1) return {Invariant::kSteering, "clients wait in more than one queue"};
  if (!HasOwner(moment.state, service, pool.address, steered.front(), moment.now) &&
      SomeoneComes(moment.state, service, pool, moment.now)) {
    return {Invariant::kSteering, "clients wait where nobody will come, and elsewhere one will"};
  }
  return {};
}

// Nobody is taken for well for long whom no client can reach.
Violation CheckDeaf(const Moment& moment, const Service& service, const Pool& pool) {
  bool is_passed_over = false;
  ForEach(service, [&](const Slot&, const Instance& one, bool) {
    const auto* ready = std::get_if<Ready>(&one.state);
    const bool is_shut = ready != nullptr && one.socket && *one.socket < pool.width &&
                         !Has(pool.order, *one.socket) && IsListed(service, one, pool.address);
    is_passed_over |= is_shut && ready->deaf_at > moment.now + Millis(500);
  });
  if (!is_passed_over) return {};
  return {Invariant::kSteering, "Ready for ever, and its socket is shut"};
}

// What was shut comes back when nobody is left who may block in accept(2) on it, at that address.
Violation CheckComesBack(const Service& service, const Pool& pool) {
  if (pool.shared || pool.awaited || pool.order.size() == pool.width) return {};
  for (SocketNumber socket = 0; socket < pool.width; ++socket) {
    if (Has(pool.order, socket) || Has(pool.relistening, socket) || Has(pool.lost, socket))
      continue;
    bool is_held = false;
    ForEach(service, [&](const Slot&, const Instance& one, bool) {
      is_held |= one.socket == socket && one.is_live() && IsListed(service, one, pool.address);
    });
    if (!is_held) return {Invariant::kSocketHeld, "a socket stays shut, and nobody has it"};
  }
  return {};
}

// A socket that its old tree still has is given to nobody else; after a crash the same is given.
Violation CheckSpawn(const Moment& moment, const action::Spawn& spawn) {
  if (spawn.kind != ProcessKind::kInstance) return {};
  const Service* service = moment.state.Find(spawn.instance.service);
  const bool listens = service->policy(spawn.generation).has_listen();
  if (listens != spawn.socket.has_value()) {
    return {Invariant::kSocketHeld, "a spawn with a socket that it does not list, or without one"};
  }
  if (!listens) return {};
  const std::size_t index = ServiceIndex(spawn.instance.service);
  for (const Process& process : moment.kernel.processes()) {
    if (process.is_alive() && process.service == index && process.socket == spawn.socket) {
      return {Invariant::kSocketHeld, "a socket was given away while an old process has it"};
    }
  }
  const InstanceView* was =
      moment.before.Find(index, spawn.instance.slot, /*is_replacement=*/false);
  const InstanceView* is = moment.after.Find(spawn.token);
  const bool restarts = was != nullptr && is != nullptr && !is->is_replacement &&
                        was->generation == is->generation &&
                        (was->kind == StateKind::kBackoff || was->kind == StateKind::kKilling);
  if (restarts && was->socket && was->crashes < is->crashes + (was->crashes > 0 ? 1 : 0) &&
      was->socket != spawn.socket) {
    return {Invariant::kSocketHeld, "after a crash another socket than the one where clients wait"};
  }
  return {};
}

// Of the clients in a queue nobody is reset who will be served: by a living owner of the socket,
// or, where nobody else is Ready, by one that comes.
Violation CheckSweep(const Moment& moment, const action::Sweep& sweep) {
  const Service* service = moment.state.Find(sweep.service);
  if (service == nullptr) return {};
  bool lives = false;
  bool comes = false;
  bool others_ready = false;
  ForEach(*service, [&](const Slot& slot, const Instance& one, bool is_replacement) {
    if (!IsListed(*service, one, sweep.address)) return;
    others_ready |= one.is_ready();
    const bool has_it = one.socket == sweep.socket;
    lives |= has_it && one.is_live();
    const bool will_have_it = !one.socket && !is_replacement && slot.socket == sweep.socket;
    comes |= (has_it || will_have_it) && !WaitsForOthers(one) &&
             IsComingSoon(moment.state, *service, slot, one, moment.now);
  });
  if (lives) return {Invariant::kSwept, "clients were reset whose socket a living one has"};
  if (comes && !others_ready) {
    return {Invariant::kSwept, "clients were reset for whom somebody comes, and no other serves"};
  }
  return {};
}

// A program may still block in accept(2) on a socket that was shut.
Violation CheckRelisten(const Moment& moment, const action::Relisten& again) {
  const std::size_t index = ServiceIndex(again.service);
  const Service& service = *moment.state.Find(again.service);
  const auto has_it = [&](const Process& process) {
    const bool knows = service.Find(process.generation) == nullptr ||
                       Lists(service, process.generation, again.address);
    return process.is_alive() && process.service == index && process.socket == again.socket &&
           process.has_asked && knows;
  };
  if (std::ranges::none_of(moment.kernel.processes(), has_it)) return {};
  return {Invariant::kSocketHeld, "a socket is to listen again while an old process has it"};
}

// bind(2) is exclusive: it fails while one process of ours still listens at the address.
Violation CheckOpen(const Moment& moment, const action::OpenPool& open) {
  const Service* service = moment.state.Find(open.service);
  const auto& pools = service->traffic->pools;
  const auto pool = std::ranges::find(pools, open.address, &Pool::address);
  const bool is_open = pool != pools.end() && pool->width > 0;
  if (moment.event == nullptr && is_open) return {};  // a new daemon takes over what is held
  for (const Process& process : moment.kernel.processes()) {
    if (!process.is_alive() || process.has_shut) continue;
    if (process.service != ServiceIndex(open.service)) continue;
    if (std::ranges::count(process.keeps_open, open.address) == 0) continue;
    bool unkillable = false;  // nobody waits for it
    ForEach(*service, [&](const Slot&, const Instance& one, bool) {
      unkillable |= one.token() == process.token && one.is_unkillable();
    });
    if (!unkillable) return {Invariant::kSocketHeld, "a pool is opened while an old one listens"};
  }
  return {};
}

// Only where nobody lives who accepts, and nobody will come soon.
Violation CheckClose(const Moment& moment, const action::ClosePool& close) {
  const Service* service = moment.state.Find(close.service);
  if (service == nullptr || !service->traffic) return {};
  const bool stops = service->wish != Wish::kRunning || service->deleting || moment.state.shutdown;
  const bool changes_hands = service->rollout && service->rollout->changes_hands;
  if (stops || changes_hands) return {};
  // The answer to a question that the core has given up, as an answer to the same came before that
  // it cannot be opened: nobody has had a socket of it, and who comes asks anew.
  const auto* opened =
      moment.event == nullptr ? nullptr : std::get_if<event::PoolOpened>(moment.event);
  const bool is_new =
      opened != nullptr && opened->service == close.service && opened->address == close.address;
  bool somebody = false;
  ForEach(*service, [&](const Slot& slot, const Instance& one, bool) {
    if (!IsOpenFor(*service, one, close.address)) return;
    const bool comes = !is_new && !WaitsForOthers(one) &&
                       IsComingSoon(moment.state, *service, slot, one, moment.now);
    somebody |= one.is_live() || comes;
  });
  if (!somebody) return {};
  return {Invariant::kClosedInTime, "sockets were closed where somebody serves or will soon"};
}

Violation CheckAction(const Moment& moment, const Action& action) {
  if (const auto* spawn = std::get_if<action::Spawn>(&action)) return CheckSpawn(moment, *spawn);
  if (const auto* sweep = std::get_if<action::Sweep>(&action)) return CheckSweep(moment, *sweep);
  if (const auto* close = std::get_if<action::ClosePool>(&action))
    return CheckClose(moment, *close);
  if (const auto* open = std::get_if<action::OpenPool>(&action)) return CheckOpen(moment, *open);
  const auto* again = std::get_if<action::Relisten>(&action);
  return again == nullptr ? Violation{} : CheckRelisten(moment, *again);
}

// Told to stop only when nothing of it is under way, or after drain_max.
Violation CheckDrain(const Moment& moment, const InstanceView& was) {
  if (was.kind != StateKind::kDraining || !was.socket) return {};
  const InstanceView* is = moment.after.Find(was.token);
  if (is == nullptr || is->kind != StateKind::kStopping) return {};
  const TokenHistory* token = moment.ledger.Find(was.token);
  const Service* service = moment.state.Find(ServiceName(was.service));
  const KeptSpec* kept = service == nullptr ? nullptr : service->Find(was.generation);
  if (token == nullptr || kept == nullptr || token->drained) return {};
  const auto* request =
      moment.event == nullptr ? nullptr : std::get_if<event::Request>(moment.event);
  if (request != nullptr || service->wish == Wish::kStopped || moment.state.shutdown) return {};
  if (service->stop_order || moment.before.services[was.service].stops_in_turn) return {};
  if (moment.now >= token->drains_since + kept->spec->policy.drain_max) return {};
  return {Invariant::kDrained, "told to stop before it was drained"};
}

// Nobody lives, and nobody will soon; or all of it is to stop: then nobody is to wait either.
bool IsToBeClosed(const State& state, const Service& service, Instant now) {
  if (state.shutdown && state.shutdown->keep_instances) return false;
  if (service.rollout && service.rollout->cause == Cause::kPerson) return false;
  const bool wanted = service.wish == Wish::kRunning && !service.deleting && !state.shutdown;
  if (!wanted) return !service.stop_order;
  bool somebody = false;
  ForEach(service, [&](const Slot& slot, const Instance& one, bool) {
    somebody |= one.is_live() || IsComingSoon(state, service, slot, one, now);
  });
  return !somebody;
}

// Somebody in the service could take what waits in the queue of this socket.
void NoteLonely(const Scene& scene, const Service& service, NetPool& pool) {
  for (std::size_t i = 0; i < pool.sockets.size(); ++i) {
    NetSocket& socket = pool.sockets[i];
    const auto number = static_cast<SocketNumber>(i);
    const bool owned =
        socket.queue.empty() || HasOwner(*scene.state, service, pool.address, number, scene.now);
    if (owned) {
      socket.lonely_since = kNever;
    } else {
      socket.lonely_since = std::min(socket.lonely_since, scene.now);
    }
  }
}

}  // namespace

// Of a generation whose address nobody knows, and that never was Ready, one instance lives.
Violation CheckFinder(const Service& service) {
  for (const KeptSpec& kept : service.specs) {
    if (kept.was_ready || kept.spec->policy.auto_listen != AutoListen::kUnknown) continue;
    std::size_t starting = 0;
    ForEach(service, [&](const Slot&, const Instance& one, bool) {
      const bool is_its = one.generation == kept.generation;
      starting += is_its && one.kind() == StateKind::kStarting ? 1U : 0U;
    });
    if (starting > 1) return {Invariant::kOneFinder, "two look for the address of their service"};
  }
  return {};
}

Violation CheckTraffic(const Moment& moment) {
  for (const Service& service : moment.state.services) {
    if (moment.ledger.image_was_lost) break;  // those that were adopted run already
    if (const Violation violation = CheckFinder(service)) return violation;
  }
  for (const Service& service : moment.state.services) {
    if (!service.traffic) continue;
    if (moment.state.shutdown && moment.state.shutdown->keep_instances) continue;
    for (const Pool& pool : service.traffic->pools) {
      if (pool.width == 0) continue;
      if (const Violation violation = CheckSteering(moment, service, pool)) return violation;
      if (const Violation violation = CheckDeaf(moment, service, pool)) return violation;
      if (const Violation violation = CheckComesBack(service, pool)) return violation;
    }
    const bool are_open =
        std::ranges::any_of(service.traffic->pools, [](const Pool& pool) { return !pool.awaited; });
    if (are_open && IsToBeClosed(moment.state, service, moment.now)) {
      return {Invariant::kClosedInTime, "sockets are open where nobody will come"};
    }
  }
  for (const Action& action : moment.actions) {
    if (const Violation violation = CheckAction(moment, action)) return violation;
  }
  for (const InstanceView& was : moment.before.instances()) {
    if (const Violation violation = CheckDrain(moment, was)) return violation;
  }
  return {};
}

Violation CheckConnections(const Scene& scene, Network& network) {
  for (NetPool& pool : network.pools()) {
    const Service* service =
        scene.state == nullptr ? nullptr : scene.state->Find(ServiceName(pool.service));
    if (service == nullptr || !service->traffic) {  // nobody is there who could see to it
      for (NetSocket& socket : pool.sockets) socket.lonely_since = kNever;
      continue;
    }
    NoteLonely(scene, *service, pool);
    for (const NetSocket& socket : pool.sockets) {
      if (socket.lonely_since != kNever && scene.now - socket.lonely_since > Seconds(5)) {
        return {Invariant::kNobodyComes, "a client waits for more than 5 s where nobody will come"};
      }
    }
    const auto known = std::ranges::find(service->traffic->pools, pool.address, &Pool::address);
    if (known == service->traffic->pools.end()) continue;
    const bool current = known->relistening.empty() && !known->awaited &&
                         pool.told == pool.down.size() && known->width > 0;
    if (!current) continue;
    if (known->order != pool.order) {
      return {Invariant::kSteering, "the core takes the sockets for being in another order"};
    }
    if (!pool.order.empty() && !pool.EndsAt(known->steered)) {
      return {Invariant::kSteering, "clients end up elsewhere than the core believes"};
    }
  }
  return {};
}

}  // namespace oxherd::sim
