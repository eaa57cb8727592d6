// The verbs that need no daemon: validate, run, daemon run, version.
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>

#include "cli/commands/commands.h"
#include "cli/connection/daemon_start.h"
#include "config/environment.h"
#include "config/nearest.h"
#include "config/oxfile.h"
#include "os/own_process.h"

namespace oxherd::cli {
namespace {

// As short as it is clear: below the folder in which it was typed, without that folder.
std::string ShortPath(const std::string& path) {
  const std::string folder = WorkingFolder().value_or("") + "/";
  return path.starts_with(folder) ? path.substr(folder.size()) : path;
}

// "3 processes: api (×2), worker, migrate".
std::string Contents(const std::vector<const Spec*>& specs) {
  if (specs.empty()) return "no processes";
  std::string text =
      std::to_string(specs.size()) + (specs.size() == 1 ? " process: " : " processes: ");
  for (const Spec* spec : specs) {
    text += (spec == specs.front() ? "" : ", ") + spec->name;
    if (spec->policy.instances > 1) text += " (×" + std::to_string(spec->policy.instances) + ")";
  }
  return text;
}

// The services of several files, under the name of the file that has them.
using Defined = std::map<std::string, std::string, std::less<>>;

// Adds those of `oxfile` that are asked for; a name that another file has already is an error.
std::vector<const Spec*> AddServices(const Oxfile& oxfile, const std::string& file,
                                     const Options& options, Defined& defined, Reply& reply) {
  std::vector<const Spec*> chosen;
  for (const Spec& spec : oxfile.specs) {
    const auto [other, is_first] = defined.emplace(spec.name, file);
    if (!is_first) {
      reply.errors.push_back(spec.name + " is defined by " + other->second + " already, and by " +
                             file + "; rename one of them\n");
    }
    const auto& names = options.names;
    const bool asked = names.empty() || std::ranges::find(names, spec.name) != names.end();
    if (asked) chosen.push_back(&spec);
  }
  return chosen;
}

// A name after --only or --exit-with that no file defines; empty: there is none.
std::string UnknownName(const Options& options, const Defined& defined) {
  std::vector<std::string_view> known;
  for (const auto& [name, file] : defined) known.push_back(name);
  std::vector<std::string> named = options.names;
  if (!options.exit_with.empty()) named.push_back(options.exit_with);
  for (const std::string& name : named) {
    if (defined.contains(name)) continue;
    const auto nearest = Nearest(name, known);
    return "no service \"" + name + "\" is defined there" +
           (nearest ? "; did you mean \"" + std::string(*nearest) + "\"?" : "");
  }
  return {};
}

// Nothing: all is said already.
std::optional<std::vector<std::string>> FilesMeant(const Session& session) {
  const auto found = WhichOxfile(session);
  if (!found) {
    Fail(session, ExitCode::kAskedWrongly, found.error().message);
    return std::nullopt;
  }
  if (!*found) {
    Fail(session, ExitCode::kAskedWrongly, WhereOxfilesAre(session));
    return std::nullopt;
  }
  auto files = AllOxfiles(session, **found);
  if (!files) {
    Fail(session, ExitCode::kAskedWrongly, files.error().message);
    return std::nullopt;
  }
  if (!(*found)->note.empty()) Write(STDERR_FILENO, Clean((*found)->note) + "\n");
  return std::move(*files);
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

// Who stops a container kills everything in it after a while, whatever the Oxfile says.
constexpr Millis kDockerWaits{10'000};  // docker-stop(1)
void WarnOfContainer(Millis longest_stop) {
  if (::getpid() != 1 || longest_stop < kDockerWaits) return;
  const std::string needed = std::to_string(longest_stop.count() / 1000 + 5);
  Write(STDERR_FILENO, "a stop may take " + std::to_string(longest_stop.count() / 1000) +
                           " s here, and docker stop waits 10 s: docker run --stop-timeout " +
                           needed + ", in a compose file stop_grace_period: " + needed + "s\n");
}

// What the daemon of `run` is told beside the files.
std::vector<std::string> RunWords(const Options& options) {
  std::vector<std::string> words;
  if (!options.exit_with.empty()) words = {"--exit-with", options.exit_with};
  if (options.keep_going) words.insert(words.end(), {"--on-failure", "go-on"});
  if (options.profile) words.insert(words.end(), {"--profile", *options.profile});
  for (const std::string& name : options.names) words.insert(words.end(), {"--only", name});
  return words;
}

}  // namespace

ReadOutcome ReadOwnOxfile(const Session& session, const std::string& path) {
  ReadOptions options;
  options.base_environment = BaseEnvironment(os::OwnEnvironment());
  // `run` hands its whole environment on, and so does a daemon in the foreground.
  if (session.options.verb == Verb::kRun) options.base_environment = os::OwnEnvironment();
  options.home_dir = session.places.home;
  options.usable_cpus = os::UsableCpus();
  options.profile = session.options.profile;
  options.explains_dialect = session.options.verb == Verb::kValidate;
  return ReadOxfile(ShortPath(path), options);
}

std::vector<std::string> MistakesIn(const Session& session, const std::vector<std::string>& paths) {
  std::vector<std::string> mistakes;
  for (const std::string& path : paths) {
    const ReadOutcome outcome = ReadOwnOxfile(session, path);
    if (outcome) continue;
    for (const ConfigError& error : outcome.error()) mistakes.push_back(error.Render());
  }
  return mistakes;
}

std::string WhereOxfilesAre(const Session& session) {
  const std::string user = session.places.uid == 0
                               ? "/etc/oxherd/Oxfile.toml"
                               : session.places.home + "/.config/oxherd/Oxfile.toml";
  for (const char* file : {"ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs",
                           "ecosystem.config.json"}) {
    if (::access(file, R_OK) != 0) continue;
    return "no Oxfile.toml here, but PM2's " + std::string(file) + ": oxherd start " + file +
           ", or oxherd import " + file + " --out Oxfile.toml";
  }
  return "no Oxfile.toml in " + WorkingFolder().value_or("this folder") + " and no " + user +
         "; write one there (oxherd init), or name it with -c FILE";
}

int Validate(const Session& session) {
  const auto files = FilesMeant(session);
  if (!files) return static_cast<int>(ExitCode::kAskedWrongly);
  Reply reply;
  std::string text;
  Defined defined;
  for (const std::string& file : *files) {
    const ReadOutcome outcome = ReadOwnOxfile(session, file);
    if (!outcome) {
      for (const ConfigError& error : outcome.error()) reply.errors.push_back(error.Render());
      continue;
    }
    const auto services = AddServices(*outcome, ShortPath(file), session.options, defined, reply);
    reply.notes.push_back(ShortPath(file) + " is valid · " + Contents(services));
    text += Painted(session.screen, Paint::kGood, "✓") + " " + Clean(reply.notes.back()) + "\n";
    for (const ConfigError& note : outcome->notes) {
      reply.notes.push_back(note.Line());
      text += "  note: " + Clean(note.Line()) + "\n";
    }
  }
  if (reply.errors.empty()) {
    const std::string unknown = UnknownName(session.options, defined);
    if (!unknown.empty()) return Fail(session, ExitCode::kAskedWrongly, unknown);
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
  const Options& options = session.options;
  if (options.verb == Verb::kDaemonRun) return RunDaemon(session);
  const auto files = FilesMeant(session);
  if (!files) return static_cast<int>(ExitCode::kAskedWrongly);
  Reply problems;
  std::vector<std::string> arguments = RunWords(options);
  Defined defined;
  Millis longest_stop{0};
  for (const std::string& file : *files) {
    arguments.insert(arguments.end(), {"--run", file});
    const ReadOutcome outcome = ReadOwnOxfile(session, file);
    if (!outcome) {
      for (const ConfigError& error : outcome.error()) problems.errors.push_back(error.Render());
      continue;
    }
    for (const Spec* spec : AddServices(*outcome, ShortPath(file), options, defined, problems)) {
      longest_stop = std::max(longest_stop, spec->policy.stop_timeout);
    }
  }
  if (!problems.errors.empty()) {
    const std::string what = files->size() == 1 ? Clean(files->front()) + " is" : "the files are";
    return Fail(session, ExitCode::kAskedWrongly, what + " not valid", problems.errors);
  }
  const std::string unknown = UnknownName(options, defined);
  if (!unknown.empty()) return Fail(session, ExitCode::kAskedWrongly, unknown);
  for (const std::string& file : *files) Write(STDERR_FILENO, "Oxfile: " + Clean(file) + "\n");
  WarnOfContainer(longest_stop);
  return BecomeOr(session, arguments);
}

int ShowVersion(const Session& session) {
  Reply reply;
  reply.daemon_version = Version();
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDOUT_FILENO, "oxherd " + std::string(Version()) + "\n");
  return 0;
}

}  // namespace oxherd::cli
