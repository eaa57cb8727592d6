// The part of the views that shows sockets: whose they are, where new connections go, who waits.
#include <algorithm>
#include <cerrno>

#include "config/listen_address.h"
#include "core/traffic.h"
#include "daemon/commands/views.h"

namespace oxherd {
namespace {

using control::PoolRow;

// As people write it.
std::string Shown(const std::string& address) {
  constexpr std::string_view kEvery = "tcp:[::]:";
  if (address.starts_with(kEvery)) return ":" + address.substr(kEvery.size());
  return Written(ListenAddress{.address = address});
}

std::string HolderOf(const Service& service, SocketNumber number) {
  std::string holder;
  ForEachInstance(service, [&](SlotIndex slot, Which /*which*/, const Instance& instance) {
    if (instance.socket != number || !instance.is_live()) return;
    holder = InstanceId{service.name, slot}.Text();
    if (service.rollout) holder += " gen " + std::to_string(instance.generation.number());
  });
  return holder;
}

}  // namespace

void Views::AddListen(const Service& service, const Instance& instance, control::Row& row) const {
  row.taken_out = instance.taken_out;
  if (const std::string* const says = from_.observations.StatusOf(instance.token())) {
    row.says = *says;
  }
  if (!service.traffic || !instance.is_live()) return;
  for (const std::string& address : OpenAddresses(service, instance.generation)) {
    row.listen.push_back(Shown(address));
  }
}

void Views::AddPools(const Service& service, control::ServiceDetail& detail) const {
  if (!service.traffic) return;
  const int refused = from_.pools.SteeringRefused(service.name);
  for (const Pool& pool : service.traffic->pools) {
    PoolRow shown{.address = Shown(pool.address), .steering = {}, .sockets = {}};
    if (pool.shared) {
      shown.steering = refused == 0 ? "one socket for all instances"
                                    : "none (" + ErrnoText(refused) + "): one socket for all";
    }
    for (SocketNumber number = 0; number < pool.width; ++number) {
      const auto place = std::ranges::find(pool.order, number);
      PoolRow::Socket socket{.number = number, .holder = HolderOf(service, number)};
      socket.is_down = place == pool.order.end() && !pool.shared;
      const auto index = static_cast<std::uint16_t>(place - pool.order.begin());
      socket.in_traffic = pool.shared || std::ranges::count(pool.places, index) > 0;
      socket.waiting = from_.pools.WaitingAt(service.name, pool.address, number);
      shown.sockets.push_back(std::move(socket));
    }
    detail.pools.push_back(std::move(shown));
  }
  detail.swept = from_.pools.SweptOf(service.name);
}

}  // namespace oxherd
