// The daemon: joins core, keeper, clients, probes and output, and runs the loop.
//
// Each wake-up is one turn: everything that happened becomes events in their order, the core takes
// them, the image is brought up to date, and only then the core's actions are performed. Nothing in
// a turn waits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "core/supervisor.h"
#include "daemon/arguments.h"
#include "daemon/commands/control_server.h"
#include "daemon/commands/conversations.h"
#include "daemon/daemon_log.h"
#include "daemon/errands/errands.h"
#include "daemon/errands/event_command.h"
#include "daemon/errands/webhooks.h"
#include "daemon/http/http_api.h"
#include "daemon/inbox.h"
#include "daemon/keeper_link.h"
#include "daemon/launch/spawner.h"
#include "daemon/loop.h"
#include "daemon/observations.h"
#include "daemon/output/output_log.h"
#include "daemon/performer.h"
#include "daemon/probes/probes.h"
#include "daemon/startup.h"
#include "daemon/store/event_journal.h"
#include "daemon/store/image.h"
#include "daemon/store/state_store.h"
#include "daemon/succession.h"
#include "daemon/traffic/port_inquiry.h"
#include "daemon/triggers/file_watches.h"
#include "daemon/triggers/limit_checks.h"
#include "daemon/triggers/timetable.h"
#include "daemon/upgrade.h"

namespace oxherd {

// What the keeper left open for us (keeper/inheritance.h).
struct Inherited {
  os::Fd keeper;
  os::Fd control;
  os::Fd lock;
  os::Fd image;
};

class Daemon {
 public:
  // Signals are blocked already. An error is for standard error; the keeper will try again.
  [[nodiscard]] static Result<std::unique_ptr<Daemon>> Start(Arguments arguments,
                                                             Inherited inherited);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Until a shutdown is finished, or the keeper is gone. Returns the exit code.
  [[nodiscard]] int Run();

 private:
  Daemon(Arguments arguments, Inherited inherited);

  // ---- Start. ----
  [[nodiscard]] Status Begin();
  [[nodiscard]] Status OpenParts();
  void OpenTraffic();
  void OpenProbes();
  void OpenLimits();
  void RunOffLoop(std::function<void()> job);
  void OpenErrands();
  void OpenConversations();
  void JoinWorld(KeeperWorld world, StartState start);
  void AdoptSockets(KeeperWorld& world);
  void RemarkOn(const keeper::WorldRecord& record);
  [[nodiscard]] bool MayHold(const std::string& name, const std::string& address) const;
  void SayStart(const StartState& start);
  void RefuseRun(const std::vector<std::string>& errors);
  [[nodiscard]] Status WatchAll();

  // ---- What happens. ----
  void OnReport(KeeperReport report);
  void OnListenReport(const keeper::Report& report);
  void OnAddressRefused(const keeper::ListenRefused& refused);
  void OnSignals();
  void OnOutput();
  void OnStoreOutcome();
  void OnKeeperLost(const Error& error);
  [[nodiscard]] bool KeeperIsDead() const;
  void KeepBelongings();
  void ReadAgain();
  void UseSettings(const SupervisorSettings& settings);
  void UseControlGroup(const std::string& name);
  void OpenControlSocket();

  // ---- Turns. ----
  void Turn();
  void TakeEvents(Instant now, Actions& actions);
  void TakeDeadlines(Instant now, Actions& actions);
  void Rest();
  void SaveImage();
  void SaveWishes();

  // ---- The end. ----
  void BeginUpgrade(Programs programs, std::function<void(Status)> done);
  void LeaveForUpgrade();
  void AskForShutdown();
  void EndRunWhenDone();
  void LeaveWhenDone();
  void Leave(int code);

  [[nodiscard]] control::DaemonDetail Detail() const;
  void NoteEvent(control::EventRecord event);

  Arguments arguments_;
  Inherited inherited_;
  Belongings belongings_;  // duplicates, for a keeper to come
  os::Fd keeper_pidfd_;
  Surroundings surroundings_;
  SpawnGround ground_;
  DaemonLog log_;
  Loop loop_;
  KeeperLink keeper_;
  keeper::Hello hello_;
  Instant started_at_;
  std::int64_t started_unix_ms_ = 0;

  State state_;
  Inbox inbox_;
  Observations observations_;
  std::optional<Image> image_;
  std::optional<std::string> image_trouble_;
  std::optional<std::string> store_trouble_;
  std::optional<std::uint32_t> control_group_;
  std::optional<std::string> control_trouble_;
  std::vector<std::string> start_warnings_;

  std::unique_ptr<EventJournal> journal_;  // null under `oxherd run`
  std::unique_ptr<StateStore> store_;      // null under `oxherd run`
  std::unique_ptr<Background> lookups_;    // started at the first name that has to be looked up
  std::unique_ptr<OutputLog> output_;
  std::optional<Pools> pools_;
  std::optional<NotifySockets> notify_;
  std::optional<Spawner> spawner_;
  std::optional<PortInquiry> ports_;
  std::optional<Timetable> timetable_;
  std::optional<FileWatches> files_;
  std::optional<Conversations> conversations_;
  std::optional<Probes> probes_;
  std::optional<DrainWatch> drains_;
  std::optional<LimitChecks> limits_;
  std::optional<Performer> performer_;
  std::optional<Errands> errands_;
  std::optional<EventCommand> event_command_;
  std::optional<Webhooks> webhooks_;
  std::optional<ControlServer> server_;
  std::optional<HttpApi> http_;
  os::Fd signals_;
  std::vector<std::unique_ptr<Loop::Watch>> watches_;

  std::unique_ptr<Upgrade> upgrade_;       // while new programs are checked, and after
  Instant leave_for_upgrade_by_ = kNever;  // set once they have passed
  bool late_turn_given_ = false;
  Instant rest_at_ = kNever;  // when memory is given back to the system
  std::uint32_t turns_ = 0;
  int run_code_ = 0;
  Instant leave_by_ = kNever;  // set once there is nothing left to stop
  std::optional<int> exit_code_;
};

}  // namespace oxherd
