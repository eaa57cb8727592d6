#include "daemon/commands/verb_of.h"

namespace oxherd {

using Asked = control::Command;

Verb VerbOf(Asked command) {
  switch (command) {
    case Asked::kStart:
      return Verb::kStart;
    case Asked::kStop:
      return Verb::kStop;
    case Asked::kRestart:
    case Asked::kReplace:  // without a file: from the spec that it runs
      return Verb::kRestart;
    case Asked::kReload:
    case Asked::kRollback:  // with a spec that was kept, instead of the file's
      return Verb::kReload;
    case Asked::kReset:
      return Verb::kReset;
    case Asked::kApply:
      return Verb::kApply;
    case Asked::kDelete:
      return Verb::kDelete;
    case Asked::kDrain:
      return Verb::kDrain;
    case Asked::kScale:
      return Verb::kScale;
    case Asked::kResume:
      return Verb::kResume;
    case Asked::kWait:
      return Verb::kWait;
    case Asked::kDaemonStop:
      return Verb::kShutdown;
    case Asked::kList:
    case Asked::kStatus:
    case Asked::kLogs:
    case Asked::kEnvironment:
    case Asked::kSignal:
    case Asked::kPing:
    case Asked::kDaemonStatus:
    case Asked::kDaemonUpgrade:
      break;
  }
  return Verb::kNone;
}

Asked CommandOf(Verb verb) {
  switch (verb) {
    case Verb::kStart:
      return Asked::kStart;
    case Verb::kStop:
      return Asked::kStop;
    case Verb::kRestart:
      return Asked::kRestart;
    case Verb::kReload:
      return Asked::kReload;
    case Verb::kApply:
      return Asked::kApply;
    case Verb::kDelete:
      return Asked::kDelete;
    case Verb::kWait:
      return Asked::kWait;
    case Verb::kShutdown:
      return Asked::kDaemonStop;
    case Verb::kNone:
    case Verb::kBoot:
    case Verb::kReplace:
      break;
    case Verb::kDrain:
      return Asked::kDrain;
    case Verb::kResume:
      return Asked::kResume;
    case Verb::kScale:
      return Asked::kScale;
    case Verb::kReset:
      return Asked::kReset;
  }
  return Asked::kPing;
}

}  // namespace oxherd
