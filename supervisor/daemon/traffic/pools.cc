#include "daemon/traffic/pools.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/number.h"
#include "os/pool_order.h"
#include "os/traffic_facts.h"

namespace oxherd {
namespace {

constexpr std::size_t kHangUpsAtOnce = 16;
// A program that shut its socket and listens again should have clients again soon.
constexpr Millis kLookAgain{100};

}  // namespace

std::string HeldSocket::name() const {
  return service + "\n" + address + "\n" + std::to_string(number);
}

std::optional<HeldSocket> HeldSocket::Parse(std::string_view name) {
  const std::size_t first = name.find('\n');
  const std::size_t last = name.rfind('\n');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  HeldSocket held{.service = std::string(name.substr(0, first)),
                  .address = std::string(name.substr(first + 1, last - first - 1))};
  const auto number = ParseNumber<SocketNumber>(name.substr(last + 1));
  if (!number || *number >= os::kMaxPoolWidth) return std::nullopt;
  held.number = *number;
  return held;
}

Status Pools::WatchIn(Loop& loop) {
  os::SystemResult<os::Poller> poller = os::Poller::Open();
  if (!poller) return os::ToError("epoll_create1", poller.error());
  poller_ = std::move(*poller);
  later_.emplace(loop.context());
  hang_ups_ = loop.WatchFor(Loop::For::kReading, poller_->fd(), [this] { OnHangUp(); });
  for (auto& [key, pool] : pools_) {  // adopted before
    for (std::size_t i = 0; i < pool.sockets.size(); ++i) {
      const auto number = static_cast<SocketNumber>(i);
      if (pool.sockets[i]) Keep(key, pool, number, std::move(pool.sockets[i]));
    }
  }
  return {};
}

// ---- Opening and closing. ----

// Stores the socket and notices when somebody shuts it down.
void Pools::Keep(const Key& key, Pool& pool, SocketNumber number, os::Fd socket) {
  if (pool.sockets.size() <= number) {
    pool.sockets.resize(number + 1U);
    pool.watch.resize(number + 1U);
    pool.seen.resize(number + 1U, Seen::kHeld);
  }
  Unwatch(pool, number);
  pool.sockets[number] = std::move(socket);
  Watch(key, pool, number);
}

void Pools::Watch(const Key& key, Pool& pool, SocketNumber number) {
  if (!poller_) return;
  const std::uint64_t watch = next_watch_++;
  if (!poller_->Add(pool.sockets[number].get(), os::Wanted::kNothing, watch)) return;
  watched_.emplace(watch, Watched{key, number});
  pool.watch[number] = watch;
}

void Pools::Unwatch(Pool& pool, SocketNumber number) {
  if (pool.watch[number] == 0) return;
  poller_->Remove(pool.sockets[number].get());
  watched_.erase(pool.watch[number]);
  pool.watch[number] = 0;
}

// Stores the socket, and has the keeper hold it too.
Status Pools::Hold(const Key& key, Pool& pool, SocketNumber number, os::Fd socket) {
  os::SystemResult<os::Fd> copy = os::Duplicate(socket.get());
  if (!copy) return os::ToError("dup", copy.error());
  const HeldSocket held{key.first, key.second, number};
  std::vector<os::Fd> attached;
  attached.push_back(std::move(*copy));
  parts_.keeper.Send(keeper::Hold{keeper::HeldName(held.name())}, std::move(attached));
  Keep(key, pool, number, std::move(socket));
  pool.seen[number] = Seen::kUp;
  return {};
}

Status Pools::OpenAgain(const Key& key, Pool& pool, SocketNumber number) {
  OXHERD_TRY_ASSIGN(os::Fd socket, os::JoinListenPool(pool.address));
  return Hold(key, pool, number, std::move(socket));
}

Status Pools::Open(const action::OpenPool& open, Pool& pool, const Key& key) {
  if (pool.sockets.empty()) {
    OXHERD_TRY_ASSIGN(pool.address, os::ParsePoolAddress(open.address));
    OXHERD_TRY_ASSIGN(os::ListenPool opened, os::OpenListenPool(pool.address, open.width));
    pool.steering_refused = opened.steering_refused;
    pool.is_shared = opened.sockets.size() == 1 && open.width > 1;
    for (std::size_t i = 0; i < opened.sockets.size(); ++i) {
      OXHERD_TRY(Hold(key, pool, static_cast<SocketNumber>(i), std::move(opened.sockets[i])));
    }
  }
  while (pool.sockets.size() < open.width) {
    const auto number = static_cast<SocketNumber>(pool.sockets.size());
    if (pool.is_shared) {  // the one socket under every number
      os::SystemResult<os::Fd> copy = os::Duplicate(pool.sockets.front().get());
      if (!copy) return os::ToError("dup", copy.error());
      OXHERD_TRY(Hold(key, pool, number, std::move(*copy)));
    } else {
      OXHERD_TRY_ASSIGN(os::Fd joined, os::JoinListenPool(pool.address));
      OXHERD_TRY(Hold(key, pool, number, std::move(joined)));
    }
  }
  return {};
}

void Pools::Do(const action::OpenPool& open) {
  const Key key(open.service, open.address);
  const auto [found, is_new] = pools_.try_emplace(key);
  Pool& pool = found->second;
  pool.id = open.pool;
  if (open.known) DropFrom(key, pool, *open.known, action::ClosePool::Copies::kEnd);
  OnHangUp();  // of a pool that was adopted: before the core goes by its order
  for (const SocketNumber number : open.down) {
    if (number >= pool.sockets.size() || pool.seen[number] != Seen::kHeld) continue;
    if (!pool.sockets[number]) continue;
    Unwatch(pool, number);
    os::ShutListening(pool.sockets[number].get());
    pool.seen[number] = Seen::kDown;
  }
  Left left = LookAtLeft(key, pool, open);
  event::PoolOpened opened{
      .service = open.service, .address = open.address, .error = {}, .pool = open.pool};
  if (Status done = Open(open, pool, key); !done) {
    Explain(done.error(), opened);
    if (is_new) {
      Close(key, pool, action::ClosePool::Copies::kEnd);
      pools_.erase(found);
    }
  } else {
    opened.width = static_cast<std::uint16_t>(pool.sockets.size());
    opened.shared = pool.is_shared;
    opened.order = std::move(left.order);
    if (is_new && pool.steering_refused != 0) {
      parts_.log.Warn(open.service + " " + open.address +
                      ": the kernel does not steer connections (" +
                      ErrnoText(pool.steering_refused) + "); all instances share one socket");
    }
  }
  parts_.inbox.Put(Urgency::kNotify, std::move(opened));  // among the hang-ups, in order
  for (const SocketNumber number : left.gaps) {
    parts_.inbox.Put(
        Urgency::kNotify,
        event::SocketShut{
            .service = open.service, .address = open.address, .socket = number, .pool = open.pool});
  }
}

// When a socket was closed everywhere the last of the kernel's order took its place, as with one
// that is shut. Whatever does not listen is opened again by the core's wish, and comes last.
Pools::Left Pools::LookAtLeft(const Key& key, Pool& pool, const action::OpenPool& open) const {
  Left left;
  const bool is_left = std::exchange(pool.is_adopted, false) && !pool.is_shared;
  if (!is_left || !open.asks_order) return left;
  std::vector<int> sockets;
  sockets.reserve(pool.sockets.size());
  for (const os::Fd& socket : pool.sockets) sockets.push_back(socket ? socket.get() : -1);
  std::string text = key.first + " " + key.second + ": ";
  if (const auto order = os::AskOrder(pool.address, sockets); order && !order->empty()) {
    text += "the kernel was asked for the order of its sockets:";
    for (const std::size_t number : *order) {
      left.order.push_back(static_cast<SocketNumber>(number));
      text += " " + std::to_string(number);
    }
    parts_.log.Info(text);
    // Those that are opened now come last.
    for (std::size_t i = sockets.size(); i < open.width; ++i) {
      left.order.push_back(static_cast<SocketNumber>(i));
    }
    return left;
  }
  if (pool.sockets.size() < open.width) {
    pool.sockets.resize(open.width);
    pool.watch.resize(open.width);
    pool.seen.resize(open.width, Seen::kHeld);
    sockets.resize(open.width, -1);
  }
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i] < 0) left.gaps.push_back(static_cast<SocketNumber>(i));
  }
  text += "the order of its sockets cannot be had and is taken for 0, 1, 2 and so on; clients may ";
  text += "reach the wrong instance until they are opened anew: oxherd stop " + key.first;
  parts_.log.Warn(text + ", then oxherd start " + key.first);
  return left;
}

