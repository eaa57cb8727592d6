// Sockets outlive the daemon: what a new one has to know of them, and what it says again.
#include <algorithm>
#include <utility>

#include "core/socket_queue.h"
#include "core/supervisor.h"
#include "core/traffic.h"

namespace oxherd {
namespace {

// The socket of the instance that this token is, or was when `old` was saved.
std::optional<SocketNumber> SocketOf(const State& old, Token token) {
  std::optional<SocketNumber> socket;
  for (const Service& service : old.services) {
    ForEachInstance(service, [&](SlotIndex, Which, const Instance& instance) {
      if (instance.token() == token) socket = instance.socket;
    });
  }
  return socket;
}

// What it listens on is no pool any more. `state` tells what that was.
bool IsCutOff(const State& state, const State& old, const WorldRecord& record) {
  const std::string& name = record.instance.service;
  const Service* service = state.Find(name);
  const KeptSpec* kept = service == nullptr ? nullptr : service->Find(record.generation);
  if (kept == nullptr || old.Find(name) == nullptr) return false;
  return std::ranges::any_of(OpenAddresses(*service, record.generation),
                             [&](const std::string& at) { return !HasPool(old, name, at); });
}

std::vector<SocketNumber> ShutOnes(const Pool& pool) {
  std::vector<SocketNumber> shut;
  for (SocketNumber socket = 0; socket < pool.width && !pool.shared; ++socket) {
    if (std::ranges::find(pool.order, socket) == pool.order.end()) shut.push_back(socket);
  }
  return shut;
}

}  // namespace

bool HasPool(const State& state, std::string_view service, std::string_view address) {
  const Service* found = state.Find(service);
  return found != nullptr && found->traffic &&
         std::ranges::count(found->traffic->pools, address, &Pool::address) > 0;
}

void KeepSockets(State& state, World& world, const State& old) {
  state.next_token = std::max(state.next_token, old.next_token);  // pools have some of them
  for (Service& service : state.services) {
    const Service* known = old.Find(service.name);
    if (known != nullptr) service.traffic = known->traffic;
  }
  for (WorldRecord& record : world) {
    if (!record.socket) record.socket = SocketOf(old, record.token);
    record.is_cut_off = IsCutOff(state, old, record);
  }
}

void RejoinTraffic(Context& context, Service& service) {
  ForEachInstance(service, [](SlotIndex, Which, Instance& instance) {
    if (auto* draining = std::get_if<Draining>(&instance.state)) {
      draining->watched = draining->drained;
    }
    instance.out_watched = false;
  });
  if (!service.traffic) return;
  for (Pool& pool : service.traffic->pools) {
    pool.awaited = true;
    pool.stale = true;
    pool.relistening.clear();
    pool.lost.clear();
    // The last word of the old daemon may not have reached the kernel.
    ExpectStrays(context, *service.traffic, pool.order);
    action::OpenPool open{service.name, pool.address, pool.asked, pool.id, ShutOnes(pool)};
    const bool was_growing = pool.width > 0 && pool.asked > pool.width && !pool.shared;
    if (was_growing) open.known = pool.width;
    open.asks_order = pool.width == 0;
    context.actions.push_back(std::move(open));
  }
}

}  // namespace oxherd
