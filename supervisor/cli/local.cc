// The verbs that need no daemon: validate, run, daemon run, version.
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/daemon_start.h"
#include "config/environment.h"
#include "config/oxfile.h"

namespace oxherd::cli {
namespace {

std::uint16_t UsableCpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 1;
  return static_cast<std::uint16_t>(std::max(1, CPU_COUNT(&cpus)));
}

// As short as it is clear: below the folder in which it was typed, without that folder.
std::string ShortPath(const std::string& path) {
  const std::string folder = WorkingFolder().value_or("") + "/";
  return path.starts_with(folder) ? path.substr(folder.size()) : path;
}

// "3 processes: api (×2), worker, migrate".
std::string Contents(const Oxfile& oxfile) {
  if (oxfile.specs.empty()) return "no processes";
  std::string text = std::to_string(oxfile.specs.size()) +
                     (oxfile.specs.size() == 1 ? " process: " : " processes: ");
  for (std::size_t i = 0; i < oxfile.specs.size(); ++i) {
    const Spec& spec = oxfile.specs[i];
    text += (i == 0 ? "" : ", ") + spec.name;
    if (spec.policy.instances > 1) text += " (×" + std::to_string(spec.policy.instances) + ")";
  }
  return text;
}

// Nothing: all is said already.
std::optional<std::vector<std::string>> FilesToValidate(const Session& session) {
  if (!session.options.names.empty()) return session.options.names;
  const auto found = WhichOxfile(session);
  if (!found) {
    Fail(session, ExitCode::kAskedWrongly, found.error().message);
    return std::nullopt;
  }
  if (!*found) {
    Fail(session, ExitCode::kAskedWrongly, WhereOxfilesAre(session));
    return std::nullopt;
  }
  return std::vector<std::string>{(*found)->path};
}

int BecomeOr(const Session& session, const std::vector<std::string>& daemon_words) {
  return Fail(session, ExitCode::kNotDone, BecomeKeeper(session.places, daemon_words).message);
}

// What is wrong in the file is the daemon's to say: what it has saved runs all the same.
int RunDaemon(const Session& session) {
  if (session.options.oxfile) {
    const auto found = WhichOxfile(session);
    if (!found) return Fail(session, ExitCode::kAskedWrongly, found.error().message);
    return BecomeOr(session, {"--named-oxfile", (*found)->path});
  }
  if (session.places.own_oxfile.empty()) return BecomeOr(session, {});
  return BecomeOr(session, {"--oxfile", session.places.own_oxfile});
}

}  // namespace

ReadOutcome ReadOwnOxfile(const Session& session, const std::string& path) {
  ReadOptions options;
  options.base_environment = BaseEnvironment(OwnEnvironment());
  // `run` hands its whole environment on, and so does a daemon in the foreground.
  if (session.options.verb == Verb::kRun) options.base_environment = OwnEnvironment();
  options.home_dir = session.places.home;
  options.usable_cpus = UsableCpus();
  return ReadOxfile(ShortPath(path), options);
}

std::vector<std::string> MistakesIn(const Session& session, const std::string& path) {
  const ReadOutcome outcome = ReadOwnOxfile(session, path);
  std::vector<std::string> mistakes;
  if (outcome) return mistakes;
  for (const ConfigError& error : outcome.error()) mistakes.push_back(error.Render());
  return mistakes;
}

std::string WhereOxfilesAre(const Session& session) {
  const std::string user = session.places.uid == 0
                               ? "/etc/oxherd/Oxfile.toml"
                               : session.places.home + "/.config/oxherd/Oxfile.toml";
  return "no Oxfile.toml in " + WorkingFolder().value_or("this folder") + " and no " + user +
         "; write one there, or name it with -c FILE";
}

int Validate(const Session& session) {
  const auto files = FilesToValidate(session);
  if (!files) return static_cast<int>(ExitCode::kAskedWrongly);
  Reply reply;
  std::string text;
  for (const std::string& file : *files) {
    const ReadOutcome outcome = ReadOwnOxfile(session, file);
    if (!outcome) {
      for (const ConfigError& error : outcome.error()) reply.errors.push_back(error.Render());
      continue;
    }
    reply.notes.push_back(ShortPath(file) + " is valid · " + Contents(*outcome));
    text += Painted(session.screen, Paint::kGood, "✓") + " " + Clean(reply.notes.back()) + "\n";
    for (const ConfigError& note : outcome->notes) {
      reply.notes.push_back(note.Line());
      text += "  note: " + Clean(note.Line()) + "\n";
    }
  }
  if (!reply.errors.empty()) {
    Write(STDOUT_FILENO, session.options.json ? "" : text);
    const std::size_t count = reply.errors.size();
    return Fail(session, ExitCode::kAskedWrongly,
                std::to_string(count) + (count == 1 ? " mistake" : " mistakes"), reply.errors);
  }
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDOUT_FILENO, text);
  return 0;
}

int RunInForeground(const Session& session) {
  if (session.options.verb == Verb::kDaemonRun) return RunDaemon(session);
  const auto found = WhichOxfile(session);
  if (!found) return Fail(session, ExitCode::kAskedWrongly, found.error().message);
  if (!*found) return Fail(session, ExitCode::kAskedWrongly, WhereOxfilesAre(session));
  const std::vector<std::string> mistakes = MistakesIn(session, (*found)->path);
  if (!mistakes.empty()) {
    return Fail(session, ExitCode::kAskedWrongly, Clean((*found)->path) + " is not valid",
                mistakes);
  }
  if (!(*found)->note.empty()) Write(STDERR_FILENO, Clean((*found)->note) + "\n");
  Write(STDERR_FILENO, "Oxfile: " + Clean((*found)->path) + "\n");
  return BecomeOr(session, {"--run", (*found)->path});
}

int ShowVersion(const Session& session) {
  Reply reply;
  reply.daemon_version = Version();
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDOUT_FILENO, "oxherd " + std::string(Version()) + "\n");
  return 0;
}

}  // namespace oxherd::cli
