// How the daemon begins: parts, world, state, and who is listened to from then on.
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <variant>

#include "daemon/daemon.h"
#include "daemon/store/state_file.h"
#include "os/clock.h"
#include "os/process.h"

namespace oxherd {
namespace {

// `oxherd run` writes no file that nobody asked for; it has standard error.
std::string LogsFolder(const Arguments& arguments) {
  return arguments.is_foreground() ? "" : arguments.logs_folder;
}

std::string LogPath(const Arguments& arguments) {
  const std::string folder = LogsFolder(arguments);
  return folder.empty() ? "" : folder + "/daemon.log";
}

// A path for LD_PRELOAD, in which blanks and colons separate (ld.so(8)): where it has one, a link
// without.
Result<std::string> ListenLibrary(const std::string& runtime_folder) {
  constexpr const char* kName = "liboxherd-listen.so";
  constexpr const char* kSeparators = " :\t\n";
  OXHERD_TRY_ASSIGN(std::string library, os::FindInstalled(kName));
  if (library.find_first_of(kSeparators) == std::string::npos) return library;
  std::string link = runtime_folder + "/" + kName;
  if (link.find_first_of(kSeparators) != std::string::npos) {
    return MakeError("LD_PRELOAD cannot name " + library + ", as it has a blank or a colon");
  }
  (void)::unlink(link.c_str());
  if (::symlink(library.c_str(), link.c_str()) != 0) return ErrnoError("link " + link);
  return link;
}

// A person who runs us in the foreground, or the journal, hears what happens; so does nobody else.
DaemonLog::Copy CopyOfLog(const Arguments& arguments) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before there is a second thread
  const bool to_journal = ::getenv("JOURNAL_STREAM") != nullptr;
  return arguments.is_foreground() || to_journal ? DaemonLog::Copy::kToStderr
                                                 : DaemonLog::Copy::kNone;
}

}  // namespace

Daemon::Daemon(Arguments arguments, Inherited inherited)
    : arguments_(std::move(arguments)),
      inherited_(std::move(inherited)),
      surroundings_(SurroundingsOfThisProcess()),
      ground_{.base = surroundings_.base,
              .logs_folder = LogsFolder(arguments_),
              .state_folder = arguments_.state_folder},
      log_(LogPath(arguments_), CopyOfLog(arguments_)),
      keeper_(std::move(inherited_.keeper)),
      started_at_(os::Now()),
      started_unix_ms_(Clocks::Read().unix_ms) {}

Daemon::~Daemon() = default;

Result<std::unique_ptr<Daemon>> Daemon::Start(Arguments arguments, Inherited inherited) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(arguments), std::move(inherited)));
  if (Status begun = daemon->Begin(); !begun) {
    daemon->log_.Error("cannot start: " + begun.error().message);
    return std::unexpected(std::move(begun).error());
  }
  return daemon;
}

Status Daemon::Begin() {
  KeepBelongings();
  OXHERD_TRY_ASSIGN(KeeperWorld world, AskKeeper(keeper_));
  hello_ = world.hello;
  ground_.listen_socket = hello_.listen_socket.text();
  if (Result<std::string> library = ListenLibrary(arguments_.runtime_folder)) {
    ground_.listen_library = std::move(*library);
  } else {
    start_warnings_.push_back(library.error().message +
                              "; with listen, programs get sockets by LISTEN_FDS alone");
  }
  if (Result<Image> image = Image::Open(std::move(inherited_.image))) {
    image_ = std::move(*image);
  } else {
    start_warnings_.push_back(image.error().message +
                              "; a death of the daemon loses more than usual");
  }
  StartState start = FindState(arguments_, surroundings_, world, image_ ? &*image_ : nullptr);
  SayStart(start);
  if (start.origin == Origin::kRun && !start.errors.empty()) {
    RefuseRun(start.errors);
    return {};
  }
  OXHERD_TRY(OpenParts());
  NoteEvent({.number = 0,
             .unix_ms = Clocks::Read().unix_ms,
             .kind = "daemon_started",
             .service = "",
             .slot = std::nullopt,
             .generation = {},
             .text = "daemon " + std::to_string(hello_.daemon_number) +
                     " started, version " OXHERD_VERSION,
             .failed = false,
             .out_of_memory = false});
  JoinWorld(std::move(world), std::move(start));
  OXHERD_TRY(WatchAll());
  malloc_trim(0);
  return {};
}

