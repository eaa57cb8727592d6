// A service wants a port that somebody else has: who that is, and what is said about it.
//
// A program that cannot bind says so in its last lines and exits, usually with 1: so the lines of
// every process that fails before it is ready are looked at once, and the sockets of the ports that
// they name (or that its spec names) tell the rest. Nothing is looked at while all is well.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/exit_status.h"
#include "base/ids.h"
#include "control/port_words.h"
#include "core/state.h"
#include "daemon/daemon_log.h"
#include "daemon/launch/spawn_plan.h"
#include "daemon/observations.h"
#include "daemon/output/output_log.h"
#include "daemon/probes/probes.h"
#include "daemon/traffic/pools.h"
#include "os/port_holder.h"

namespace oxherd {

class PortInquiry {
 public:
  struct Parts {
    const State& state;
    const Pools& pools;
    Observations& observations;
    OutputLog& output;
    DaemonLog& log;
    const SpawnGround& ground;
    std::function<std::vector<LiveInstance>()> live_instances;
  };
  explicit PortInquiry(Parts parts) : parts_(std::move(parts)) {}

  // Before the core hears of it, so that the state still says what it was.
  void OnExited(Token token, const ExitStatus& status);
  // Its last lines. False: they were not asked for here.
  bool OnTail(Token token, const std::vector<std::string>& lines);

  // For a pool that cannot be opened, and for a probe that somebody else answered. Reads /proc.
  [[nodiscard]] PortTaken TakenBy(const std::string& service, std::uint16_t port) const;

 private:
  struct Wanting {  // who wants the port
    InstanceId instance;
    Generation generation;
    Token token;
    std::vector<std::uint16_t> own = {};  // ports that listen held for it
  };
  [[nodiscard]] control::TakenPort Find(const Wanting& who, std::uint16_t port) const;
  void NameOurs(const Wanting& who, const LiveInstance& holder, control::TakenPort& taken) const;
  [[nodiscard]] control::TakenPort::Why WhyNotHanded(const Spec& spec) const;
  [[nodiscard]] std::vector<std::uint16_t> PortsFor(const Wanting& who) const;
  [[nodiscard]] std::optional<control::TakenPort> HeldByOthers(
      const Wanting& who, const std::vector<std::uint16_t>& ports) const;
  void Judge(const Wanting& who, const std::vector<std::string>& lines);
  void Say(const Wanting& who, std::string text);

  Parts parts_;
  std::unordered_map<Token, Wanting> failed_;  // their last lines are on the way
};

}  // namespace oxherd