void Pools::Explain(const Error& error, event::PoolOpened& answer) const {
  answer.error = error.message;
  const auto parsed = os::ParsePoolAddress(answer.address);
  if (error.number != EADDRINUSE || !parsed || parsed->port == 0) return;
  PortTaken taken = parts_.taken_by(answer.service, parsed->port);
  answer.is_own = taken.is_own;
  answer.error = "it is taken by " + std::move(taken.by);
}

void Pools::Close(const Key& key, Pool& pool, action::ClosePool::Copies copies) {
  const bool is_path = pool.address.family == os::PoolAddress::Family::kUnix;
  const bool has_path = is_path && !pool.sockets.empty();
  DropFrom(key, pool, 0, copies);
  if (has_path) (void)::unlink(pool.address.path.c_str());
}

void Pools::DropFrom(const Key& key, Pool& pool, std::uint16_t first,
                     action::ClosePool::Copies copies) {
  while (pool.sockets.size() > first) {
    const auto last = static_cast<SocketNumber>(pool.sockets.size() - 1);
    parts_.keeper.Send(
        keeper::Drop{keeper::HeldName(HeldSocket{key.first, key.second, last}.name())});
    if (pool.sockets[last]) {
      Unwatch(pool, last);
      if (copies == action::ClosePool::Copies::kEnd) os::ShutListening(pool.sockets[last].get());
    }
    pool.sockets.pop_back();
    pool.watch.pop_back();
    pool.seen.pop_back();
  }
}

