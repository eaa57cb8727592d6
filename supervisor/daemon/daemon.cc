#include "daemon/daemon.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <utility>
#include <variant>

#include "daemon/commands/control_access.h"
#include "daemon/memory_reserve.h"
#include "daemon/store/state_file.h"
#include "keeper/handover.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/user.h"

namespace oxherd {
namespace {

// A deadline that is missed by more was missed by the loop, not by who was to meet it.
constexpr Millis kLate{20};
// Actions may fail on the spot and make events; that many times they are taken in the same wake-up.
constexpr int kRoundsPerTurn = 4;
// Every so many turns, what was observed of things that are gone is forgotten.
constexpr std::uint32_t kTurnsBetweenTrims = 256;
// As it is written in `listen`.
std::string TextOf(const TcpAddress& address) {
  const bool is_ipv6 = address.family == TcpAddress::Family::kIpv6;
  std::array<char, INET6_ADDRSTRLEN> host{};
  inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, address.host.data(), host.data(), host.size());
  const std::string text(host.data());
  return (is_ipv6 ? "[" + text + "]" : text) + ":" + std::to_string(address.port);
}

// When the keeper of a unit is dead: systemd starts another one.
constexpr Seconds kSuccessorComesWithin{5};
bool IsServiceOfSystemd() {
  return ::getenv("INVOCATION_ID") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
}

// For the reply to an upgrade to reach its client.
constexpr Millis kClientMayRead{500};
// A person's command is over for so long.
constexpr Millis kRestAfter{300};
// After everything is down, how long the disk and the clients may take.
constexpr Seconds kLeaveWithin{3};

}  // namespace

int Daemon::Run() {
  while (!exit_code_) {
    Turn();
    if (exit_code_) break;
    const Instant upgrade_at = upgrade_ ? upgrade_->deadline() : kNever;
    limits_->OnTurn(os::Now());
    loop_.SetAlarm(
        std::min({NextDeadline(state_), leave_by_, rest_at_, upgrade_at, leave_for_upgrade_by_,
                  limits_->deadline(), files_->deadline(), errands_->deadline()}));
    loop_.Wait();
    if (upgrade_) upgrade_->OnTime(os::Now());
    if (os::Now() >= rest_at_) Rest();
    limits_->OnTime(os::Now());
    files_->OnTime(os::Now());
    errands_->OnTime(os::Now());
  }
  return *exit_code_;
}

void Daemon::Turn() {
  for (int round = 0; round < kRoundsPerTurn; ++round) {
    const Instant now = os::Now();
    Actions actions;
    TakeEvents(now, actions);
    TakeDeadlines(now, actions);
    SaveImage();
    conversations_->OnTurn(now);
    performer_->Perform(actions);
    performer_->ConfirmSignals();
    const bool is_over = std::ranges::any_of(
        actions, [](const Action& each) { return std::holds_alternative<action::Reply>(each); });
    if (is_over) rest_at_ = now + kRestAfter;
    if (inbox_.is_empty()) break;
  }
  timetable_->Update();
  files_->Update();
  webhooks_->Update();
  if (!inbox_.is_empty()) loop_.SetAlarm(os::Now());
  if (arguments_.is_foreground()) EndRunWhenDone();
  LeaveWhenDone();
  LeaveForUpgrade();
  if (++turns_ % kTurnsBetweenTrims == 0) observations_.Trim(state_);
  RefillMemoryReserve();
}

// What a command needed is not needed again for a long time: reading files, starting many.
void Daemon::Rest() {
  rest_at_ = kNever;
  malloc_trim(0);
  os::ReleaseProgramPages();
}

void Daemon::TakeEvents(Instant now, Actions& actions) {
  inbox_.Drain([&](const Event& event) { Apply(state_, event, now, actions); });
}

void Daemon::TakeDeadlines(Instant now, Actions& actions) {
  const Instant deadline = NextDeadline(state_);
  if (deadline > now) {
    late_turn_given_ = false;
    return;
  }
  // We were suspended or starved: what would have met the deadline may be on its way to us.
  if (now - deadline > kLate && !std::exchange(late_turn_given_, true)) return;
  late_turn_given_ = false;
  Apply(state_, event::Due{}, now, actions);
}

void Daemon::SaveImage() {
  if (!image_) return;
  const Status saved = image_->Save(state_);
  std::optional<std::string> trouble;
  if (!saved) trouble = "image: " + saved.error().message;
  if (trouble == image_trouble_) return;
  if (trouble) {
    log_.Error(*trouble + "; if the daemon dies now, counters and reloads in flight are lost");
  } else {
    log_.Info("image: saved again");
  }
  image_trouble_ = std::move(trouble);
}

