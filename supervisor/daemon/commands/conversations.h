// Who asked for what, and what is said to whom: between the control socket and the core.
//
// Commands that only look are answered at once. The others become events; their clients are told
// when they are accepted, what happens meanwhile, and the outcome. An outcome stays in the state
// for a while after its client is gone, so that Attach finds it, also after a death of the daemon.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/message.h"
#include "core/action.h"
#include "core/state.h"
#include "daemon/commands/command_reader.h"
#include "daemon/commands/control_server.h"
#include "daemon/commands/views.h"
#include "daemon/http/metrics.h"
#include "daemon/launch/spawn_plan.h"
#include "daemon/observations.h"
#include "daemon/output/output_log.h"
#include "daemon/triggers/file_watches.h"
#include "daemon/triggers/timetable.h"
#include "daemon/upgrade.h"

namespace oxherd {

class Conversations {
 public:
  struct Parts {
    const State& state;
    Observations& observations;
    const Surroundings& surroundings;
    const SpawnGround& ground;
    OutputLog& output;
    const Pools& pools;
    const Timetable& timetable;
    const FileWatches& files;
    // Into the core, with the next turn.
    std::function<void(event::Request)> ask_core;
    std::function<void(const SupervisorSettings&)> use_settings;
    std::function<control::DaemonDetail()> daemon_detail;
    // To the main process of this token.
    std::function<void(Token, std::uint8_t signal)> send_signal;
    // Has new programs checked; then calls back, and ends the daemon if all is well.
    std::function<void(Programs, std::function<void(Status)>)> upgrade;
  };

  explicit Conversations(Parts parts) : parts_(std::move(parts)) {}

  // Narrated about the service as a whole.
  [[nodiscard]] static bool IsAboutService(action::Tell::Kind kind);

  // Must be called before anything is said.
  void SpeakThrough(ControlServer& server) { server_ = &server; }

  // ---- From the control socket. ----
  void OnSaid(ClientId client, control::FromClient message);
  void OnGone(ClientId client);

  // ---- From the loop. ----
  // The events asked for are applied and saved: clients hear that they are accepted.
  void OnTurn(Instant now);
  // The core's actions of the same names.
  void OnTell(const action::Tell& tell);
  void OnReply(RequestId request);
  // The answer to a tail that was asked for here.
  void OnTail(Token token, std::vector<std::string> lines);

  // ---- From the HTTP listener. ----
  // The answer to `list` or `status`.
  [[nodiscard]] control::Reply LookAt(const control::Request& request);
  [[nodiscard]] Figures FiguresNow();

  // Nobody waits for an answer that is on its way.
  [[nodiscard]] bool is_quiet() const { return assembling_.empty(); }

 private:
  struct Course {  // of one service in a request
    Instant began = kNever;
    Instant ended = kNever;
    Instant gap_began = kNever;  // since when nothing of it is Ready, in a reload
    Duration longest_gap{};
  };
  struct Open {
    control::Command command = control::Command::kPing;
    Understood understood;  // its event was given to the core already
    std::vector<ClientId> clients;
    std::map<std::string, Course> courses;
    bool no_wait = false;
    bool is_announced = false;
    bool is_replied = false;
  };
  // A final reply that waits for the last lines of those that failed.
  struct Assembling {
    RequestId request;
    control::Reply reply{};
    std::vector<ClientId> clients;
    std::unordered_map<Token, std::size_t> tails{};  // -> reply.services
  };

  void On(ClientId client, const control::Request& request);
  void On(ClientId client, const control::Attach& attach);
  void Look(ClientId client, const control::Request& request);
  void SendSignals(const std::vector<InstanceId>& selected, std::uint8_t signal,
                   control::Reply& reply);
  void AddEnvironments(const std::vector<InstanceId>& selected, bool reveal,
                       control::Reply& reply) const;
  void BeginUpgrade(ClientId client, const control::Request& request);
  void Begin(ClientId client, const control::Request& request);
  void Rehearse(ClientId client, const control::Request& request, const Understood& understood);
  void Join(ClientId client, RequestId id);
  void Answer(ClientId client, control::Reply reply);
  void AddDifferences(control::ServiceDetail& detail) const;

  void Announce(RequestId id, Open& open);
  void Follow(const RequestRecord& record, Open& open, Instant now) const;
  void Conclude(RequestId id, Open& open, std::vector<ClientId> clients);
  void Finish(Assembling& done);
  [[nodiscard]] control::Reply ReplyFor(const RequestRecord& record, const Open& open,
                                        std::unordered_map<Token, std::size_t>& tails) const;
  [[nodiscard]] control::ServiceResult ResultFor(const RequestItem& item, const Open& open) const;
  void Sharpen(RequestId request, std::size_t index, control::ServiceResult& result) const;
  void AskForTail(Token token, const RequestItem& item);
  [[nodiscard]] CommandContext context() const;
  [[nodiscard]] Views views();

  Parts parts_;
  ControlServer* server_ = nullptr;
  UsageSampler usage_;
  std::unordered_map<RequestId, Open> open_;
  std::vector<Assembling> assembling_;
};

}  // namespace oxherd
