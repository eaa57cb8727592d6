#include "core/socket_queue.h"

namespace oxherd {

SocketQueue& QueueOf(Traffic& traffic, SocketNumber socket) {
  if (traffic.queues.size() <= socket) traffic.queues.resize(std::size_t{socket} + 1);
  return traffic.queues[socket];
}

void ExpectStrays(const Context& context, Traffic& traffic,
                  const std::vector<SocketNumber>& sockets) {
  for (const SocketNumber socket : sockets) {
    QueueOf(traffic, socket).quiet_at = context.now + kHalfOpenLasts;
  }
}

void NoteDueSweeps(Context& context, Service& service) {
  std::vector<SocketQueue>& queues = service.traffic->queues;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    if (queues[i].sweep_at > context.now) continue;
    queues[i].sweep_at = kNever;
    context.due_sweeps.push_back({service.name, static_cast<SocketNumber>(i)});
  }
}

}  // namespace oxherd
