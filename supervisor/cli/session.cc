#include "cli/session.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "cli/connection/daemon_start.h"
#include "cli/connection/exchange.h"
#include "cli/render/result.h"
#include "config/environment.h"
#include "control/wire.h"
#include "os/clock.h"
#include "os/own_process.h"

namespace oxherd::cli {
namespace {

constexpr Millis kPatience{10'000};

}  // namespace

int Fail(const Session& session, ExitCode code, const std::string& error,
         const std::vector<std::string>& details) {
  Reply reply;
  reply.code = code;
  reply.error = error;
  reply.errors = details;
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDERR_FILENO, RenderError(reply));
  return static_cast<int>(code);
}

int Fail(const Session& session, const NotConnected& problem) {
  const bool none = problem.kind == NotConnected::Kind::kNoDaemon;
  return Fail(session, none ? ExitCode::kNoDaemon : ExitCode::kNotDone, problem.message);
}

int PrintJson(const Reply& reply, std::string_view verb) {
  if (!Write(STDOUT_FILENO, control::EncodeForPeople(reply, verb))) {
    return static_cast<int>(ExitCode::kNotDone);
  }
  return static_cast<int>(reply.code);
}

Result<std::optional<FoundOxfile>> WhichOxfile(const Session& session) {
  OxfileSearch search;
  search.named = session.options.oxfile;
  search.home = session.places.home;
  search.uid = session.places.uid;
  OXHERD_TRY_ASSIGN(search.folder, WorkingFolder());
  return FindOxfile(search);
}

Result<std::vector<std::string>> AllOxfiles(const Session& session, const FoundOxfile& first) {
  std::vector<std::string> paths = {first.path};
  OxfileSearch search;
  OXHERD_TRY_ASSIGN(search.folder, WorkingFolder());
  for (const std::string& name : session.options.more_oxfiles) {
    search.named = name;
    OXHERD_TRY_ASSIGN(const auto found, FindOxfile(search));
    if (found && std::ranges::find(paths, found->path) == paths.end()) {
      paths.push_back(found->path);
    }
  }
  return paths;
}

Result<control::Request> MakeRequest(const Session& session, control::Command command,
                                     const std::optional<FoundOxfile>& oxfile) {
  const Options& options = session.options;
  control::Request request;
  request.id = NewRequestId();
  request.command = command;
  request.client_version = Version();
  request.names = options.names;
  OXHERD_TRY_ASSIGN(request.folder, WorkingFolder());
  if (oxfile) {
    OXHERD_TRY_ASSIGN(request.more_oxfiles, AllOxfiles(session, *oxfile));
    request.oxfile = oxfile->path;
    request.more_oxfiles.erase(request.more_oxfiles.begin());
  }
  request.profile = options.profile;
  request.oxfile_named = options.oxfile.has_value();
  request.environment = BaseEnvironment(os::OwnEnvironment());
  request.no_wait = options.no_wait;
  request.dry_run = options.dry_run;
  request.forced = options.forced;
  request.only = options.only;
  request.with_dependents = options.with_dependents;
  request.update_env = options.update_env;
  request.keep_instances = options.keep_instances;
  request.parallel = options.parallel;
  request.count = options.count;
  request.relative = options.is_count_relative;
  request.until = options.until;
  request.to = options.to;
  return request;
}

std::expected<Reply, NotConnected> Ask(const Session& session, control::Command command,
                                       const std::vector<std::string>& names) {
  control::Request request;
  request.command = command;
  request.names = names;
  return Ask(session, std::move(request));
}

std::expected<Reply, NotConnected> Ask(const Session& session, control::Request request) {
  auto connection = Connect(session.places);
  if (!connection) return std::unexpected(std::move(connection.error()));
  request.id = NewRequestId();
  request.client_version = Version();
  Reply reply = Run({.places = session.places,
                     .request = request,
                     .deadline = os::Now() + kPatience,
                     .on_message = [](const control::FromDaemon&) {}},
                    std::move(*connection));
  reply.command = request.command;
  return reply;
}

std::int64_t UnixMillis() {
  return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void WarnOfVersion(const Reply& reply) {
  if (reply.daemon_version.empty() || reply.daemon_version == Version()) return;
  Write(STDERR_FILENO, "oxherd: this is version " + std::string(Version()) + ", the daemon is " +
                           Clean(reply.daemon_version) +
                           "; what one of them does not know yet may not work\n");
}

std::string_view Version() { return OXHERD_VERSION; }

}  // namespace oxherd::cli
