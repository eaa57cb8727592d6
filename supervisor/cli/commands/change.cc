// The verbs that change something: find the Oxfile and the daemon, ask, show, say how it ended.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "cli/command_line/program.h"
#include "cli/commands/commands.h"
#include "cli/commands/service.h"
#include "cli/connection/daemon_start.h"
#include "cli/connection/exchange.h"
#include "cli/render/progress_view.h"
#include "cli/render/result.h"
#include "config/oxfile.h"
#include "control/words.h"
#include "os/clock.h"
#include "os/lock.h"
#include "os/own_process.h"
#include "os/process.h"

namespace oxherd::cli {
namespace {

using control::Command;

// Longer than any start, stop or reload in its senses; --timeout says otherwise.
constexpr Millis kLongest = std::chrono::hours(1);
constexpr Millis kWaitUnlessSaid = std::chrono::seconds(60);
// `wait` keeps its time in the daemon; ours is for a daemon that does not answer.
constexpr Millis kGrace{5000};
constexpr Millis kKeeperEnds{10'000};

bool StartsDaemon(Command command) { return control::ReadsOxfile(command); }

// What the signal handler says; complete before the handler is installed.
std::array<char, 256> detach_text{};
std::size_t detach_size = 0;

// Async-signal-safe: two system calls.
extern "C" void OnInterrupt(int /*number*/) {
  if (::write(STDERR_FILENO, detach_text.data(), detach_size) < 0) {
    // There is nobody left to tell.
  }
  ::_exit(static_cast<int>(ExitCode::kDetached));
}

void DetachOnInterrupt(std::string_view verb) {
  const std::string text = "\noxherd: detached; the " + std::string(verb) +
                           " goes on: oxherd list shows how far it is\n";
  detach_size = std::min(text.size(), detach_text.size());
  std::memcpy(detach_text.data(), text.data(), detach_size);
  struct sigaction action{};
  action.sa_handler = OnInterrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

// What a start would do where nothing runs yet: all of the file.
int PlanWithoutDaemon(const Session& session, Command command,
                      const std::vector<std::string>& paths) {
  Reply reply;
  reply.command = command;
  std::string read;
  for (const std::string& path : paths) {
    const auto oxfile = ReadOwnOxfile(session, path);
    if (!oxfile) return Fail(session, ExitCode::kAskedWrongly, "", MistakesIn(session, {path}));
    for (const Spec& spec : oxfile->specs) {
      const auto& names = session.options.names;
      const bool is_named = std::ranges::any_of(names, [&](const std::string& name) {
        return name == spec.name || (!spec.name_space.empty() && name == "@" + spec.name_space);
      });
      if (!names.empty() && !is_named) continue;
      control::PlanStep step;
      step.service = spec.name;
      step.kind = control::PlanStep::Kind::kStart;
      step.instances = spec.policy.instances;
      reply.plan.push_back(step);
    }
    read += "Oxfile: " + Clean(path) + "\n";
  }
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDOUT_FILENO, read + RenderPlan(reply));
  return 0;
}

struct Begun {
  std::optional<Connection> connection;
  int exit_code = 0;  // where there is none: all is said already
};

Begun BeginDaemon(const Session& session, Command command,
                  const std::optional<FoundOxfile>& oxfile) {
  if (!oxfile && session.options.names.empty()) {
    return {std::nullopt, Fail(session, ExitCode::kAskedWrongly, WhereOxfilesAre(session))};
  }
  if (oxfile) {
    // A file that does not hold is no reason to leave a daemon behind.
    const auto paths = AllOxfiles(session, *oxfile);
    if (!paths) {
      return {std::nullopt, Fail(session, ExitCode::kAskedWrongly, paths.error().message)};
    }
    const std::vector<std::string> mistakes = MistakesIn(session, *paths);
    if (!mistakes.empty()) {
      const std::string what = paths->size() == 1 ? Clean(oxfile->path) + " is" : "the files are";
      return {std::nullopt, Fail(session, ExitCode::kAskedWrongly,
                                 what + " not valid; nothing was started", mistakes)};
    }
    if (session.options.dry_run) {
      return {std::nullopt, PlanWithoutDaemon(session, command, *paths)};
    }
  }
  auto connection = StartDaemon(session.places, os::OwnEnvironment());
  if (!connection) return {std::nullopt, Fail(session, connection.error())};
  return {std::move(*connection), 0};
}

Begun Reach(const Session& session, Command command, const std::optional<FoundOxfile>& oxfile) {
  auto connection = Connect(session.places);
  if (connection) return {std::move(*connection), 0};
  const bool none = connection.error().kind == NotConnected::Kind::kNoDaemon;
  if (none && StartsDaemon(command)) return BeginDaemon(session, command, oxfile);
  return {std::nullopt, Fail(session, connection.error())};
}

// The daemon says that it is done a moment before its keeper ends: the next command must find the
// home free.
class KeeperEnd {
 public:
  explicit KeeperEnd(const Places& places) {
    const auto holder = os::ReadLock(places.lock());
    if (!holder || !*holder || !(*holder)->pid.is_set()) return;
    if (auto pidfd = os::OpenPidfd((*holder)->pid)) pidfd_ = std::move(*pidfd);
  }
  void Wait() const {
    pollfd waiting{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    if (pidfd_) ::poll(&waiting, 1, static_cast<int>(kKeeperEnds.count()));
  }

 private:
  os::Fd pidfd_;
};

Millis PatienceFor(const control::Request& request, const Options& options) {
  if (request.timeout) return *request.timeout + kGrace;
  return options.timeout.value_or(kLongest);
}

int Show(const Session& session, const Reply& reply) {
  WarnOfVersion(reply);
  if (session.options.json) return PrintJson(reply, session.verb());
  Said said;
  if (session.options.dry_run && reply.ok()) {
    said.out = RenderPlan(reply, session.options.prune);
  } else {
    said = RenderResult(session.screen, reply,
                        {.no_wait = session.options.no_wait, .until = session.options.until});
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    const char* user = std::getenv("USER");
    if (reply.command == Command::kStart && reply.ok() &&
        !ComesBack(session.places, user == nullptr ? "" : user)) {
      said.out += "nothing brings this back after a reboot yet: oxherd startup\n";
    }
  }
  Write(STDOUT_FILENO, said.out);
  Write(STDERR_FILENO, said.err);
  return static_cast<int>(reply.code);
}

}  // namespace

// What `apply` is about to do. Nothing: all is said, as it cannot be done.
std::optional<Reply> PlanOf(const Session& session, control::Request request) {
  request.id = NewRequestId();
  request.dry_run = true;
  auto plan = Ask(session, std::move(request));
  if (!plan) {
    Fail(session, plan.error());
    return std::nullopt;
  }
  return std::move(*plan);
}

std::vector<std::string> NamesThatLeft(const Reply& plan) {
  std::vector<std::string> names;
  for (const control::PlanStep& step : plan.plan) {
    if (step.kind == control::PlanStep::Kind::kLeftFile) names.push_back(step.service);
  }
  return names;
}

// --prune: what has left the file is deleted, once the rest is done.
void Prune(const Session& session, const std::vector<std::string>& names, Reply& reply) {
  auto connection = Connect(session.places);
  if (!connection) return;
  control::Request request;
  request.id = NewRequestId();
  request.command = Command::kDelete;
  request.client_version = Version();
  request.names = names;
  ProgressView view(session.options.json ? STDERR_FILENO : STDOUT_FILENO, Command::kDelete, "", "");
  const Reply pruned =
      Run({.places = session.places,
           .request = request,
           .deadline = os::Now() + PatienceFor(request, session.options),
           .on_message = [&](const control::FromDaemon& message) { view.On(message); }},
          std::move(*connection));
  reply.services.insert(reply.services.end(), pruned.services.begin(), pruned.services.end());
  if (!pruned.ok()) {
    reply.code = pruned.code;
    reply.error = pruned.error;
  }
}

int Change(const Session& session, Command command) {
  const auto oxfile = WhichOxfile(session);
  if (!oxfile) return Fail(session, ExitCode::kAskedWrongly, oxfile.error().message);
  Begun begun = Reach(session, command, *oxfile);
  if (!begun.connection) return begun.exit_code;
  auto request = MakeRequest(session, command, *oxfile);
  if (!request) return Fail(session, ExitCode::kAskedWrongly, request.error().message);
  if (command == Command::kWait)
    request->timeout = session.options.timeout.value_or(kWaitUnlessSaid);

  std::vector<std::string> left;
  if (command == Command::kApply && !request->dry_run) {
    const auto plan = PlanOf(session, *request);
    if (!plan) return static_cast<int>(ExitCode::kNotDone);
    if (!plan->ok()) return Show(session, *plan);
    if (session.options.prune) left = NamesThatLeft(*plan);
    if (!session.options.json) Write(STDOUT_FILENO, RenderPlan(*plan, session.options.prune));
  }
  DetachOnInterrupt(session.verb());
  const KeeperEnd keeper(session.places);
  ProgressView view(session.options.json ? STDERR_FILENO : STDOUT_FILENO, command,
                    *oxfile ? (*oxfile)->path : "", *oxfile ? (*oxfile)->note : "");
  view.LeaveOut(session.places.typed_programs());
  Reply reply = Run({.places = session.places,
                     .request = *request,
                     .deadline = os::Now() + PatienceFor(*request, session.options),
                     .on_message = [&](const control::FromDaemon& message) { view.On(message); }},
                    std::move(*begun.connection));
  reply.command = command;
  if (command == Command::kDaemonStop && reply.ok()) keeper.Wait();
  if (reply.ok() && !left.empty()) Prune(session, left, reply);
  if (command == Command::kDelete && reply.ok() && !session.options.dry_run) {
    std::vector<std::string> names;
    names.reserve(reply.services.size());
    for (const control::ServiceResult& result : reply.services) names.push_back(result.name);
    ForgetPrograms(session.places, names);
  }
  return Show(session, reply);
}

}  // namespace oxherd::cli