void Pools::Do(const action::ClosePool& close) {
  const auto found = pools_.find(Key(close.service, close.address));
  if (found == pools_.end()) return;
  Close(found->first, found->second, close.copies);
  pools_.erase(found);
}

void Pools::Do(const action::Relisten& relisten) {
  const auto found = pools_.find(Key(relisten.service, relisten.address));
  if (found == pools_.end() || relisten.socket >= found->second.sockets.size()) return;
  Pool& pool = found->second;
  OnHangUp();  // what went down, or came back, before comes before it in the core's order, too
  if (pool.seen[relisten.socket] == Seen::kUp) return;  // it has just been said
  event::Relistened answer{.service = relisten.service,
                           .address = relisten.address,
                           .socket = relisten.socket,
                           .pool = pool.id};
  // It listens if an earlier daemon has done this: its place is told by being the last anew.
  if (const os::Fd& old = pool.sockets[relisten.socket]) {
    Unwatch(pool, relisten.socket);
    os::ShutListening(old.get());
  }
  if (const Status opened = OpenAgain(found->first, pool, relisten.socket); !opened) {
    answer.failed = true;
    pool.seen[relisten.socket] = Seen::kHeld;  // there is nothing more to look for
    parts_.log.Error(relisten.service + " " + relisten.address + ": a socket that was shut down " +
                     "cannot be opened again: " + opened.error().message);
  }
  parts_.inbox.Put(Urgency::kNotify, std::move(answer));
}

