// Traffic: the pools of listening sockets of a service, when they are open, and who holds which
// socket. Where new connections go is in steering.h.
//
// A pool is opened before anything of a generation that lists its address is started, and closed
// when nobody is left, or will soon come, to accept from it. Without `listen` nothing happens here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// Nobody is left to wait that long for an instance: the sockets are closed instead.
constexpr Millis kWaitForOwner = Seconds(5);

// The addresses of this generation as they are, or would be, open, in the order of its spec.
[[nodiscard]] std::vector<std::string> OpenAddresses(const Service& service, Generation generation);

// Whether one of them is this.
[[nodiscard]] bool Lists(const Service& service, Generation generation, std::string_view address);

// The address in the spec of this generation that is, or would be, open as `address`; null: none.
[[nodiscard]] const ListenAddress* Listed(const Service& service, Generation generation,
                                          std::string_view address);

// The pool that is open, or asked for, as `address`; null: none.
[[nodiscard]] Pool* FindPool(Service& service, std::string_view address);

// Whether this instance is given a socket of the pool.
[[nodiscard]] bool Uses(const Service& service, const Instance& instance, const Pool& pool);

// Serves new connections, or would if nobody were better: Ready or Unhealthy, and not taken out.
[[nodiscard]] bool IsInTraffic(const Instance& instance);

// One of its sockets was shut.
[[nodiscard]] bool IsDeaf(const Service& service, const Instance& instance);

// In traffic and not deaf: clients that are sent to it arrive.
[[nodiscard]] bool Serves(const Service& service, const Instance& instance);

// Whether some other instance of the service serves.
[[nodiscard]] bool OthersServe(const Service& service, const Instance& instance);

// A reload from one to the other adds `listen` or takes it away: the old instances hold the port
// themselves, or the new ones will.
[[nodiscard]] bool ChangesHands(const Service& service, Generation from, Generation target);

// Asks for the pools that this generation lacks. True if it lacks none.
bool OpenPools(Context& context, Service& service, Generation generation);

// The last step before an instance is launched: its pools, and its socket number. False: not yet.
bool TakeSocket(Context& context, Service& service, SlotIndex slot, Which which);

// When an instance that has no process will have one, as far as its own state tells: in the past
// while it only waits for its turn; kNever: not, or not before something else has happened.
[[nodiscard]] Instant StartsAt(const State& state, const Service& service, const Slot& slot,
                               const Instance& instance);

// Whether that is within kWaitForOwner.
[[nodiscard]] bool IsComing(const Context& context, const Service& service, const Slot& slot,
                            const Instance& instance);

// Closes the pools that nobody is to use, lets shut sockets listen again whose processes are gone,
// and notes the queues that are to be swept.
void SettlePools(Context& context, Service& service);

// Facts about a pool that was closed since, and opened anew, change nothing.
void PoolAnswered(Context& context, const event::PoolOpened& answer);
void SocketWasShut(Context& context, const event::SocketShut& shut);
void SocketListens(Context& context, const event::Relistened& again);
void AddressWasRefused(Context& context, Service& service, SlotIndex slot, Which which,
                       const event::AddressRefused& refused);

// A new daemon: what it has to open, steer and watch is said again.
void RejoinTraffic(Context& context, Service& service);

// Visits every instance: visit(slot index, which, instance).
template <typename S, typename Visit>
void ForEachInstance(S& service, Visit visit) {
  for (std::size_t i = 0; i < service.slots.size(); ++i) {
    const auto index = static_cast<SlotIndex>(i);
    visit(index, Which::kCurrent, service.slots[i].current);
    if (service.slots[i].replacement) {
      visit(index, Which::kReplacement, *service.slots[i].replacement);
    }
  }
}

}  // namespace oxherd
