// Carries out what the core wants done: requests to the keeper, questions to instances, words to
// people. Chooses nothing.
//
// Actions are performed only after the state they belong to is in the image.
#pragma once

#include <functional>
#include <unordered_map>

#include "core/action.h"
#include "core/state.h"
#include "daemon/conversations.h"
#include "daemon/daemon_log.h"
#include "daemon/inbox.h"
#include "daemon/keeper_link.h"
#include "daemon/observations.h"
#include "daemon/output_log.h"
#include "daemon/probes.h"
#include "daemon/spawner.h"

namespace oxherd {

class Performer {
 public:
  struct Parts {
    const State& state;
    KeeperLink& keeper;
    Spawner& spawner;
    OutputLog& output;
    Probes& probes;
    Conversations& conversations;
    Observations& observations;
    DaemonLog& log;
    Inbox& inbox;
    const SpawnGround& ground;
    std::function<void()> save_wishes;
  };
  explicit Performer(const Parts& parts) : parts_(parts) {}

  void Perform(const Actions& actions);

  // ---- For the probes. ----
  void SpawnCheck(const ProbeQuestion& question);
  void KillCheck(Token check) { parts_.keeper.Send(keeper::Kill{check}); }
  void OnProbed(const ProbeAnswer& answer);
  [[nodiscard]] std::vector<LiveInstance> LiveInstances() const;

  // A report of the keeper's about a check command; false: it is about something else.
  bool TakeCheckReport(const keeper::Report& report);

 private:
  void NoteForeign(const ProbeAnswer& answer);

  void Do(const action::Spawn& spawn);
  void Do(const action::Stop& stop);
  void Do(const action::Kill& kill);
  void Do(const action::Acknowledge& acknowledge);
  void Do(const action::Probe& probe);
  void Do(const action::Reply& reply);
  void Do(const action::SaveWishes& save);
  void Do(const action::OpenPool& open);
  void Do(const action::ClosePool& close);
  void Do(const action::Steer& steer);
  void Do(const action::WatchDrain& watch);
  void Do(const action::Sweep& sweep);
  void Do(const action::Relisten& relisten);
  void Do(const action::Tell& tell);

  Parts parts_;
  std::unordered_map<Token, Token> checks_;  // check command -> the instance it asks
};

}  // namespace oxherd
