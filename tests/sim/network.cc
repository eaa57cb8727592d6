#include "tests/sim/network.h"

#include <algorithm>
#include <array>

namespace oxherd::sim {
namespace {

constexpr std::string_view kIpv6 = "tcp:[::]:";
constexpr std::string_view kIpv4 = "tcp:0.0.0.0:";

template <typename T>
bool Has(const std::vector<T>& list, const T& one) {
  return std::ranges::find(list, one) != list.end();
}

// A pool of a bare port may be open for IPv4 alone.
bool IsSame(const ListenAddress& listen, const std::string& pool) {
  if (listen.address == pool) return true;
  return listen.any_family && listen.address.starts_with(kIpv6) && pool.starts_with(kIpv4) &&
         listen.address.substr(kIpv6.size()) == pool.substr(kIpv4.size());
}

}  // namespace

bool NetPool::EndsAt(const std::vector<SocketNumber>& believed) const {
  std::size_t count = 0;
  for (const std::uint16_t place : places) {
    if (place >= order.size()) continue;
    if (!Has(believed, order[place])) return false;
    ++count;
  }
  return count == believed.size();
}

void Network::Reset(const Scenario& scenario, Random random) {
  scenario_ = &scenario;
  random_ = random;
  weather_ = scenario.faults.bad_processes ? Weather::kFaults : Weather::kCalm;
  pools_.clear();
  busy_.clear();
  watches_.clear();
  news_.clear();
  next_knock_ = scenario.knocks_every == Duration() ? kNever : kBeginning;
  knocks_until_ = kNever;
  served_ = 0;
}

NetPool* Network::Find(const std::string& service, const std::string& address) {
  for (NetPool& pool : pools_) {
    if (pool.service == ServiceIndex(service) && pool.address == address) return &pool;
  }
  return nullptr;
}

bool Network::Uses(const Process& process, const NetPool& pool, const Scenario& scenario) {
  if (process.kind != ProcessKind::kInstance || process.service != pool.service) return false;
  if (process.forked_at < pool.made_at) return false;  // it has those of a pool before it, at most
  const Policy& policy = scenario.versions[process.service][process.version].spec->policy;
  return process.socket && std::ranges::any_of(policy.listen, [&](const ListenAddress& listen) {
           return IsSame(listen, pool.address);
         });
}

// ---- What the daemon does. ----

void Network::TellShut(NetPool& pool, Instant now) {
  while (pool.told < pool.down.size()) {
    news_.emplace_back(now, event::SocketShut{ServiceName(pool.service), pool.address,
                                              pool.down[pool.told++], pool.id});
  }
}

void Network::Open(const action::OpenPool& open, Instant now) {
  event::PoolOpened answer{
      .service = open.service, .address = open.address, .width = 0, .shared = false, .error = {}};
  answer.pool = open.pool;
  NetPool* pool = Find(open.service, open.address);
  if (pool != nullptr) {
    pool->id = open.pool;
    while (open.known && pool->sockets.size() > *open.known) {
      const auto last = static_cast<SocketNumber>(pool->sockets.size() - 1);
      TakeDown(*pool, last);
      std::erase(pool->down, last);
      pool->sockets.pop_back();
    }
    TellShut(*pool, now);  // it looks for hang-ups first
    for (const SocketNumber socket : open.down) {
      const std::size_t before = pool->down.size();
      TakeDown(*pool, socket);
      pool->told += pool->down.size() - before;  // the core knows
    }
  }
  const bool fails = weather_ == Weather::kFaults && scenario_->faults.ports_taken &&
                     pool == nullptr && random_.OneIn(4);
  if (fails) {
    answer.error = "taken";
  } else {
    if (pool == nullptr) {
      pool = &pools_.emplace_back();
      pool->service = static_cast<std::uint8_t>(ServiceIndex(open.service));
      pool->address = open.address;
      pool->id = open.pool;
      pool->made_at = now;
      pool->places = {0};  // the program is attached before the first one listens
    }
    while (pool->sockets.size() < open.width) {
      pool->order.push_back(static_cast<SocketNumber>(pool->sockets.size()));
      pool->sockets.emplace_back();
    }
    answer.width = static_cast<std::uint16_t>(pool->sockets.size());
    if (open.asks_order) answer.order = pool->order;
  }
  news_.emplace_back(now, answer);
}

void Network::Do(const Action& action, Instant now) {
  if (const auto* open = std::get_if<action::OpenPool>(&action)) {
    Open(*open, now);
  } else if (const auto* close = std::get_if<action::ClosePool>(&action)) {
    std::erase_if(pools_, [&](const NetPool& pool) {
      const bool is_it = pool.service == ServiceIndex(close->service);
      if (!is_it || pool.address != close->address) return false;
      if (close->copies == action::ClosePool::Copies::kEnd)
        CutOff(pool);
      else
        LeaveToProcesses(pool);
      return true;
    });
  } else if (const auto* steer = std::get_if<action::Steer>(&action)) {
    if (NetPool* pool = Find(steer->service, steer->address)) pool->places = steer->places;
  } else if (const auto* watch = std::get_if<action::WatchDrain>(&action)) {
    std::erase_if(watches_, [&](const Watch& one) { return one.token == watch->token; });
    watches_.push_back({watch->token, static_cast<std::uint8_t>(ServiceIndex(watch->service)),
                        watch->socket, now + watch->drain});
  } else if (const auto* signal = std::get_if<action::Signal>(&action)) {
    news_.emplace_back(now, event::Signalled{signal->token});
  } else if (const auto* sweep = std::get_if<action::Sweep>(&action)) {
    Sweep(*sweep, now);
  } else if (const auto* again = std::get_if<action::Relisten>(&action)) {
    NetPool* pool = Find(again->service, again->address);
    if (pool == nullptr) return;
    TellShut(*pool, now);
    if (const auto down = std::ranges::find(pool->down, again->socket); down != pool->down.end()) {
      pool->down.erase(down);
      --pool->told;
    } else if (const auto place = std::ranges::find(pool->order, again->socket);
               place != pool->order.end()) {  // an earlier daemon did it: made anew
      *place = pool->order.back();
      pool->order.pop_back();
      pool->sockets[again->socket] = NetSocket{};
    }
    pool->order.push_back(again->socket);
    news_.emplace_back(now, event::Relistened{again->service, again->address, again->socket,
                                              /*failed=*/false, pool->id});
  }
}

// Where the kernel moves clients, all idle sockets go down, and their clients to those that are
// left.
void Network::Sweep(const action::Sweep& sweep, Instant now) {
  NetPool* pool = Find(sweep.service, sweep.address);
  if (pool == nullptr || sweep.socket >= pool->sockets.size()) return;
  std::vector<Instant>& queue = pool->sockets[sweep.socket].queue;
  if (!scenario_->moves_clients || sweep.idle.empty() || queue.empty()) return queue.clear();
  std::vector<NetSocket> moved;
  for (const SocketNumber socket : sweep.idle) {
    moved.push_back(std::move(pool->sockets[socket]));
    TakeDown(*pool, socket);
  }
  for (const NetSocket& from : moved) {
    if (pool->order.empty()) return;  // reset
    NetSocket& to = pool->sockets[pool->order[random_.Below(pool->order.size())]];
    to.queue.insert(to.queue.end(), from.queue.begin(), from.queue.end());
    to.half_open.insert(to.half_open.end(), from.half_open.begin(), from.half_open.end());
  }
  Serve(*pool, now);
}

void Network::TakeDown(NetPool& pool, SocketNumber socket) {
  const auto place = std::ranges::find(pool.order, socket);
  if (place == pool.order.end()) return;
  *place = pool.order.back();
  pool.order.pop_back();
  pool.down.push_back(socket);
  pool.sockets[socket] = NetSocket{};  // what waited is reset
}

void Network::DaemonDied() {
  watches_.clear();
  news_.clear();
  for (NetPool& pool : pools_) pool.told = 0;
}

// ---- What happens by itself. ----

const Process* Network::Acceptor(const NetPool& pool, SocketNumber socket, Instant now) const {
  for (const Process& process : std::as_const(kernel_).processes()) {
    if (process.socket == socket && Uses(process, pool, *scenario_) && process.IsReady(now) &&
        !process.has_shut) {
      return &process;
    }
  }
  return nullptr;
}

void Network::Shut(const Process& process) {
  for (NetPool& pool : pools_) {
    if (!Uses(process, pool, *scenario_)) continue;
    TakeDown(pool, *process.socket);
  }
}

// The sockets are down for everybody who has them; whoever binds later is given new ones.
void Network::CutOff(const NetPool& pool) {
  for (Process& process : kernel_.all()) {
    if (process.has_asked && Uses(process, pool, *scenario_)) process.has_shut = true;
  }
}

// Whoever has a copy accepts what comes, and holds the address.
void Network::LeaveToProcesses(const NetPool& pool) {
  for (Process& process : kernel_.all()) {
    const bool listens = process.is_alive() && !process.has_shut;
    if (listens && Uses(process, pool, *scenario_)) process.keeps_open.push_back(pool.address);
  }
}

// Its bind(2), just before it would be ready.
void Network::AskForAddress(Process& process, Instant now) {
  process.has_asked = true;
  for (const NetPool& pool : pools_) {
    if (!Uses(process, pool, *scenario_)) continue;
    const bool narrow = process.behaviour.wants == Wants::kNarrow;
    if (!narrow && !pool.address.starts_with(kIpv6)) continue;
    using Why = event::AddressRefused::Why;
    news_.emplace_back(now, event::AddressRefused{.token = process.token,
                                                  .address = pool.address,
                                                  .why = narrow ? Why::kWidth : Why::kFamily,
                                                  .wanted = "elsewhere"});
    process.behaviour.ready_after = kForever;
    process.exit_at = std::min(process.exit_at, now + Millis(50));
    process.status = ExitStatus::Code(1);
    return;
  }
}

// It was started without a socket, as nobody knew its address.
bool Network::Finds(const Process& process) {
  return process.finds && process.life == Process::Life::kRunning;
}

// Its bind(2) waits for a while to be heard of, and then goes on by itself.
void Network::TellAddress(Process& process, Instant now) {
  constexpr Millis kWaits{3000};
  constexpr Millis kPause{1000};
  if (process.behaviour.ready_after == kForever) return;
  const bool binds =
      !process.has_asked && now >= process.started_at + process.behaviour.ready_after;
  if (binds) {
    process.has_asked = true;
    process.behaviour.ready_after += kWaits;
    process.asks_again = now;
  }
  if (process.asks_again > now) return;
  const Policy& policy = scenario_->versions[process.service][process.version].spec->policy;
  news_.emplace_back(now, event::AddressRefused{.token = process.token,
                                                .address = {},
                                                .why = event::AddressRefused::Why::kUnlisted,
                                                .wanted = policy.listen.front().address.substr(4)});
  process.asks_again = now + kPause;
  if (process.asks_again >= process.started_at + process.behaviour.ready_after) {
    process.asks_again = kNever;
  }
}

void Network::Knock(Instant now) {
  next_knock_ = now + scenario_->knocks_every;
  if (next_knock_ > knocks_until_) next_knock_ = kNever;
  for (NetPool& pool : pools_) {
    if (pool.order.empty() || pool.places.empty()) continue;
    const std::uint16_t place = pool.places[random_.Below(pool.places.size())];
    // A bad index falls back to a hash over all.
    const std::size_t chosen = place < pool.order.size() ? place : random_.Below(pool.order.size());
    NetSocket& socket = pool.sockets[pool.order[chosen]];
    const Duration takes = random_.PickMillis(std::array{0, 0, 0, 0, 0, 50, 300, 3000});
    if (takes == Duration()) {
      socket.queue.push_back(now);
    } else {
      socket.half_open.push_back(now + takes);
    }
  }
}

void Network::Land(NetPool& pool, Instant now) {
  for (NetSocket& socket : pool.sockets) {
    const auto landed = std::erase_if(socket.half_open, [&](Instant at) { return at <= now; });
    socket.queue.insert(socket.queue.end(), landed, now);
  }
}

void Network::Serve(NetPool& pool, Instant now) {
  for (std::size_t i = 0; i < pool.sockets.size(); ++i) {
    NetSocket& socket = pool.sockets[i];
    if (socket.queue.empty()) continue;
    const Process* process = Acceptor(pool, static_cast<SocketNumber>(i), now);
    if (process == nullptr) continue;
    for (std::size_t n = 0; n < socket.queue.size(); ++n) {
      const Duration takes = random_.PickMillis(std::array{0, 0, 0, 50, 500, 2000, 9000});
      if (takes != Duration()) busy_.push_back({process->token, now + takes});
    }
    served_ += socket.queue.size();
    socket.queue.clear();
    socket.lonely_since = kNever;
  }
}

Instant Network::Next(Instant now) const {
  if (next_knock_ == kNever && pools_.empty() && !scenario_->has_auto_listen) return kNever;
  Instant next = next_knock_;
  for (const NetPool& pool : pools_) {
    for (const NetSocket& socket : pool.sockets) {
      for (const Instant lands : socket.half_open) next = std::min(next, lands);
    }
  }
  for (const Process& process : std::as_const(kernel_).processes()) {
    if (Finds(process)) {
      next = std::min(next, process.asks_again);
      const bool will_bind = !process.has_asked && process.behaviour.ready_after != kForever;
      if (will_bind) next = std::min(next, process.started_at + process.behaviour.ready_after);
      continue;
    }
    if (!process.socket || process.life != Process::Life::kRunning) continue;
    if (!process.has_shut) next = std::min(next, process.shut_at);
    const bool will_be_ready = process.behaviour.ready_after != kForever;
    const Instant ready_at =
        will_be_ready ? process.started_at + process.behaviour.ready_after : kNever;
    if (ready_at > now || !process.has_asked) next = std::min(next, ready_at);
  }
  return next;
}

void Network::Happen(Instant now) {
  for (Process& process : kernel_.all()) {
    if (Finds(process)) TellAddress(process, now);
    if (!process.socket || process.life != Process::Life::kRunning) continue;
    const bool binds = !process.has_asked && process.behaviour.ready_after != kForever &&
                       now >= process.started_at + process.behaviour.ready_after;
    if (binds && process.behaviour.wants == Wants::kAny) process.has_asked = true;
    if (binds && !process.has_asked) AskForAddress(process, now);
    if (process.shut_at <= now && !process.has_shut) {
      process.has_shut = true;
      Shut(process);
    }
  }
  for (NetPool& pool : pools_) Land(pool, now);
  if (next_knock_ <= now) Knock(now);
  for (NetPool& pool : pools_) Serve(pool, now);
  std::erase_if(busy_, [&](const Busy& busy) {
    const Process* process = std::as_const(kernel_).Find(busy.token);
    return busy.until <= now || process == nullptr || process->life != Process::Life::kRunning;
  });
}

// ---- What the daemon hears. ----

Instant Network::DrainedAt(const Watch& watch, Instant now) const {
  Instant at = std::max(now, watch.not_before);
  for (const NetPool& pool : pools_) {
    if (pool.service != watch.service || watch.socket >= pool.sockets.size()) continue;
    const NetSocket& socket = pool.sockets[watch.socket];
    if (!socket.queue.empty()) return kNever;  // until it is served
    for (const Instant lands : socket.half_open) at = std::max(at, lands + Millis(1));
  }
  for (const Busy& busy : busy_) {
    const Process* process = std::as_const(kernel_).Find(busy.token);
    const bool lives = process != nullptr && process->life == Process::Life::kRunning;
    if (busy.token == watch.token && lives) at = std::max(at, busy.until);
  }
  return at;
}

bool Network::hears_of_sockets() const {
  const auto is_of_sockets = [](const auto& one) {
    return std::holds_alternative<event::SocketShut>(one.second) ||
           std::holds_alternative<event::Relistened>(one.second) ||
           std::holds_alternative<event::PoolOpened>(one.second);
  };
  return std::ranges::any_of(news_, is_of_sockets) ||
         std::ranges::any_of(pools_,
                             [](const NetPool& pool) { return pool.told < pool.down.size(); });
}

Instant Network::NextNews(Instant now) const {
  for (const NetPool& pool : pools_) {
    if (pool.told < pool.down.size()) return now;
  }
  Instant next = kNever;
  for (const auto& [at, event] : news_) next = std::min(next, at);
  for (const Watch& watch : watches_) next = std::min(next, DrainedAt(watch, now));
  return next;
}

Event Network::TakeNews(Instant now) {
  const auto takes = [&](auto&& wanted) -> std::optional<Event> {
    const auto found =
        std::ranges::find_if(news_, [&](const auto& one) { return wanted(one.second); });
    if (found == news_.end()) return std::nullopt;
    Event event = std::move(found->second);
    news_.erase(found);
    return event;
  };
  // What is heard of sockets comes first, and in its order.
  const auto is_of_sockets = [](const Event& event) {
    return std::holds_alternative<event::SocketShut>(event) ||
           std::holds_alternative<event::Relistened>(event) ||
           std::holds_alternative<event::PoolOpened>(event);
  };
  if (auto event = takes(is_of_sockets)) return std::move(*event);
  for (NetPool& pool : pools_) {
    if (pool.told == pool.down.size()) continue;
    return event::SocketShut{ServiceName(pool.service), pool.address, pool.down[pool.told++],
                             pool.id};
  }
  if (auto event = takes([](const Event&) { return true; })) return std::move(*event);
  const auto drained = std::ranges::find_if(
      watches_, [&](const Watch& watch) { return DrainedAt(watch, now) <= now; });
  if (drained == watches_.end()) return event::Due{};
  const Token token = drained->token;
  watches_.erase(drained);
  return event::Drained{token};
}

const Process* Network::Asked(const State& state, Token token, Instant now) const {
  const Process* process = std::as_const(kernel_).Find(token);
  if (process == nullptr || !process->socket) return process;
  const Service* service = state.Find(ServiceName(process->service));
  for (const NetPool& pool : pools_) {
    if (!Uses(*process, pool, *scenario_) || service == nullptr || !service->traffic) continue;
    const auto known = std::ranges::find(service->traffic->pools, pool.address, &Pool::address);
    if (known == service->traffic->pools.end()) continue;
    const auto place = std::ranges::find(known->order, *process->socket);
    if (place == known->order.end()) return nullptr;
    const auto index = static_cast<std::size_t>(place - known->order.begin());
    if (index >= pool.order.size()) return nullptr;
    return Acceptor(pool, pool.order[index], now);
  }
  return nullptr;
}

void Network::DropUnknown(const State& state) {
  std::erase_if(pools_, [&](const NetPool& pool) {
    if (HasPool(state, ServiceName(pool.service), pool.address)) return false;
    CutOff(pool);
    return true;
  });
}

bool Network::is_idle(Instant /*now*/) const {
  if (next_knock_ != kNever || !news_.empty()) return false;
  return std::ranges::all_of(pools_, [](const NetPool& pool) {
    return std::ranges::all_of(pool.sockets, [](const NetSocket& socket) {
      return socket.queue.empty() && socket.half_open.empty();
    });
  });
}

bool Network::is_whole() const {
  const auto is_its_own = [&](const NetPool& pool, SocketNumber socket) {
    return std::ranges::any_of(std::as_const(kernel_).processes(), [&](const Process& process) {
      return process.is_alive() && process.has_shut && process.service == pool.service &&
             process.socket == socket;
    });
  };
  return std::ranges::all_of(pools_, [&](const NetPool& pool) {
    return std::ranges::all_of(pool.down,
                               [&](SocketNumber socket) { return is_its_own(pool, socket); });
  });
}

}  // namespace oxherd::sim
