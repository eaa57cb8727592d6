// FakeDaemon: what the daemon does around the core, with a death that can come between any two
// actions.
//
// It hands events to the core, writes the image, performs the actions; a new one reads the image,
// asks the keeper for the world and lets the core join the two.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/action.h"
#include "core/event.h"
#include "core/state.h"
#include "core/supervisor.h"
#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/fake_keeper.h"
#include "tests/sim/network.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

namespace oxherd::sim {

class FakeDaemon {
 public:
  FakeDaemon(FakeKeeper& keeper, Clients& clients, Checker& checker, Network& network)
      : keeper_(keeper), clients_(clients), checker_(checker), network_(network) {}
  void Reset(const Scenario& scenario, Random random, Trace* trace);
  void set_weather(Weather weather) { weather_ = weather; }

  // ---- What people and faults do to it. ----
  void ArmCut(std::uint16_t after_actions) { cut_ = after_actions; }
  void Disarm() { cut_ = kNoCut; }
  void Hang() { hung_ = life_ != Life::kDead; }
  // The keeper is killed. A daemon that is at work saves its image and becomes the next one;
  // without such a daemon nothing happens.
  void LoseKeeper(Instant now);
  // Both are killed, and the image with them: what is wanted is in state.json, what runs is found.
  void DieWithKeeper(Instant now);
  void Signalled(std::uint8_t signal, Instant now);
  void MeetStrangers(Instant now);
  void Replace(const event::Replace& replace, Instant now);
  void Schedule(const event::Schedule& schedule, Instant now);
  void Repeat(const event::Request& request, Instant now);

  // ---- What happens to it, one thing at a time; kNever if there is nothing. ----
  void Start(Instant now);
  [[nodiscard]] Instant NextReport() const;
  void TakeReport(Instant now);
  [[nodiscard]] Instant NextClient(Instant now) const;
  void TakeClient(Instant now);
  [[nodiscard]] Instant NextAnswer() const;
  void TakeAnswer(Instant now);
  [[nodiscard]] Instant NextLine(Instant now) const;
  void TakeLine(Instant now);
  [[nodiscard]] Instant NextNews(Instant now) const;
  void TakeNews(Instant now);
  [[nodiscard]] Instant NextDue() const;
  void TakeDue(Instant now);

  [[nodiscard]] bool is_up() const { return life_ == Life::kUp; }
  [[nodiscard]] bool is_responsive() const { return life_ == Life::kUp && !hung_; }
  [[nodiscard]] bool has_left() const { return has_left_; }
  [[nodiscard]] const State& state() const { return state_; }

 private:
  enum class Life : std::uint8_t { kDead, kAsking, kUp };
  struct Question {
    Instant at;
    Token token;
  };
  struct Record {
    std::string service;
    std::uint64_t revision = 0;
    std::string bytes;
  };
  struct Image {
    bool written = false;
    std::string all;     // as one string, written only when the daemon dies …
    std::string common;  // … or record by record, after each event
    std::vector<Record> records;
  };
  static constexpr std::uint32_t kNoCut = UINT32_MAX;

  void Take(const Event& happened, Instant now);
  [[nodiscard]] Event AsRead(Event event) const;
  void Perform(const Actions& actions, Instant now);
  void Do(const Action& action, Instant now);
  void Die(Instant now);
  void Leave(Instant now);
  void ReceiveHello(const keeper::Hello& hello, Instant now);
  void CollectWorld(const keeper::Report& report, Instant now);
  void Join(const keeper::WorldEnd& end, Instant now);
  void Hear(const keeper::Report& report, Instant now);
  void SaveImage();
  void SaveRecords();
  void SaveWishes();
  [[nodiscard]] State LoadImage();
  [[nodiscard]] State Fresh() const;
  [[nodiscard]] static oxherd::WorldRecord Translate(const keeper::WorldRecord& record);
  [[nodiscard]] ProbeOutcome Ask(Token token, Instant now);
  [[nodiscard]] const Process* Speaker(Instant now, Instant* next) const;

  FakeKeeper& keeper_;
  Clients& clients_;
  Checker& checker_;
  Network& network_;
  const Scenario* scenario_ = nullptr;
  Trace* trace_ = nullptr;
  Random random_{0};
  Weather weather_ = Weather::kFaults;

  Life life_ = Life::kDead;
  bool hung_ = false;
  bool has_left_ = false;
  std::uint32_t cut_ = kNoCut;
  std::uint8_t terminations_ = 0;
  bool use_image_ = true;
  State state_;
  mutable Instant next_due_ = kNever;
  Actions actions_;
  Image image_;
  event::Boot disk_;  // what is wanted: state.json
  World world_;
  std::vector<keeper::Report> after_world_;  // news that came before the world was complete
  std::vector<Question> questions_;
  std::vector<Token> said_;  // tokens whose line for ready_log was handed on by this daemon
  std::uint64_t events_ = 0;
};

}  // namespace oxherd::sim