void Pools::Adopt(const HeldSocket& held, os::Fd socket) {
  auto address = os::ParsePoolAddress(held.address);
  if (!address) return;
  const Key key(held.service, held.address);
  Pool& pool = pools_[key];
  pool.address = std::move(*address);
  pool.is_adopted = true;
  // One socket under two numbers: all instances share it.
  for (const os::Fd& other : pool.sockets) {
    if (other && os::IsSameSocket(other.get(), socket.get())) pool.is_shared = true;
  }
  Keep(key, pool, held.number, std::move(socket));
}

// ---- Traffic. ----

void Pools::Do(const action::Steer& steer) {
  const auto found = pools_.find(Key(steer.service, steer.address));
  if (found == pools_.end()) return;
  Pool& pool = found->second;
  pool.order = steer.order;
  // Any socket that listens stands for the whole group; one that is down takes it in silence.
  for (const SocketNumber number : steer.order) {
    if (number >= pool.sockets.size() || !pool.sockets[number]) continue;
    const int socket = pool.sockets[number].get();
    const auto listens = os::IsListening(socket);
    if (!listens || !*listens) continue;
    if (const os::SystemStatus steered = os::Steer(socket, steer.places); !steered) {
      parts_.log.Error(steer.service + " " + steer.address +
                       ": cannot steer: " + ErrnoText(steered.error().number));
    }
    return;
  }
  parts_.log.Error(steer.service + " " + steer.address + ": no socket listens any more");
}

void Pools::Do(const action::Sweep& sweep) {
  const auto found = pools_.find(Key(sweep.service, sweep.address));
  if (found == pools_.end() || sweep.socket >= found->second.sockets.size()) return;
  const os::Fd& socket = found->second.sockets[sweep.socket];
  if (!socket || Move(sweep, found->first, found->second)) return;
  const auto swept = os::SweepQueue(socket.get());
  const std::uint64_t reset = swept ? *swept : 0;
  if (reset == 0) return;
  swept_[sweep.service] += reset;
  parts_.log.Warn(sweep.service + ": " + std::to_string(reset) +
                  " clients were waiting where nobody will serve them; they were reset");
}

// Down with all of them before the core listens again at any: each goes to one that is left.
bool Pools::Move(const action::Sweep& sweep, const Key& key, Pool& pool) {
  if (sweep.idle.empty()) return false;
  const std::uint32_t waiting = os::WaitingClients(pool.sockets[sweep.socket].get()).value_or(0);
  if (waiting == 0 || !os::MovesClients(pool.address)) return false;
  for (const SocketNumber number : sweep.idle) {
    if (number >= pool.sockets.size() || !pool.sockets[number]) continue;
    os::ShutListening(pool.sockets[number].get());
    TellShut(key, pool, number);
  }
  parts_.log.Info(sweep.service + ": " + std::to_string(waiting) +
                  " clients were waiting where nobody will serve them; they were moved");
  return true;
}

// Nobody is told twice: what hung up is not watched any more.
void Pools::OnHangUp() {
  if (!poller_) return;
  LookAtDown();
  std::array<os::Ready, kHangUpsAtOnce> places{};
  for (const os::Ready& ready : poller_->Wait(Instant(), places)) {
    const auto found = watched_.find(ready.key);
    if (found == watched_.end()) continue;
    const Watched hung_up = found->second;
    parts_.log.Warn(hung_up.pool.first + " " + hung_up.pool.second + ": socket " +
                    std::to_string(hung_up.number) +
                    " was shut down by the program; it is repaired");
    TellShut(hung_up.pool, pools_.at(hung_up.pool), hung_up.number);
  }
  LookAgainLater();
}

void Pools::TellShut(const Key& key, Pool& pool, SocketNumber number) {
  Unwatch(pool, number);
  pool.seen[number] = Seen::kDown;
  parts_.inbox.Put(
      Urgency::kNotify,
      event::SocketShut{
          .service = key.first, .address = key.second, .socket = number, .pool = pool.id});
}

