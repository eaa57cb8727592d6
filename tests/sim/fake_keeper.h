// FakeKeeper: the keeper's real book between a fake kernel and a fake socketpair.
//
// Each end of the socketpair is a queue whose messages take their time and stay in order. When the
// daemon dies, what the keeper had sent is lost, and what the daemon had sent is carried out before
// its death is noticed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/time.h"
#include "keeper/book.h"
#include "keeper/protocol.h"
#include "tests/sim/kernel.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"

namespace oxherd::sim {

// What a Spawn's plan says, for the fake kernel.
struct Plan {
  const Spec* spec = nullptr;
  ProcessKind kind = ProcessKind::kInstance;
  std::optional<SocketNumber> socket;
  bool finds = false;  // it is to tell the address that it binds
};

class FakeKeeper {
 public:
  FakeKeeper();
  void Reset(const Scenario& scenario, Random random);
  void set_weather(Weather weather) { weather_ = weather; }

  // ---- The daemon's end of the socket. ----
  void Send(const keeper::Request& request, const Plan& plan, Instant now);
  [[nodiscard]] Instant NextReport() const;
  [[nodiscard]] keeper::Report Receive();
  void DaemonDied(Instant now);
  // It is hung, or stopped: its reports stay where they are.

  // ---- What happens on the keeper's side, one thing at a time. ----
  [[nodiscard]] Instant NextRequest() const;
  void TakeRequest(Instant now);
  [[nodiscard]] Instant NextFact() const { return kernel_.Next(); }
  void TakeFact(Instant now);
  [[nodiscard]] Instant NextDeadline() const { return book_->NextDeadline(); }
  void Tick(Instant now);
  [[nodiscard]] Instant NextDeath() const { return death_noticed_at_; }
  void NoticeDeath(Instant now);
  [[nodiscard]] Instant NextDaemon() const { return daemon_at_; }
  void DaemonIsUp(Instant now);
  void Terminate(Instant now);
  // It is killed, and what was on its way between it and the daemon is lost. The next one has the
  // estate that its daemon makes, or looks for what was written down (keeper/adoption): then some
  // have ended unseen, and of some it is in doubt whether they are what was started.
  enum class Heir : std::uint8_t { kDaemon, kNobody };
  void Die(Heir heir, Instant now);

  // A signal for the daemon, if one was sent since the last call.
  [[nodiscard]] std::optional<std::uint8_t> TakeSignalForDaemon();

  [[nodiscard]] Kernel& kernel() { return kernel_; }
  [[nodiscard]] const Kernel& kernel() const { return kernel_; }
  [[nodiscard]] const keeper::Book& book() const { return *book_; }
  [[nodiscard]] bool is_idle() const { return down_.empty() && up_.empty(); }
  [[nodiscard]] bool has_exited() const { return has_exited_; }

 private:
  struct Down {
    Instant at;
    keeper::Request request;
    Plan plan;
  };
  struct Up {
    Instant at;
    keeper::Report report;
  };

  [[nodiscard]] Duration Delay();
  void TakeOver(keeper::Record record, Heir heir, Instant now);
  void FindAgain(keeper::Record& record, Instant now);
  void CarryOut(Instant now);
  void Do(const keeper::Effect& effect, Instant now);
  void Spawn(const keeper::SpawnProcess& effect, Instant now);
  void Pump(Instant now);

  const Scenario* scenario_ = nullptr;
  Random random_{0};
  Weather weather_ = Weather::kFaults;
  Kernel kernel_;
  std::optional<keeper::Book> fresh_book_;  // copied for each scenario
  std::optional<keeper::Book> book_;
  std::vector<Down> down_;
  std::size_t down_taken_ = 0;
  std::vector<Up> up_;
  std::size_t up_taken_ = 0;
  std::vector<keeper::Effect> effects_;
  Plan plan_;  // of the Spawn being handled
  std::array<std::array<std::uint32_t, 8>, kMaxServices> spawns_{};
  std::vector<std::uint8_t> signals_;
  std::vector<Token> former_;  // of an earlier keeper: not our children
  bool daemon_listens_ = false;
  bool has_exited_ = false;
  Instant death_noticed_at_ = kNever;
  Instant daemon_at_ = kNever;
};

}  // namespace oxherd::sim