// What cannot be had a second time is missing if the keeper dies, and not before.
void Daemon::KeepBelongings() {
  const auto copy = [](const os::Fd& original) {
    os::SystemResult<os::Fd> made = os::Duplicate(original.get());
    return made ? std::move(*made) : os::Fd();
  };
  belongings_.lock = copy(inherited_.lock);
  belongings_.control_socket = copy(inherited_.control);
  belongings_.image = copy(inherited_.image);
  // Our parent cannot be gone and replaced: then we would have another one.
  const Pid parent(::getppid());
  if (os::SystemResult<os::Fd> pidfd = os::OpenPidfd(parent);
      pidfd && ::getppid() == parent.number()) {
    keeper_pidfd_ = std::move(*pidfd);
  }
}

void Daemon::SayStart(const StartState& start) {
  const char* from = "state.json";
  switch (start.origin) {
    case Origin::kImage:
      from = "the image";
      break;
    case Origin::kWorld:
      from = "state.json and what runs";
      break;
    case Origin::kBoot:
      break;
    case Origin::kRun:
      from = "the Oxfile";
      break;
  }
  log_.Info("daemon started pid=" + std::to_string(getpid()) +
            " number=" + std::to_string(hello_.daemon_number) + " version=" OXHERD_VERSION +
            "; going on from " + from + " services=" + std::to_string(start.state.services.size()));
  for (const std::string& warning : start.warnings) {
    log_.Warn(warning);
    start_warnings_.push_back(warning);
  }
  for (const std::string& error : start.errors) {
    log_.Error(error);
    if (start.origin != Origin::kRun) {
      start_warnings_.push_back(error.substr(0, error.find('\n')) +
                                "; what was saved is used instead");
    }
  }
}

// Nothing was started: the errors are all there is.
void Daemon::RefuseRun(const std::vector<std::string>& errors) {
  for (const std::string& error : errors) std::fprintf(stderr, "%s\n", error.c_str());
  keeper_.Send(keeper::Bye{.exit_code = 2, .remains = keeper::Remains::kKill});
  exit_code_ = 2;
}

void Daemon::JoinWorld(KeeperWorld world, StartState start) {
  const Instant now = os::Now();
  World facts = WorldFor(start, world, now);
  state_ = std::move(start.state);
  if (start.settings) UseSettings(*start.settings);
  state_.next_token = std::max(state_.next_token, world.highest.Next());
  AdoptSockets(world);
  if (start.mistrusted) {
    pools_->DropUnknown([&start](const std::string& service, const std::string& address) {
      return HasPool(*start.mistrusted, service, address);
    });
    KeepSockets(state_, facts, *start.mistrusted);
  } else if (start.origin == Origin::kWorld) {
    pools_->ForEachHeld([this](const std::string& service, const std::string& address) {
      NoteHeld(state_, service, address);
    });
  }
  Actions actions;
  Restore(state_, facts, now, actions);
  // Pipes first: a token that is gone is acknowledged only when they are empty.
  for (KeeperReport& report : world.records) {
    const auto* record = std::get_if<keeper::WorldRecord>(&report.report);
    if (record == nullptr || record->label.kind == keeper::ProcessKind::kCheck) continue;
    RemarkOn(*record);
    if (keeper::HasPidfd(*record) && !report.attached.empty())
      report.attached.erase(report.attached.begin());
    const Service* const service = state_.Find(record->label.service.text());
    const KeptSpec* const kept =
        service == nullptr ? nullptr : service->Find(record->label.generation);
    spawner_->Adopt(*record, std::move(report.attached), kept ? kept->spec.get() : nullptr);
  }
  SaveImage();
  pools_->DropUnknown([this](const std::string& service, const std::string& address) {
    return MayHold(service, address);
  });
  performer_->Perform(actions);
  performer_->EnforceAgain();
  // What an earlier daemon had not written when it died, or what files say now.
  if (start.origin == Origin::kImage || start.origin == Origin::kBoot) SaveWishes();
  for (KeeperReport& news : world.news) OnReport(std::move(news));
}