void Daemon::SaveWishes() {
  if (store_) store_->Save(WishesOf(state_));
}

void Daemon::OnStoreOutcome() {
  std::optional<std::string> trouble = store_->TakeOutcome();
  if (trouble && trouble != store_trouble_) {
    log_.Error(*trouble);
  } else if (!trouble && store_trouble_) {
    log_.Info("state.json: saved again");
  }
  store_trouble_ = std::move(trouble);
}

// ---- What happens. ----

void Daemon::OnReport(KeeperReport report) {
  if (performer_->TakeCheckReport(report.report) || errands_->TakeReport(report.report)) return;
  const auto put = [this](Event event) { inbox_.Put(Urgency::kProcess, std::move(event)); };
  if (const auto* started = std::get_if<keeper::Started>(&report.report)) {
    spawner_->OnStarted(started->token);
    put(event::Started{.token = started->token, .pid = started->pid});
  } else if (const auto* failed = std::get_if<keeper::SpawnFailed>(&report.report)) {
    spawner_->OnSpawnFailed(failed->token);
    put(event::SpawnFailed{.token = failed->token,
                           .stage = static_cast<std::uint8_t>(failed->stage),
                           .number = failed->error_number});
  } else if (const auto* exited = std::get_if<keeper::Exited>(&report.report)) {
    ports_->OnExited(exited->token, exited->record.status);
    put(event::Exited{.token = exited->token, .status = exited->record.status});
  } else if (const auto* gone = std::get_if<keeper::Gone>(&report.report)) {
    put(event::Gone{gone->token});
  } else if (const auto* fired = std::get_if<keeper::KillFired>(&report.report)) {
    put(event::KillFired{fired->token});
  } else if (const auto* refused = std::get_if<keeper::Refused>(&report.report)) {
    log_.Warn("keeper refused a request kind=" + std::to_string(refused->request) + " token=" +
              std::to_string(refused->token.number()) + ": " + ErrnoText(refused->error_number));
  } else if (const auto* stray = std::get_if<keeper::Stray>(&report.report)) {
    log_.Warn("pid " + std::to_string(stray->pid.number()) +
              " was left behind by an instance and belongs to none; it is left alone");
  } else if (std::holds_alternative<keeper::NewControlSocket>(report.report)) {
    log_.Warn(arguments_.socket_path() + " was deleted; it has been made again");
    if (auto copy = os::Duplicate(report.attached.front().get())) {
      belongings_.control_socket = std::move(*copy);
    }
    server_->Replace(std::move(report.attached.front()));
    if (control_group_) OpenControlSocket();
  } else {
    OnListenReport(report.report);
  }
}

// What the preload library said to the keeper.
void Daemon::OnListenReport(const keeper::Report& report) {
  if (const auto* taken = std::get_if<keeper::ListenTaken>(&report)) {
    observations_.NoteSocketTaken(taken->token);
  } else if (const auto* refused = std::get_if<keeper::ListenRefused>(&report)) {
    OnAddressRefused(*refused);
  }
}

void Daemon::OnAddressRefused(const keeper::ListenRefused& refused) {
  using Why = event::AddressRefused::Why;
  const std::string wanted = TextOf(refused.asked);
  const std::string service = performer_->ServiceOf(refused.token);
  event::AddressRefused event{.token = refused.token, .address = {}, .wanted = wanted};
  if (refused.why == keeper::ListenMismatch::kUnlisted) {
    event.why = Why::kUnlisted;
  } else {
    observations_.NoteSocketRefused(refused.token);
    log_.Warn(service + " token=" + std::to_string(refused.token.number()) + " wants to bind " +
              wanted + ", which is not what listen holds for it");
    event.address = pools_->AddressAt(service, refused.asked.port);
    event.why = refused.why == keeper::ListenMismatch::kFamily ? Why::kFamily : Why::kWidth;
  }
  inbox_.Put(Urgency::kProcess, std::move(event));
}

