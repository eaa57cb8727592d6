// Play: the core with a scripted world around it, for tests that tell a story.
//
// A story says what is asked and what the processes do; Play keeps the time, hands out pids and
// answers what a test does not care about. No mocks: events in, actions and states out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/supervisor.h"

namespace oxherd {

constexpr std::string_view kAddress = "tcp:[::]:3000";

// A service that is ready after 1 s of life, with the defaults of the Oxfile.
[[nodiscard]] std::shared_ptr<Spec> MakeSpec(std::string name);
// One that is ready after its first good answer.
[[nodiscard]] std::shared_ptr<Spec> MakeCheckedSpec(std::string name);

// One with sockets at port 3000, ready as soon as it accepts.
[[nodiscard]] std::shared_ptr<Spec> MakeListeningSpec(std::string name);

class Play {
 public:
  Play();

  // ---- what people ask; the request's id is returned
  RequestId Ask(Verb verb, std::vector<std::string> names, std::vector<SpecPtr> specs = {});
  RequestId Ask(event::Request request);

  // ---- what happens
  void Happens(const Event& event);
  // Time passes; every deadline on the way is handled at its own time.
  void Pass(Duration duration);
  // exec succeeds for everything that was spawned and not answered yet.
  void ConfirmSpawns();
  // The kernel gives every pool that was asked for and not answered yet.
  void OpenPools();
  // The main process ends and leaves nothing behind.
  void End(Token token, ExitStatus status);
  // Answers every open health question of this instance.
  void Answer(std::string_view instance, ProbeOutcome outcome);
  // Answers a stop signal or a kill: the process exits by it.
  void Obey(Token token);
  // Starts services and lets them become Ready.
  void BringUp(std::vector<SpecPtr> specs);

  // ---- what is there
  [[nodiscard]] State& state() { return state_; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] const Service& service(std::string_view name) const;
  [[nodiscard]] const Instance& current(std::string_view service, SlotIndex slot = 0) const;
  [[nodiscard]] const Instance* replacement(std::string_view service, SlotIndex slot = 0) const;
  [[nodiscard]] Token token(std::string_view service, SlotIndex slot = 0) const;
  // "ready", "starting", … of current("api", 0).
  [[nodiscard]] std::string_view StateOf(std::string_view service, SlotIndex slot = 0) const;
  // The only item of a request, or the one about this service.
  [[nodiscard]] const RequestItem& Item(RequestId id, std::string_view service = {}) const;
  [[nodiscard]] bool IsAnswered(RequestId id) const;

  // Actions since the last call, of one kind.
  template <typename A>
  [[nodiscard]] std::vector<A> Take() {
    std::vector<A> taken;
    for (const Action& action : actions_) {
      if (const auto* match = std::get_if<A>(&action)) taken.push_back(*match);
    }
    std::erase_if(actions_, [](const Action& action) { return std::holds_alternative<A>(action); });
    return taken;
  }
  // The sockets to which new connections go, as the last Steer of this address said.
  [[nodiscard]] std::vector<SocketNumber> Steered(std::string_view address = kAddress) const;
  void Forget() { actions_.clear(); }  // the actions until now
  [[nodiscard]] bool Told(action::Tell::Kind kind) const;

 private:
  State state_;
  Instant now_;
  Actions actions_;
  std::vector<Token> spawned_;
  std::vector<action::OpenPool> asked_pools_;
  std::vector<action::Steer> steered_;  // the last of each pool
  std::int32_t next_pid_ = 1000;
  std::uint64_t next_request_ = 1;
};

}  // namespace oxherd
