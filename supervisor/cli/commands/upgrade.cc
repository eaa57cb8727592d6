// `oxherd daemon upgrade`: the programs beside this one take over, and nothing else changes.
#include <poll.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/connection/daemon_start.h"
#include "cli/connection/exchange.h"
#include "cli/render/result.h"
#include "os/clock.h"
#include "os/process.h"

namespace oxherd::cli {
namespace {

using control::Command;
using control::DaemonDetail;

// Two checks of 10 s each, and what is around them.
constexpr Seconds kChecksTake{30};
constexpr Seconds kOldOneEnds{10};

void WaitForEnd(Pid pid) {
  const auto pidfd = os::OpenPidfd(pid);
  if (!pidfd) return;  // it has gone already
  pollfd waiting{.fd = pidfd->get(), .events = POLLIN, .revents = 0};
  ::poll(&waiting, 1, static_cast<int>(ToMillis(kOldOneEnds)));
}

std::string Summary(const DaemonDetail& before, const DaemonDetail& after) {
  const std::string versions =
      before.version == after.version
          ? "version " + Clean(after.version)
          : "version " + Clean(before.version) + " → " + Clean(after.version);
  return "upgraded: " + versions + ", daemon pid " + std::to_string(before.pid.number()) + " → " +
         std::to_string(after.pid.number()) + ", " + std::to_string(after.instances) +
         (after.instances == 1 ? " instance" : " instances") + " untouched\n";
}

}  // namespace

int UpgradeDaemon(const Session& session) {
  control::Request request;
  request.id = NewRequestId();
  request.command = Command::kDaemonUpgrade;
  request.client_version = Version();
  for (const char* name : {"oxherd-keeper", "oxherd-daemon"}) {
    auto path = FindProgram(name);
    if (!path) return Fail(session, ExitCode::kNotDone, path.error().message);
    request.names.push_back(std::move(*path));
  }
  auto connection = Connect(session.places);
  if (!connection) return Fail(session, connection.error());
  if (!session.options.json)
    Write(STDOUT_FILENO, "asking the new programs whether they can go on\n");
  const Reply checked = Run({.places = session.places,
                             .request = request,
                             .deadline = os::Now() + kChecksTake,
                             .on_message = [](const control::FromDaemon&) {}},
                            std::move(*connection));
  if (!checked.ok() || !checked.daemon) {
    return Fail(session, checked.ok() ? ExitCode::kNotDone : checked.code, checked.error);
  }
  WaitForEnd(checked.daemon->pid);
  auto reply = Ask(session, Command::kDaemonStatus, {});
  if (!reply) return Fail(session, reply.error());
  if (!reply->ok() || !reply->daemon || reply->daemon->pid == checked.daemon->pid) {
    return Fail(session, ExitCode::kNotDone,
                "the new daemon does not answer: oxherd daemon logs says why");
  }
  if (session.options.json) return PrintJson(*reply, session.verb());
  Write(STDOUT_FILENO, Summary(*checked.daemon, *reply->daemon));
  return 0;
}

}  // namespace oxherd::cli
