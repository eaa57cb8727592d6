// Health probes: asks one instance one question (HTTP, TCP, a command) and says what came of it.
//
// An answer over TCP proves readiness only if the question was steered to the instance's own
// socket, or if the socket that listens there belongs to a process of the asked instance
// (os/listeners.h). That is looked up once for each token, at its first good answer, and
// remembered. A failure across a suspend or a starved loop is void.
//
// Runs on the loop of the io_context and never blocks it. A name other than an address or
// `localhost` is looked up by Seams::run_off_loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"
#include "core/action.h"
#include "core/spec.h"
#include "daemon/probes/probe_dialogue.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

// One process of ours that lives now.
struct LiveInstance {
  Token token;
  InstanceId instance;
  Generation generation;
  Pid pid;             // its main process, also its session (setsid(2))
  std::string cgroup;  // its own directory, absolute; empty: none
};

struct ProbeQuestion {
  Token token;
  InstanceId instance;
  Generation generation;
  Token check;  // of the process of a command check
  HealthCheck::Kind kind = HealthCheck::Kind::kNone;
  std::string target;  // URL or host:port, expanded for this instance
  Millis timeout{5000};
  enum class Purpose : std::uint8_t {
    kReadiness,  // the instance is Starting: the answer must be bound to it
    kHealth,
  };
  Purpose purpose = Purpose::kHealth;
  // To its own socket of an address that it shares (`listen`): then an answer is the instance's.
  ProbeRoute route = {};
};

struct ProbeAnswer {
  Token token;
  ProbeOutcome outcome = ProbeOutcome::kVoid;
  Generation other{};  // kForeign: the generation of this service that answered, if one of ours
  Pid other_pid{};     // kForeign: whoever listens there, if that can be seen
  Duration took{};
  std::string text{};  // for people: "200", "503", "connection refused", "no answer in 5 s"
};

class Probes {
 public:
  // What the probes need of the daemon. All are called on the loop's thread.
  struct Seams {
    // The answer; exactly one for each Ask(), never from within Ask(), none after Cancel().
    std::function<void(const ProbeAnswer&)> answered;
    // Every process of ours that lives, for whose socket it is; the asked token must be among them.
    std::function<std::vector<LiveInstance>()> live_instances;
    // Runs a job that may block on another thread (the writer's), soon. Name look-ups only.
    std::function<void(std::function<void()>)> run_off_loop;
    // Spawns the check command of this question through the keeper: kind check, token
    // `question.check`, the spec's command expanded, OXHERD_PID set. Then OnCheckEnded() or
    // OnCheckNotStarted().
    std::function<void(const ProbeQuestion&)> spawn_check;
    // Kills the whole tree of that check: its time is up.
    std::function<void(Token check)> kill_check;
  };

  Probes(boost::asio::io_context& loop, Seams seams);
  ~Probes();
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  // Asks once. A token that is being asked already: void (never two at once).
  void Ask(ProbeQuestion question);

  // The token is gone: its probe is given up without an answer, what was remembered is forgotten.
  void Cancel(Token token);

  // From the keeper's reports, for tokens of checks. Unknown ones are ignored.
  void OnCheckEnded(Token check, const ExitStatus& status);
  void OnCheckNotStarted(Token check, std::string why);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oxherd