void Daemon::OnOutput() {
  for (OutputEvent& event : output_->TakeEvents()) {
    if (const auto* line = std::get_if<output_event::ReadyLine>(&event)) {
      inbox_.Put(Urgency::kNotify, event::LogMatched{line->token});
    } else if (const auto* detached = std::get_if<output_event::Detached>(&event)) {
      spawner_->OnDetached(detached->token);
    } else if (auto* tail = std::get_if<output_event::Tail>(&event)) {
      if (ports_->OnTail(tail->token, tail->lines)) continue;
      conversations_->OnTail(tail->token, std::move(tail->lines));
    } else if (const auto* trouble = std::get_if<output_event::Trouble>(&event)) {
      log_.Warn(trouble->text);
    }
  }
}

// Its socket may close a moment before it is dead. One that lives has only lost its patience with
// us: it starts another daemon.
bool Daemon::KeeperIsDead() const {
  constexpr int kPatienceMs = 1000;
  if (!keeper_pidfd_) return false;
  pollfd waiting{.fd = keeper_pidfd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, kPatienceMs) > 0;
}

void Daemon::OnKeeperLost(const Error& error) {
  exit_code_ = 1;
  if (!KeeperIsDead()) return log_.Error(error.message + "; this daemon ends");
  SaveImage();
  const Result<keeper::Estate> estate = EstateFor(arguments_, keeper_.duplicates(), belongings_);
  if (!estate) {
    return log_.Error("the keeper is dead, and what it has left cannot be taken over: " +
                      estate.error().message + "; this daemon ends");
  }
  if (IsServiceOfSystemd()) {
    log_.Warn("the keeper is dead; waiting for the one that systemd starts");
    if (keeper::HandOver(arguments_.runtime_folder, *estate, kSuccessorComesWithin)) {
      log_.Info("the next keeper has everything; this daemon ends");
      _exit(0);
    }
  }
  log_.Warn("the keeper is dead; pid " + std::to_string(getpid()) +
            " becomes the next one, processes=" + std::to_string(estate->processes.size()));
  const Error failed = BecomeKeeper(arguments_, *estate);
  log_.Error(failed.message + "; this daemon ends, the next start finds what runs");
}

void Daemon::UseSettings(const SupervisorSettings& settings) {
  state_.settings.start_parallel = settings.start_parallel;
  output_->SetMaxTotal(settings.max_total_log_bytes);
  http_->Use(settings);
  if (settings.control_group) UseControlGroup(*settings.control_group);
  event_command_->Use(settings);
  switch (settings.log_level) {
    case LogLevel::kError:
      return log_.SetLevel(Severity::kError);
    case LogLevel::kWarn:
      return log_.SetLevel(Severity::kWarn);
    case LogLevel::kInfo:
      return log_.SetLevel(Severity::kInfo);
    case LogLevel::kDebug:
      return log_.SetLevel(Severity::kDebug);
  }
}

// Root's word, of root's daemon: whoever may steer it may steer what runs as root.
void Daemon::UseControlGroup(const std::string& name) {
  control_trouble_.reset();
  control_group_.reset();
  if (!name.empty() && ::geteuid() != 0) {
    control_trouble_ = "control_group is for root's daemon; this one is its owner's alone";
  } else if (!name.empty()) {
    if (auto group = os::FindGroup(name)) {
      control_group_ = *group;
    } else {
      control_trouble_ = "control_group: " + group.error().message;
    }
  }
  OpenControlSocket();
}

// The members of control_group may connect, or nobody but the owner.
void Daemon::OpenControlSocket() {
  server_->Admit(control_group_);
  const Status opened = LetConnect({.state_folder = arguments_.state_folder,
                                    .runtime_folder = arguments_.runtime_folder,
                                    .socket = arguments_.socket_path()},
                                   control_group_);
  if (!opened) control_trouble_ = "control_group: " + opened.error().message;
  if (control_trouble_) log_.Error(*control_trouble_);
}

control::DaemonDetail Daemon::Detail() const {
  control::DaemonDetail detail;
  detail.pid = Pid(getpid());
  detail.keeper_pid = hello_.keeper;
  detail.version = OXHERD_VERSION;
  detail.socket = arguments_.socket_path();
  detail.state_folder = arguments_.state_folder;
  detail.log_folder = ground_.logs_folder;
  detail.daemon_log = log_.path();
  detail.uptime_ms = ToMillis(os::Now() - started_at_);
  detail.started_unix_ms = started_unix_ms_;
  detail.daemon_number = hello_.daemon_number;
  for (const Service& service : state_.services) {
    ++detail.services;
    for (const Slot& slot : service.slots) {
      ++detail.instances;
      if (slot.current.is_ready()) ++detail.ready;
    }
  }
  detail.warnings = start_warnings_;
  if (http_ && http_->trouble()) detail.warnings.push_back(*http_->trouble());
  if (control_trouble_) detail.warnings.push_back(*control_trouble_);
  for (std::string& trouble : webhooks_->troubles()) detail.warnings.push_back(std::move(trouble));
  if (image_trouble_) detail.warnings.push_back(*image_trouble_);
  if (store_trouble_) detail.warnings.push_back(*store_trouble_);
  return detail;
}

