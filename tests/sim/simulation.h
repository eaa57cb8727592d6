// Simulation: runs one scenario through core, keeper's book and fake kernel, in virtual time.
//
// Two phases: with faults, and then without, until everything is as people want it.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/fake_daemon.h"
#include "tests/sim/fake_keeper.h"
#include "tests/sim/network.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

namespace oxherd::sim {

struct Outcome {
  Violation violation;  // none: all is well
  std::uint64_t happenings = 0;
  std::uint64_t core_events = 0;
};

// Its memory is used again from run to run.
class Simulation {
 public:
  Simulation() : network_(keeper_.kernel()), daemon_(keeper_, clients_, checker_, network_) {}
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // With a trace, what happens is written down.
  Outcome Run(const Scenario& scenario, Trace* trace = nullptr);

 private:
  // Where the next thing may come from.
  enum class Source : std::uint8_t {
    kStep,
    kFact,
    kKeeperDeadline,
    kRequest,
    kReport,
    kDeath,
    kDaemon,
    kClient,
    kAnswer,
    kLine,
    kNetwork,
    kNews,
    kDue,
  };
  static constexpr std::size_t kSources = 13;

  void Begin(const Scenario& scenario, Trace* trace);
  void RunToEnd();
  [[nodiscard]] bool Advance();
  void Run(Source source);
  void TakeStep(const Step& step);
  void SendRequest(const Step& step);
  void Strike(std::uint16_t number);
  void PassSignals();
  void CalmDown();
  void Look();
  [[nodiscard]] bool IsSettled() const;
  void Fail(Invariant invariant, const char* what);

  const Scenario* scenario_ = nullptr;
  Trace* trace_ = nullptr;
  Random random_{0};
  Instant now_ = kBeginning;
  bool calm_ = false;  // the second phase
  std::size_t steps_taken_ = 0;
  FakeKeeper keeper_;
  Clients clients_;
  Checker checker_;
  Network network_;
  FakeDaemon daemon_;
  std::uint64_t happenings_ = 0;
  std::uint64_t same_instant_ = 0;
  std::string broken_check_;
};

}  // namespace oxherd::sim
