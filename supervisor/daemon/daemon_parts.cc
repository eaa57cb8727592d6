// The daemon's parts, and how they reach each other. None of them calls another before all are
// there.
#include <unistd.h>

#include <utility>

#include "daemon/daemon.h"

namespace oxherd {
namespace {

OutputLog::Options OutputOptions(const Arguments& arguments) {
  // Beside the daemon's own lines it is to be seen whose each is.
  const bool is_prefixed = !arguments.is_foreground() || isatty(STDOUT_FILENO) == 1;
  return {.echo = is_prefixed ? Echo::kPrefixed : Echo::kRaw,
          .echoed = arguments.is_foreground() ? Echoed::kAll : Echoed::kAsked,
          .echo_to = STDOUT_FILENO};
}

// What brings a command line to this daemon: everything is below one folder, but for root's own.
std::string HomeOf(const Arguments& arguments) {
  const std::string& state = arguments.state_folder;
  return arguments.runtime_folder == state + "/run" ? state : "";
}

// Under root beside the runtime folder, which is closed to the users whose programs are to reach
// it.
std::string NotifyFolder(const std::string& runtime_folder) {
  return runtime_folder + (::geteuid() == 0 ? "-notify" : "/notify");
}

}  // namespace

Status Daemon::OpenParts() {
  OXHERD_TRY_ASSIGN(output_, OutputLog::Open(OutputOptions(arguments_)));
  if (!arguments_.is_foreground()) {
    OXHERD_TRY_ASSIGN(store_, StateStore::Open(arguments_.state_folder));
    OXHERD_TRY_ASSIGN(journal_, EventJournal::Open(arguments_.state_folder, {}));
  }
  OpenTraffic();
  spawner_.emplace(
      Spawner::Parts{.keeper = keeper_, .output = *output_, .notify = *notify_, .ground = ground_});
  OpenProbes();
  OpenLimits();
  timetable_.emplace(Timetable::Parts{.state = state_, .inbox = inbox_, .log = log_});
  files_.emplace(FileWatches::Parts{
      .state = state_, .inbox = inbox_, .log = log_, .loop = loop_, .ground = ground_});
  OpenErrands();
  OpenConversations();
  performer_.emplace(Performer::Parts{
      .state = state_,
      .keeper = keeper_,
      .spawner = *spawner_,
      .output = *output_,
      .probes = *probes_,
      .pools = *pools_,
      .drains = *drains_,
      .conversations = *conversations_,
      .observations = observations_,
      .ports = *ports_,
      .log = log_,
      .inbox = inbox_,
      .ground = ground_,
      .save_wishes = [this] { SaveWishes(); },
      .note_event = [this](control::EventRecord event) { NoteEvent(std::move(event)); }});
  return {};
}

void Daemon::NoteEvent(control::EventRecord event) {
  if (journal_) journal_->Add(event);
  event_command_->Note(event);
}

// Sockets that clients and programs speak to.
void Daemon::OpenTraffic() {
  pools_.emplace(Pools::Parts{.keeper = keeper_,
                              .inbox = inbox_,
                              .log = log_,
                              .taken_by = [this](const std::string& service, std::uint16_t port) {
                                return ports_->TakenBy(service, port);
                              }});
  ports_.emplace(
      PortInquiry::Parts{.state = state_,
                         .pools = *pools_,
                         .observations = observations_,
                         .output = *output_,
                         .log = log_,
                         .ground = ground_,
                         .live_instances = [this] { return performer_->LiveInstances(); }});
  notify_.emplace(loop_, NotifyFolder(arguments_.runtime_folder),
                  NotifySockets::Seams{.notified =
                                           [this](const event::Notified& notified) {
                                             inbox_.Put(Urgency::kNotify, notified);
                                           },
                                       .status =
                                           [this](Token token, std::string text) {
                                             observations_.NoteStatus(token, std::move(text));
                                           }});
  drains_.emplace(
      loop_.context(), *pools_,
      DrainWatch::Seams{
          .draining = [this](Token token) { return performer_->Draining(token); },
          .drained = [this](Token token) { inbox_.Put(Urgency::kRest, event::Drained{token}); }});
}

void Daemon::OpenProbes() {
  probes_.emplace(
      loop_.context(),
      Probes::Seams{
          .answered = [this](const ProbeAnswer& answer) { performer_->OnProbed(answer); },
          .live_instances = [this] { return performer_->LiveInstances(); },
          .run_off_loop = [this](std::function<void()> job) { RunOffLoop(std::move(job)); },
          .spawn_check =
              [this](const ProbeQuestion& question) { performer_->SpawnCheck(question); },
          .kill_check = [this](Token check) { performer_->KillCheck(check); }});
}

void Daemon::RunOffLoop(std::function<void()> job) {
  if (!lookups_) {
    if (auto started = Background::Start("oxherd-lookup")) {
      lookups_ = std::move(*started);
    } else {
      return log_.Error(started.error().message);
    }
  }
  lookups_->Post(std::move(job));
}

void Daemon::OpenLimits() {
  limits_.emplace(LimitChecks::Parts{
      .loop = loop_.context(),
      .state = state_,
      .inbox = inbox_,
      .log = log_,
      .keeper = hello_.keeper,
      .run_off_loop = [this](std::function<void()> job) { RunOffLoop(std::move(job)); }});
}

void Daemon::OpenErrands() {
  errands_.emplace(Errands::Parts{.spawner = *spawner_, .keeper = keeper_, .new_token = [this] {
                                    const Token token = state_.next_token;
                                    state_.next_token = token.Next();
                                    return token;
                                  }});
  event_command_.emplace(EventCommand::Parts{.errands = *errands_, .log = log_});
  webhooks_.emplace(Webhooks::Parts{
      .loop = loop_.context(),
      .state = state_,
      .ground = ground_,
      .errands = *errands_,
      .observations = observations_,
      .log = log_,
      .home = HomeOf(arguments_),
      .state_folder = arguments_.is_foreground() ? std::string() : arguments_.state_folder});
}

// People.
void Daemon::OpenConversations() {
  conversations_.emplace(Conversations::Parts{
      .state = state_,
      .observations = observations_,
      .surroundings = surroundings_,
      .ground = ground_,
      .output = *output_,
      .pools = *pools_,
      .timetable = *timetable_,
      .files = *files_,
      .ask_core =
          [this](event::Request request) {
            inbox_.Put(Urgency::kControl, std::move(request));
            spawner_->CheckLogPathsAgain();
          },
      .use_settings = [this](const SupervisorSettings& settings) { UseSettings(settings); },
      .daemon_detail = [this] { return Detail(); },
      .send_signal =
          [this](Token token, std::uint8_t signal) {
            keeper_.Send(
                keeper::Signal{.token = token, .signal = signal, .scope = keeper::Scope::kMain});
          },
      .upgrade =
          [this](Programs programs, std::function<void(Status)> done) {
            BeginUpgrade(std::move(programs), std::move(done));
          }});
  server_.emplace(
      loop_.context(), std::move(inherited_.control),
      ControlServer::Handlers{.said =
                                  [this](ClientId client, control::FromClient message) {
                                    conversations_->OnSaid(client, std::move(message));
                                  },
                              .gone = [this](ClientId client) { conversations_->OnGone(client); }});
  conversations_->SpeakThrough(*server_);
  http_.emplace(HttpApi::Parts{.loop = loop_.context(),
                               .conversations = *conversations_,
                               .server = *server_,
                               .log = log_,
                               .webhooks = *webhooks_});
}

}  // namespace oxherd
