#include "cli/commands/commands.h"

#include "cli/command_line/completion.h"
#include "cli/commands/import.h"
#include "cli/commands/service.h"
#include "cli/logs/logs.h"

namespace oxherd::cli {

using control::Command;

namespace {

Command CommandFor(Options::OfInstance asked) {
  switch (asked) {
    case Options::OfInstance::kDrain:
      return Command::kDrain;
    case Options::OfInstance::kResume:
      return Command::kResume;
    case Options::OfInstance::kRestart:
    case Options::OfInstance::kNotSaid:  // options.cc has refused it
      break;
  }
  return Command::kReplace;
}

}  // namespace

// NOLINTNEXTLINE(readability-function-size): a line for each verb, and nothing else
int Perform(const Session& session) {
  switch (session.options.verb) {
    case Verb::kGreeting:
      return Greet(session);
    case Verb::kStart:
      return Change(session, Command::kStart);
    case Verb::kStop:
      return Change(session, Command::kStop);
    case Verb::kRestart:
      return Change(session, Command::kRestart);
    case Verb::kReload:
      return Change(session, Command::kReload);
    case Verb::kApply:
      return Change(session, Command::kApply);
    case Verb::kDelete:
      return Change(session, Command::kDelete);
    case Verb::kInstance:
      return Change(session, CommandFor(session.options.of_instance));
    case Verb::kScale:
      return Change(session, Command::kScale);
    case Verb::kWait:
      return Change(session, Command::kWait);
    case Verb::kDaemonStop:
      return Change(session, Command::kDaemonStop);
    case Verb::kRollback:
      return Change(session, Command::kRollback);
    case Verb::kReset:
      return Change(session, Command::kReset);
    case Verb::kEnvironment:
      return ShowEnvironment(session);
    case Verb::kExec:
      return Execute(session);
    case Verb::kSignal:
      return SendSignal(session);
    case Verb::kExport:
      return Export(session);
    case Verb::kEvents:
      return ShowEvents(session);
    case Verb::kTop:
      return ShowTop(session);
    case Verb::kDoctor:
      return Doctor(session);
    case Verb::kFlush:
      return FlushLogs(session);
    case Verb::kList:
      return Look(session, Command::kList);
    case Verb::kStatus:
      return Look(session, session.options.names.empty() ? Command::kList : Command::kStatus);
    case Verb::kImport:
      return Import(session);
    case Verb::kInit:
      return Init(session);
    case Verb::kPid:
    case Verb::kId:
      return PrintNumbers(session);
    case Verb::kSave:
      return SayThatItIsSaved(session);
    case Verb::kPing:
      return Look(session, Command::kPing);
    case Verb::kDaemonStatus:
      return Look(session, Command::kDaemonStatus);
    case Verb::kDaemonUpgrade:
      return UpgradeDaemon(session);
    case Verb::kLogs:
      return ShowLogs(session);
    case Verb::kDaemonLogs:
      return ShowDaemonLog(session);
    case Verb::kValidate:
      return Validate(session);
    case Verb::kRun:
    case Verb::kDaemonRun:
      return RunInForeground(session);
    case Verb::kDaemonStart:
      return StartDaemonAlone(session);
    case Verb::kServiceInstall:
      return InstallService(session);
    case Verb::kServiceUninstall:
      return UninstallService(session);
    case Verb::kServiceStatus:
      return ShowService(session);
    case Verb::kStartup:
      return Startup(session);
    case Verb::kUnstartup:
      return Unstartup(session);
    case Verb::kCompletion:
      return PrintCompletion(session);
    case Verb::kVersion:
      return ShowVersion(session);
  }
  return static_cast<int>(ExitCode::kAskedWrongly);
}

}  // namespace oxherd::cli
