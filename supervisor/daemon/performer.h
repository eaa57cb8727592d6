// Carries out what the core wants done: requests to the keeper, questions to instances, words to
// people. Chooses nothing.
//
// Actions are performed only after the state they belong to is in the image.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "control/event_record.h"
#include "core/action.h"
#include "core/state.h"
#include "daemon/commands/conversations.h"
#include "daemon/daemon_log.h"
#include "daemon/inbox.h"
#include "daemon/keeper_link.h"
#include "daemon/launch/spawner.h"
#include "daemon/observations.h"
#include "daemon/output/output_log.h"
#include "daemon/probes/probes.h"
#include "daemon/traffic/drain_watch.h"
#include "daemon/traffic/pools.h"
#include "daemon/traffic/port_inquiry.h"

namespace oxherd {

class Performer {
 public:
  struct Parts {
    const State& state;
    KeeperLink& keeper;
    Spawner& spawner;
    OutputLog& output;
    Probes& probes;
    Pools& pools;
    DrainWatch& drains;
    Conversations& conversations;
    Observations& observations;
    const PortInquiry& ports;
    DaemonLog& log;
    Inbox& inbox;
    const SpawnGround& ground;
    std::function<void()> save_wishes;
    std::function<void(control::EventRecord)> note_event;
  };
  explicit Performer(const Parts& parts) : parts_(parts) {}

  void Perform(const Actions& actions);

  // Holds what an earlier daemon has started to its limits.enforce: a unit's cgroup hands nothing
  // on from the death of its keeper until now.
  void EnforceAgain();

  // ---- For the probes. ----
  void SpawnCheck(const ProbeQuestion& question);
  void KillCheck(Token check) { parts_.keeper.Send(keeper::Kill{check}); }
  void OnProbed(const ProbeAnswer& answer);
  [[nodiscard]] std::vector<LiveInstance> LiveInstances() const;

  // ---- For the drain watch. ----
  // The main process of an instance that has not been told to stop yet.
  [[nodiscard]] std::optional<Pid> Draining(Token token) const;
  // Whose process this is; empty: nobody's.
  [[nodiscard]] std::string ServiceOf(Token token) const;

  // Signals that have left for the keeper since are told to the core. Called at the end of a turn.
  void ConfirmSignals();

  // A report of the keeper's about a check command; false: it is about something else.
  bool TakeCheckReport(const keeper::Report& report);

 private:
  void NoteForeign(const ProbeAnswer& answer);
  void AddRoute(ProbeQuestion& question, SocketNumber socket) const;

  void Do(const action::Spawn& spawn);
  void Do(const action::Stop& stop);
  void Do(const action::Kill& kill);
  void Do(const action::Signal& signal);
  void Do(const action::Acknowledge& acknowledge);
  void Do(const action::Probe& probe);
  void Do(const action::Reply& reply);
  void Do(const action::SaveWishes& save);
  void Do(const action::OpenPool& open) { parts_.pools.Do(open); }
  void Do(const action::ClosePool& close) { parts_.pools.Do(close); }
  void Do(const action::Steer& steer) { parts_.pools.Do(steer); }
  void Do(const action::WatchDrain& drain) { parts_.drains.Begin(drain); }
  void Do(const action::Sweep& sweep) { parts_.pools.Do(sweep); }
  void Do(const action::Relisten& relisten) { parts_.pools.Do(relisten); }
  void Do(const action::Tell& tell);
  void TellIfOutOfReach(const action::Tell& tell);
  void Enforce(const InstanceId& instance, Token token, Pid pid, const Limits& limits);

  Parts parts_;
  std::vector<Token> signalled_;             // asked for, and not yet confirmed
  std::unordered_map<Token, Token> checks_;  // check command -> the instance it asks
};

}  // namespace oxherd