// The kernel says nothing when a socket that was shut listens again.
void Pools::LookAtDown() {
  for (auto& [key, pool] : pools_) {
    for (std::size_t i = 0; i < pool.sockets.size(); ++i) {
      if (pool.seen[i] != Seen::kDown || pool.is_shared || !pool.sockets[i]) continue;
      if (!os::IsListening(pool.sockets[i].get()).value_or(false)) continue;
      const auto number = static_cast<SocketNumber>(i);
      pool.seen[i] = Seen::kUp;
      Watch(key, pool, number);
      parts_.inbox.Put(
          Urgency::kNotify,
          event::Relistened{
              .service = key.first, .address = key.second, .socket = number, .pool = pool.id});
    }
  }
}

void Pools::LookAgainLater() {
  const auto is_down = [](const auto& one) {
    return !one.second.is_shared && std::ranges::count(one.second.seen, Seen::kDown) > 0;
  };
  if (looks_later_ || !later_ || std::ranges::none_of(pools_, is_down)) return;
  looks_later_ = true;
  later_->expires_after(kLookAgain);
  later_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // we are gone
    looks_later_ = false;
    OnHangUp();
  });
}

// ---- Facts. ----

const Pools::Pool* Pools::Find(const std::string& service, std::uint16_t port) const {
  for (const auto& [key, pool] : pools_) {
    if (key.first == service && pool.address.port == port && port != 0) return &pool;
  }
  return nullptr;
}

std::optional<os::ProbePath> Pools::PathTo(const std::string& service, std::uint16_t port,
                                           SocketNumber number) const {
  const Pool* const pool = Find(service, port);
  if (pool == nullptr || pool->is_shared) return std::nullopt;
  const auto place = std::ranges::find(pool->order, number);
  if (place == pool->order.end()) return std::nullopt;
  return os::ProbePathTo(pool->address, static_cast<std::uint16_t>(place - pool->order.begin()));
}

bool Pools::IsShared(const std::string& service, const std::string& address) const {
  const auto found = pools_.find(Key(service, address));
  return found != pools_.end() && found->second.is_shared;
}

std::string Pools::AddressAt(const std::string& service, std::uint16_t port) const {
  for (const auto& [key, pool] : pools_) {
    if (key.first == service && port != 0 && pool.address.port == port) return key.second;
  }
  return "";
}

std::uint32_t Pools::Waiting(const std::string& service, SocketNumber number) const {
  std::uint32_t waiting = 0;
  for (const auto& [key, pool] : pools_) {
    if (key.first != service || number >= pool.sockets.size() || !pool.sockets[number]) continue;
    if (const auto count = os::WaitingClients(pool.sockets[number].get())) waiting += *count;
  }
  return waiting;
}

std::uint32_t Pools::WaitingAt(const std::string& service, const std::string& address,
                               SocketNumber number) const {
  const auto found = pools_.find(Key(service, address));
  if (found == pools_.end() || number >= found->second.sockets.size()) return 0;
  const os::Fd& socket = found->second.sockets[number];
  if (!socket) return 0;
  return os::WaitingClients(socket.get()).value_or(0);
}

std::vector<std::uint16_t> Pools::PortsOf(const std::string& service) const {
  std::vector<std::uint16_t> ports;
  for (const auto& [key, pool] : pools_) {
    const std::uint16_t port = pool.address.port;
    if (key.first != service || port == 0 || std::ranges::count(ports, port) > 0) continue;
    ports.push_back(port);
  }
  return ports;
}

std::string Pools::HolderOf(std::uint16_t port) const {
  for (const auto& [key, pool] : pools_) {
    if (pool.address.port == port && port != 0 && !pool.sockets.empty()) return key.first;
  }
  return "";
}

std::uint64_t Pools::SweptOf(const std::string& service) const {
  const auto found = swept_.find(service);
  return found == swept_.end() ? 0 : found->second;
}

int Pools::SteeringRefused(const std::string& service) const {
  for (const auto& [key, pool] : pools_) {
    if (key.first == service && pool.steering_refused != 0) return pool.steering_refused;
  }
  return 0;
}

}  // namespace oxherd
