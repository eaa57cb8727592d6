// Network: the kernel's sockets and the clients who knock at them.
//
// Pools outlive the daemon, as the keeper holds them. A client's connection waits in the queue of
// one socket until a process that holds it accepts, or until somebody resets it. Nothing here
// decides: it shows where clients end up.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/action.h"
#include "core/event.h"
#include "core/supervisor.h"
#include "tests/sim/kernel.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"

namespace oxherd::sim {

struct NetSocket {
  std::vector<Instant> queue;      // since when each connection waits
  std::vector<Instant> half_open;  // when each handshake will be complete
  Instant lonely_since = kNever;   // connections wait, and nobody is there or will come
};

struct NetPool {
  std::uint8_t service = 0;
  Token id;  // of the opening, as the daemon was told
  Instant made_at;
  std::string address;
  std::vector<NetSocket> sockets;     // by number
  std::vector<SocketNumber> order;    // those that listen, as the kernel has them
  std::vector<std::uint16_t> places;  // where new connections go
  std::vector<SocketNumber> down;     // those that were shut, in the order in which that happened
  std::size_t told = 0;               // so many of them the living daemon has heard of

  // New connections end up at exactly these.
  [[nodiscard]] bool EndsAt(const std::vector<SocketNumber>& believed) const;
};

class Network {
 public:
  explicit Network(Kernel& kernel) : kernel_(kernel) {}
  void Reset(const Scenario& scenario, Random random);
  void set_weather(Weather weather) { weather_ = weather; }

  // ---- What the daemon does. ----
  void Do(const Action& action, Instant now);
  void DaemonDied();
  // No more clients after this.
  void StopKnocking(Instant at) { knocks_until_ = at; }

  // ---- What happens by itself, and when. ----
  [[nodiscard]] Instant Next(Instant now) const;
  void Happen(Instant now);
  // What the daemon hears, one thing at a time.
  [[nodiscard]] Instant NextNews(Instant now) const;
  [[nodiscard]] Event TakeNews(Instant now);
  // Sockets went down, or listen again: the daemon hears of that before anything else.
  [[nodiscard]] bool hears_of_sockets() const;

  // Who answers a probe of this socket, as the daemon believes the order to be; null: nobody.
  [[nodiscard]] const Process* Asked(const State& state, Token token, Instant now) const;

  // Sockets that are held for nobody.
  void DropUnknown(const State& state);
  [[nodiscard]] std::span<const NetPool> pools() const { return pools_; }
  [[nodiscard]] std::span<NetPool> pools() { return pools_; }
  // Nobody waits any more.
  [[nodiscard]] bool is_idle(Instant now) const;
  // Every socket listens, but for those that their own living programs shut.
  [[nodiscard]] bool is_whole() const;
  [[nodiscard]] std::uint64_t served() const { return served_; }

 private:
  struct Busy {
    Token token;
    Instant until;
  };
  struct Watch {
    Token token;
    std::uint8_t service;
    SocketNumber socket;
    Instant not_before;
  };

  [[nodiscard]] NetPool* Find(const std::string& service, const std::string& address);
  [[nodiscard]] static bool Uses(const Process& process, const NetPool& pool,
                                 const Scenario& scenario);
  [[nodiscard]] const Process* Acceptor(const NetPool& pool, SocketNumber socket,
                                        Instant now) const;
  [[nodiscard]] Instant DrainedAt(const Watch& watch, Instant now) const;
  void Open(const action::OpenPool& open, Instant now);
  void TellShut(NetPool& pool, Instant now);
  void Shut(const Process& process);
  void CutOff(const NetPool& pool);
  void LeaveToProcesses(const NetPool& pool);
  static void TakeDown(NetPool& pool, SocketNumber socket);
  void Sweep(const action::Sweep& sweep, Instant now);
  void AskForAddress(Process& process, Instant now);
  [[nodiscard]] static bool Finds(const Process& process);
  void TellAddress(Process& process, Instant now);
  void Knock(Instant now);
  void Land(NetPool& pool, Instant now);
  void Serve(NetPool& pool, Instant now);

  Kernel& kernel_;
  const Scenario* scenario_ = nullptr;
  Random random_{0};
  Weather weather_ = Weather::kFaults;
  std::vector<NetPool> pools_;
  std::vector<Busy> busy_;
  std::vector<Watch> watches_;
  std::vector<std::pair<Instant, Event>> news_;
  Instant next_knock_ = kNever;
  Instant knocks_until_ = kNever;
  std::uint64_t served_ = 0;
};

}  // namespace oxherd::sim