// ---- The end. ----

void Daemon::BeginUpgrade(Programs programs, std::function<void(Status)> done) {
  const bool is_busy =
      upgrade_ && (upgrade_->deadline() != kNever || leave_for_upgrade_by_ != kNever);
  if (is_busy) return done(MakeError("an upgrade is under way already"));
  if (state_.shutdown) return done(MakeError("the daemon is stopping"));
  if (!image_ || image_trouble_) {
    return done(MakeError("there is no image to go on from: " + image_trouble_.value_or("")));
  }
  SaveImage();
  Result<os::Fd> copy = os::CopyMemfd(belongings_.image.get(), "oxherd-image-copy");
  if (!copy) return done(std::unexpected(std::move(copy).error()));
  log_.Info("upgrade: asking " + programs.daemon + " and " + programs.keeper);
  const auto checked = [this, done](Status status) {
    if (status) {
      log_.Info("upgrade: the new programs can go on from here; this daemon ends");
      leave_for_upgrade_by_ = os::Now() + kClientMayRead;
      loop_.SetAlarm(os::Now());
    } else {
      log_.Error("upgrade: " + status.error().message);
    }
    done(std::move(status));
  };
  auto begun = Upgrade::Begin(loop_, arguments_, std::move(programs), std::move(*copy), checked);
  if (!begun) return done(std::unexpected(std::move(begun).error().In("upgrade")));
  upgrade_ = std::move(*begun);
}

// As if it were killed, which loses nothing, but that the keeper knows what to start next.
void Daemon::LeaveForUpgrade() {
  if (leave_for_upgrade_by_ == kNever || exit_code_) return;
  const bool is_saved = !store_ || store_->is_settled();
  if (keeper_.queued() != 0) return;
  if (os::Now() < leave_for_upgrade_by_ && !(server_->client_count() == 0 && is_saved)) return;
  const Programs& programs = upgrade_->programs();
  const std::string paths = programs.keeper + '\0' + programs.daemon + '\0';
  Result<os::Fd> memfd = os::MakeSealedMemfd("oxherd-programs", std::as_bytes(std::span(paths)));
  leave_for_upgrade_by_ = kNever;
  if (!memfd) return log_.Error("upgrade: " + memfd.error().message + "; nothing is changed");
  std::vector<os::Fd> attached;
  attached.push_back(std::move(*memfd));
  keeper_.Send(keeper::Upgrade{}, std::move(attached));
  SaveImage();
  _exit(0);
}

void Daemon::AskForShutdown() {
  event::Request request;
  request.id = RandomRequestId();
  request.verb = Verb::kShutdown;
  request.forced = state_.shutdown.has_value();
  inbox_.Put(Urgency::kControl, std::move(request));
}

void Daemon::EndRunWhenDone() {
  if (state_.shutdown) return;
  const std::optional<RunEnd> end = EndOfRun(state_, arguments_.run_rules);
  if (!end) return;
  run_code_ = end->code;
  log_.Info(end->why + "; ending");
  AskForShutdown();
  loop_.SetAlarm(os::Now());
}

void Daemon::LeaveWhenDone() {
  if (exit_code_ || !ShutdownFinished(state_)) return;
  const Instant now = os::Now();
  if (leave_by_ == kNever) leave_by_ = now + kLeaveWithin;
  const bool is_saved = !store_ || store_->is_settled();
  const bool is_told = conversations_->is_quiet() && server_->client_count() == 0;
  if (now < leave_by_ && !(is_saved && is_told)) return;
  Leave(run_code_);
}

void Daemon::Leave(int code) {
  const bool keeps = state_.shutdown && state_.shutdown->keep_instances;
  log_.Info(keeps ? "leaving; instances keep running" : "everything is down; leaving");
  output_.reset();  // what pipes still hold goes into the files
  keeper_.Send(keeper::Bye{.exit_code = static_cast<std::uint8_t>(code),
                           .remains = keeps ? keeper::Remains::kLeave : keeper::Remains::kKill});
  exit_code_ = code;
}

}  // namespace oxherd