// An earlier keeper's process, of which not everything could be found again.
void Daemon::RemarkOn(const keeper::WorldRecord& record) {
  const bool is_running_instance = record.label.kind == keeper::ProcessKind::kInstance &&
                                   record.phase == keeper::Phase::kRunning;
  if (!is_running_instance) return;
  const std::string pid = std::to_string(record.pid.number());
  std::string text;
  if (record.in_doubt) {
    text = "in doubt: pid " + pid +
           " is what was started by its number and start time, and has another user or cgroup "
           "since; it is left alone and gets no signal: end it yourself (kill " +
           pid + ")";
  } else {
    const auto roles = record.held.view();
    if (std::ranges::find(roles, keeper::Role::kStdout) != roles.end()) return;
    text =
        "what it prints cannot be read any more, as keeper and daemon were killed and it has "
        "closed its end; it is again after a restart";
  }
  log_.Warn(std::string(record.label.service.text()) + "/" + std::to_string(record.label.slot) +
            " " + text);
  observations_.NoteRemark(record.token, std::move(text));
}

// Whether the socket is still the service's. Where nothing is known of its traffic but that it
// listens, the sockets may be those of instances that run.
bool Daemon::MayHold(const std::string& name, const std::string& address) const {
  const Service* const service = state_.Find(name);
  if (service == nullptr) return false;
  if (service->traffic) return HasPool(state_, name, address);
  return std::ranges::any_of(service->specs,
                             [](const KeptSpec& kept) { return kept.spec->policy.has_listen(); });
}

// Listening sockets that the keeper has held for an earlier daemon.
void Daemon::AdoptSockets(KeeperWorld& world) {
  for (KeeperReport& report : world.records) {
    const auto* const held = std::get_if<keeper::WorldHeld>(&report.report);
    if (held == nullptr || report.attached.empty()) continue;
    if (const auto socket = HeldSocket::Parse(held->name.text())) {
      pools_->Adopt(*socket, std::move(report.attached.front()));
    }
  }
}

Status Daemon::WatchAll() {
  OXHERD_TRY(pools_->WatchIn(loop_));
  OXHERD_TRY(timetable_->WatchIn(loop_));
  os::SystemResult<os::Fd> signals = os::OpenSignals();
  if (!signals) return os::ToError("signalfd", signals.error());
  signals_ = std::move(*signals);
  const auto watch = [this](int descriptor, std::function<void()> ready) {
    watches_.push_back(loop_.WatchFor(Loop::For::kReading, descriptor, std::move(ready)));
  };
  watch(signals_.get(), [this] { OnSignals(); });
  watch(output_->event_fd(), [this] { OnOutput(); });
  if (store_) watch(store_->event_fd(), [this] { OnStoreOutcome(); });
  keeper_.Serve(
      loop_, [this](KeeperReport report) { OnReport(std::move(report)); },
      [this](const Error& error) { OnKeeperLost(error); });
  return {};
}

// ---- Signals, which the keeper passes on. ----

void Daemon::OnSignals() {
  for (;;) {
    const auto seen = os::NextSignal(signals_.get());
    if (!seen || !*seen) return;
    switch ((*seen)->number) {
      case SIGTERM:
      case SIGINT:
        log_.Info(state_.shutdown ? "told to stop again: everything is killed"
                                  : "told to stop: stopping everything");
        AskForShutdown();
        break;
      case SIGHUP:
        ReadAgain();
        break;
      default:
        break;
    }
  }
}

void Daemon::ReadAgain() {
  if (state_.shutdown) return;
  Reread reread =
      ReadAllAgain({.state = state_,
                    .surroundings = surroundings_,
                    .find_row = [](std::uint32_t) { return std::optional<InstanceId>(); },
                    .own_oxfile = arguments_.own_oxfile ? &*arguments_.own_oxfile : nullptr});
  for (const std::string& error : reread.errors) {
    log_.Error("reading files again: " + error + "; its services are left as they are");
  }
  if (reread.settings) UseSettings(*reread.settings);
  for (event::Request& request : reread.events) {
    log_.Info("reading files again: applying services=" + std::to_string(request.specs.size()));
    inbox_.Put(Urgency::kControl, std::move(request));
  }
  rest_at_ = os::Now();
}

}  // namespace oxherd
