// Measures the trees of services that have [limits], and says what is to be replaced for them.
//
// Nothing is measured, and nothing wakes up, while no ready instance has such a limit. The rule is
// the core's (core/limit_watch.h); what it has counted is lost with the daemon and begins anew.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "core/limit_watch.h"
#include "core/state.h"
#include "daemon/daemon_log.h"
#include "daemon/inbox.h"
#include "os/tree_usage.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

class LimitChecks {
 public:
  // What one wake-up may take; who was not reached has its turn kBreath later.
  static constexpr Duration kBudget = Millis(4);
  static constexpr Duration kBreath = Millis(50);

  struct Parts {
    boost::asio::io_context& loop;
    const State& state;
    Inbox& inbox;
    DaemonLog& log;
    Pid keeper;  // inherits what its parent has left
    std::function<void(std::function<void()>)> run_off_loop;
  };

  explicit LimitChecks(Parts parts);
  ~LimitChecks();
  LimitChecks(const LimitChecks&) = delete;
  LimitChecks& operator=(const LimitChecks&) = delete;

  // After the core has taken events: somebody with limits may be there now.
  void OnTurn(Instant now);
  // When to call OnTime(); kNever: nobody has limits.
  [[nodiscard]] Instant deadline() const { return next_at_; }
  // Measures, within the budget, and puts event::Replace into the inbox.
  void OnTime(Instant now);

 private:
  void BeginRound(Instant now);
  void FindOrphans();
  void Check(const InstanceId& id);
  void Judge(const InstanceId& id, Token token, const LimitSample& sample);
  void SayOnce(const InstanceId& id, const LimitWatch& watch, const std::string& text);

  Parts parts_;
  std::shared_ptr<LimitChecks*> self_;  // null for answers that come after the end
  std::map<InstanceId, LimitWatch> watches_;
  std::vector<InstanceId> todo_;
  std::unordered_map<Token, std::vector<Pid>> orphans_;  // of this round
  std::unordered_set<Token> asked_;  // shared memory is being counted, off the loop
  std::unordered_set<Token> said_;   // whose excess was told, though it is not replaced yet
  Instant round_began_;
  Instant next_at_ = kNever;
};

}  // namespace oxherd
