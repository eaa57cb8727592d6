// Starts processes through the keeper and looks after their pipes until the output log has them.
//
// A spawn costs no fsync and waits for nothing: plan, pipes, one message. What goes wrong before
// the message is sent is a PlanFailure, with the stage that people would look for it in.
#pragma once

#include <expected>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/state.h"
#include "daemon/keeper_link.h"
#include "daemon/launch/notify_sockets.h"
#include "daemon/launch/spawn_plan.h"
#include "daemon/output/output_log.h"
#include "os/fd.h"

namespace oxherd {

class Spawner {
 public:
  struct Parts {
    KeeperLink& keeper;
    OutputLog& output;
    NotifySockets& notify;
    const SpawnGround& ground;
  };
  explicit Spawner(const Parts& parts) : parts_(parts) {}

  // Nothing: the keeper will report Started or SpawnFailed.
  [[nodiscard]] std::expected<void, PlanFailure> Spawn(const SpawnOrder& order);

  // Log paths are looked at before the first start; after this, before the next one again.
  void CheckLogPathsAgain() { checked_paths_.clear(); }

  // ---- The keeper's answers. ----
  void OnStarted(Token token);
  void OnSpawnFailed(Token token);

  // A process that an earlier daemon started: its pipes go on where they were. `spec` is null where
  // nobody knows how it was started; `attached` is what came with the record, without the pidfd.
  void Adopt(const keeper::WorldRecord& record, std::vector<os::Fd> attached, const Spec* spec);

  // The token is gone and saved as such: what its pipes still hold is moved, then the keeper may
  // forget it.
  void Acknowledge(Token token);
  void OnDetached(Token token);

 private:
  struct Starting {
    OutputSource source;
    // The pipes' other ends, so that they have a writer until the child has opened them anew.
    std::vector<os::Fd> write_ends;
  };
  struct Pipes {
    std::vector<os::Fd> for_keeper;  // read ends
    Starting starting;
  };
  [[nodiscard]] std::expected<void, PlanFailure> CheckLogs(OutputSource& source);
  [[nodiscard]] static std::expected<void, PlanFailure> MakePipes(const LogSpec& logs,
                                                                  keeper::Plan& plan, Pipes& pipes);

  [[nodiscard]] static std::expected<std::optional<os::Fd>, PlanFailure> MakeInput(
      const SpawnOrder& order, keeper::Plan& plan, std::size_t attached);
  [[nodiscard]] std::expected<std::optional<NotifySockets::Mouth>, PlanFailure> MakeMouth(
      const SpawnOrder& order, keeper::Plan& plan, std::size_t attached);

  Parts parts_;
  std::unordered_map<Token, Starting> starting_;
  std::unordered_set<Token> attached_;  // to the output log
  std::unordered_set<std::string> checked_paths_;
};

}  // namespace oxherd
