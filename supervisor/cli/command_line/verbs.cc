#include "cli/command_line/verbs.h"

#include <algorithm>
#include <utility>

namespace oxherd::cli {
namespace {

using Aliases = std::array<std::string_view, 3>;

constexpr std::array kVerbs = {
    VerbEntry{Verb::kStart, "start", Aliases{},
              kNames | kNoWait | kDryRun | kOnly | kProfile | kTimeout | kProgram | kArguments,
              "start services, and what they depend on; or a program: start server.js"},
    VerbEntry{Verb::kRun, "run", Aliases{"runtime"},
              kFiles | kOnly | kProfile | kProgram | kArguments | kRunFlags,
              "run an Oxfile, or a program, in the foreground, as in a container"},
    VerbEntry{Verb::kStop, "stop", Aliases{},
              kNames | kDependents | kForce | kDryRun | kNoWait | kTimeout, "stop services"},
    VerbEntry{Verb::kRestart, "restart", Aliases{"rs"},
              kNames | kOnly | kProfile | kForce | kDryRun | kNoWait | kTimeout,
              "stop, then start"},
    VerbEntry{Verb::kReload, "reload", Aliases{"rl"},
              kNames | kOnly | kProfile | kParallel | kUpdateEnv | kDryRun | kNoWait | kTimeout,
              "deploy: replace what runs, one instance after the other"},
    VerbEntry{Verb::kApply, "apply", Aliases{},
              kFiles | kOnly | kProfile | kDryRun | kPrune | kNoWait | kTimeout,
              "make what runs match the Oxfile: start the new, reload the changed"},
    VerbEntry{Verb::kScale, "scale", Aliases{}, kName | kNoWait | kTimeout,
              "so many instances (3), or more (+1) or fewer (-1); the others are left alone"},
    VerbEntry{Verb::kRollback, "rollback", Aliases{}, kName | kTo | kDryRun | kNoWait | kTimeout,
              "reload to a definition that was ready before; the last five are kept"},
    VerbEntry{Verb::kDelete, "delete", Aliases{"rm", "del"},
              kName | kForce | kDryRun | kNoWait | kTimeout, "stop services and forget them"},
    VerbEntry{Verb::kList, "list", Aliases{"ls", "ps", "l"}, kNames | kWatch,
              "what runs, and how it is"},
    VerbEntry{Verb::kStatus, "status", Aliases{"describe", "show", "info"}, kNames,
              "everything about one service"},
    VerbEntry{Verb::kLogs, "logs", Aliases{"log"}, kNames | kLogFlags,
              "the last lines of output; -f follows"},
    VerbEntry{Verb::kTop, "top", Aliases{"monit", "ui"}, kNothing,
              "the list, live, with graphs and the log; reload, restart and stop by key"},
    VerbEntry{Verb::kEvents, "events", Aliases{}, kNames | kFollowFlags,
              "what has happened, numbered; -f follows"},
    VerbEntry{Verb::kWait, "wait", Aliases{}, kName | kFor | kTimeout,
              "wait until services are ready"},
    VerbEntry{Verb::kDoctor, "doctor", Aliases{}, kNames,
              "look for what is wrong here, and say how to mend it"},
    VerbEntry{Verb::kEnvironment, "env", Aliases{}, kName | kReveal,
              "the variables a service starts with; secrets are hidden"},
    VerbEntry{Verb::kPid, "pid", Aliases{}, kNames, "the process ids, one per line"},
    VerbEntry{Verb::kId, "id", Aliases{}, kNames, "the numbers of the list, one per line"},
    VerbEntry{Verb::kInstance, "instance", Aliases{}, kName | kOfInstance | kTimeout,
              "take one instance out of traffic, and back; or restart it"},
    VerbEntry{Verb::kExec, "exec", Aliases{}, kName | kArguments,
              "a command in a service's environment, folder and user: exec NAME -- COMMAND"},
    VerbEntry{Verb::kSignal, "signal", Aliases{"sendSignal"}, kName,
              "a signal to the main processes: signal SIGHUP NAME"},
    VerbEntry{Verb::kReset, "reset", Aliases{}, kName | kTimeout,
              "count restarts and crashes from zero"},
    VerbEntry{Verb::kFlush, "flush", Aliases{}, kName, "empty the logs"},
    VerbEntry{Verb::kValidate, "validate", Aliases{"check"}, kFiles | kOnly | kProfile,
              "check an Oxfile, change nothing"},
    VerbEntry{Verb::kInit, "init", Aliases{}, kNothing,
              "write an Oxfile for what is in this folder"},
    VerbEntry{Verb::kImport, "import", Aliases{"convert"}, kSource,
              "print an Oxfile for a Procfile, PM2's ecosystem file, or what PM2 has saved"},
    VerbEntry{Verb::kExport, "export", Aliases{}, kName,
              "print an Oxfile for services, and what they depend on"},
    VerbEntry{Verb::kPing, "ping", Aliases{}, kNothing, "ask whether the daemon is there"},
    VerbEntry{Verb::kDaemonStart, "daemon start", Aliases{}, kNothing,
              "start the daemon in the background"},
    VerbEntry{Verb::kDaemonStop, "daemon stop", Aliases{"kill"}, kKeep | kForce | kTimeout,
              "stop all instances and the daemon; it forgets nothing"},
    VerbEntry{Verb::kDaemonStatus, "daemon status", Aliases{}, kNothing,
              "pids, version and folders of the daemon"},
    VerbEntry{Verb::kDaemonUpgrade, "daemon upgrade", Aliases{}, kNothing,
              "go on with the programs beside this one; nothing is restarted"},
    VerbEntry{Verb::kDaemonLogs, "daemon logs", Aliases{}, kFollowFlags,
              "the last lines of the daemon's own log"},
    VerbEntry{Verb::kDaemonRun, "daemon run", Aliases{}, kNothing,
              "run the daemon in the foreground, as under systemd"},
    VerbEntry{Verb::kStartup, "startup", Aliases{}, kForUser,
              "bring services back after a reboot: a systemd unit for this user, or another"},
    VerbEntry{Verb::kUnstartup, "unstartup", Aliases{}, kForUser,
              "the way back; what runs goes on"},
    VerbEntry{Verb::kServiceInstall, "service install", Aliases{}, kUserManager,
              "install, enable and start the systemd unit"},
    VerbEntry{Verb::kServiceUninstall, "service uninstall", Aliases{}, kUserManager,
              "stop, disable and remove it"},
    VerbEntry{Verb::kServiceStatus, "service status", Aliases{}, kUserManager,
              "whether there is one, and how it is"},
    VerbEntry{Verb::kSave, "save", Aliases{"dump"}, kNothing,
              "nothing: what is wanted is always saved"},
    VerbEntry{Verb::kCompletion, "completion", Aliases{}, kShell,
              "what bash, zsh or fish needs to complete commands"},
    VerbEntry{Verb::kVersion, "version", Aliases{}, kNothing, "the version of this program"},
};

// What PM2's fingers type. Not listed in the help.
constexpr auto kElsewhere = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"desc", "status"},
    {"gracefulReload", "reload"},
    {"jlist", "list"},
    {"prettylist", "list"},
    {"resurrect", "daemon start"},
    {"startOrGracefulReload", "reload"},
    {"startOrReload", "reload"},
    {"startOrRestart", "restart"},
    {"update", "daemon upgrade"},
});

}  // namespace

std::optional<control::Pm2Form> Pm2FormOf(std::string_view name) {
  if (name == "jlist") return control::Pm2Form::kLine;
  if (name == "prettylist") return control::Pm2Form::kIndented;
  return std::nullopt;
}

std::span<const VerbEntry> Verbs() { return kVerbs; }

const VerbEntry* FindVerb(std::string_view name) {
  if (name.empty()) return nullptr;
  const auto* found = std::ranges::find_if(kVerbs, [&](const VerbEntry& entry) {
    return entry.name == name || std::ranges::find(entry.aliases, name) != entry.aliases.end();
  });
  if (found != kVerbs.end()) return found;
  const auto* elsewhere =
      std::ranges::find(kElsewhere, name, &std::pair<std::string_view, std::string_view>::first);
  return elsewhere == kElsewhere.end() ? nullptr : FindVerb(elsewhere->second);
}

std::string_view VerbName(Verb verb) {
  const auto* found = std::ranges::find(kVerbs, verb, &VerbEntry::verb);
  return found == kVerbs.end() ? "" : found->name;
}

}  // namespace oxherd::cli
