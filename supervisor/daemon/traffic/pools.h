// The sockets of every service with `listen`: opened, steered, repaired and closed as the core
// says.
//
// The keeper holds each of them under a name, so that they outlive us; what is here are duplicates.
// A socket that a program shuts down is noticed by EPOLLHUP, without a wake-up for each client.
// That the program listens again is seen by looking now and then, as long as it is down.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "core/action.h"
#include "daemon/daemon_log.h"
#include "daemon/inbox.h"
#include "daemon/keeper_link.h"
#include "daemon/loop.h"
#include "os/listen_pool.h"
#include "os/poller.h"
#include "os/steering.h"

namespace oxherd {

// One socket as the keeper's table names it.
struct HeldSocket {
  std::string service;
  std::string address;  // canonical: "tcp:[::]:3000"
  SocketNumber number = 0;

  [[nodiscard]] std::string name() const;
  // Nothing for the name of something else.
  [[nodiscard]] static std::optional<HeldSocket> Parse(std::string_view name);
};

// Who has a port that is taken, and how to mend that: "web/0 (pid 47); give one of …".
struct PortTaken {
  std::string by;
  bool is_own = false;  // the service itself, by its processes or its pools
};

class Pools {
 public:
  struct Parts {
    KeeperLink& keeper;
    Inbox& inbox;
    DaemonLog& log;
    // Who has a port that is taken.
    std::function<PortTaken(const std::string& service, std::uint16_t port)> taken_by;
  };
  explicit Pools(Parts parts) : parts_(std::move(parts)) {}

  // Watches for sockets that are shut down. Without it everything but the repair works.
  [[nodiscard]] Status WatchIn(Loop& loop);

  // ---- What the core wants. ----
  void Do(const action::OpenPool& open);
  void Do(const action::ClosePool& close);
  void Do(const action::Steer& steer);
  void Do(const action::Sweep& sweep);
  void Do(const action::Relisten& relisten);

  // A socket that the keeper has held since an earlier daemon.
  void Adopt(const HeldSocket& held, os::Fd socket);
  // Visits what was adopted: visit(service, address).
  template <typename Visit>
  void ForEachHeld(Visit&& visit) const {
    for (const auto& [key, pool] : pools_) visit(key.first, key.second);
  }
  // Closes what was adopted and is no service's any more.
  template <typename IsKnown>
  void DropUnknown(IsKnown&& is_known);

  // ---- Facts. ----
  // How to reach one socket by a probe. Nothing where connections are not steered, or the socket is
  // down.
  [[nodiscard]] std::optional<os::ProbePath> PathTo(const std::string& service, std::uint16_t port,
                                                    SocketNumber number) const;
  // Whether all instances have one and the same socket there.
  [[nodiscard]] bool IsShared(const std::string& service, const std::string& address) const;
  // The address of a service's pool with this port; empty: it has none.
  [[nodiscard]] std::string AddressAt(const std::string& service, std::uint16_t port) const;
  // Clients that wait on this socket, at all addresses.
  [[nodiscard]] std::uint32_t Waiting(const std::string& service, SocketNumber number) const;
  [[nodiscard]] std::uint32_t WaitingAt(const std::string& service, const std::string& address,
                                        SocketNumber number) const;
  // The TCP ports of a service's pools.
  [[nodiscard]] std::vector<std::uint16_t> PortsOf(const std::string& service) const;
  // The service for which this port is held; empty: none.
  [[nodiscard]] std::string HolderOf(std::uint16_t port) const;
  // Clients that were reset because nobody would have served them.
  [[nodiscard]] std::uint64_t SweptOf(const std::string& service) const;
  // Why the kernel does not steer (an errno); 0: it does.
  [[nodiscard]] int SteeringRefused(const std::string& service) const;

 private:
  using Key = std::pair<std::string, std::string>;  // service, address
  enum class Seen : std::uint8_t {
    kHeld,  // by the keeper since an earlier daemon
    kUp,    // opened, or seen to listen again, by us
    kDown,  // seen to be shut down
  };
  struct Pool {
    Token id;  // what is said of it carries this
    os::PoolAddress address;
    std::vector<os::Fd> sockets;       // by number; an empty one is down
    std::vector<std::uint64_t> watch;  // by number: its key in the poller
    std::vector<Seen> seen;            // by number
    std::vector<SocketNumber> order;   // as it was steered last
    int steering_refused = 0;
    bool is_adopted = false;  // and not asked for since
    bool is_shared = false;   // one socket under every number: nothing to steer
  };
  // What hung up.
  struct Watched {
    Key pool;
    SocketNumber number = 0;
  };

  // How a pool that was adopted is, where the core does not know.
  struct Left {
    std::vector<SocketNumber> order;  // empty: it cannot be had
    std::vector<SocketNumber> gaps;   // then: numbers without a socket
  };
  [[nodiscard]] Left LookAtLeft(const Key& key, Pool& pool, const action::OpenPool& open) const;
  void Keep(const Key& key, Pool& pool, SocketNumber number, os::Fd socket);
  void Watch(const Key& key, Pool& pool, SocketNumber number);
  [[nodiscard]] Status Hold(const Key& key, Pool& pool, SocketNumber number, os::Fd socket);
  [[nodiscard]] Status OpenAgain(const Key& key, Pool& pool, SocketNumber number);
  void Unwatch(Pool& pool, SocketNumber number);
  [[nodiscard]] Status Open(const action::OpenPool& open, Pool& pool, const Key& key);
  void Close(const Key& key, Pool& pool, action::ClosePool::Copies copies);
  // Lets go of the sockets from `first` on.
  void DropFrom(const Key& key, Pool& pool, std::uint16_t first, action::ClosePool::Copies copies);
  void OnHangUp();
  void TellShut(const Key& key, Pool& pool, SocketNumber number);
  void LookAtDown();
  void LookAgainLater();
  // Leads the clients of these sockets to the others; false: the kernel does not do that.
  [[nodiscard]] bool Move(const action::Sweep& sweep, const Key& key, Pool& pool);
  // Fills in why `error` came up.
  void Explain(const Error& error, event::PoolOpened& answer) const;
  [[nodiscard]] const Pool* Find(const std::string& service, std::uint16_t port) const;

  Parts parts_;
  std::map<Key, Pool> pools_;
  std::map<std::string, std::uint64_t> swept_;
  std::optional<os::Poller> poller_;
  std::map<std::uint64_t, Watched> watched_;
  std::uint64_t next_watch_ = 1;
  std::unique_ptr<Loop::Watch> hang_ups_;
  std::optional<boost::asio::steady_timer> later_;
  bool looks_later_ = false;
};

template <typename IsKnown>
void Pools::DropUnknown(IsKnown&& is_known) {
  for (auto it = pools_.begin(); it != pools_.end();) {
    if (is_known(it->first.first, it->first.second)) {
      ++it;
      continue;
    }
    Close(it->first, it->second, action::ClosePool::Copies::kEnd);
    it = pools_.erase(it);
  }
}

}  // namespace oxherd
