// Watches draining instances until nothing of theirs is under way: no client in the accept queue,
// no handshake of before still open, no connection on which an answer is owed.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "core/action.h"
#include "daemon/traffic/pools.h"
#include "os/traffic_facts.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

class DrainWatch {
 public:
  struct Seams {
    // The main process of a token that is still draining; nothing: nobody waits for it any more.
    std::function<std::optional<Pid>(Token)> draining;
    std::function<void(Token)> drained;
  };
  DrainWatch(boost::asio::io_context& loop, const Pools& pools, Seams seams);
  ~DrainWatch();
  DrainWatch(const DrainWatch&) = delete;
  DrainWatch& operator=(const DrainWatch&) = delete;

  // Begins to look, every 50 ms. Said again for a token, it begins anew.
  void Begin(const action::WatchDrain& drain);

 private:
  struct Watched {
    std::string service;
    SocketNumber socket = 0;
    Instant not_before{};
    // By port: handshakes that were under way when traffic was steered away.
    std::map<std::uint16_t, std::vector<os::HalfOpen>> half_open;
    int quiet_looks = 0;  // in a row
  };

  void Arm();
  void Look();
  [[nodiscard]] bool IsDrained(const Watched& watched, Pid main,
                               std::map<std::uint16_t, os::PortTraffic>& seen) const;

  const Pools& pools_;
  Seams seams_;
  boost::asio::steady_timer timer_;
  bool is_armed_ = false;
  std::map<Token, Watched> watched_;
};

}  // namespace oxherd
