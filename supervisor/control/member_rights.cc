#include "control/member_rights.h"

#include <string>
#include <utility>

namespace oxherd::control {
namespace {

enum class Right : std::uint8_t { kLook, kSteer, kNone };

Right RightTo(Command command) {
  switch (command) {
    case Command::kList:
    case Command::kStatus:
    case Command::kLogs:
    case Command::kPing:
    case Command::kDaemonStatus:
    case Command::kWait:
      return Right::kLook;
    case Command::kStart:
    case Command::kStop:
    case Command::kRestart:
    case Command::kReload:
    case Command::kScale:
      return Right::kSteer;
    case Command::kApply:
    case Command::kDelete:
    case Command::kDrain:
    case Command::kResume:
    case Command::kReplace:
    case Command::kRollback:
    case Command::kReset:
    case Command::kDaemonStop:
    case Command::kEnvironment:
    case Command::kSignal:
    case Command::kDaemonUpgrade:
      break;
  }
  return Right::kNone;
}

std::unexpected<Error> OnlyOwner(const std::string& what) {
  return MakeError("members of control_group may not " + what + "; its owner can: sudo oxherd …");
}

}  // namespace

Result<FromClient> AsFromMember(FromClient message) {
  auto* request = std::get_if<Request>(&message);
  if (request == nullptr) return message;
  const Right right = RightTo(request->command);
  if (right == Right::kNone) return OnlyOwner("use " + std::string(Name(request->command)));
  if (request->oxfile_named || !request->more_oxfiles.empty()) return OnlyOwner("name an Oxfile");
  if (request->profile) return OnlyOwner("choose a profile (--env)");
  if (request->update_env) return OnlyOwner("pass on their PATH (--update-env)");
  if (right == Right::kSteer && request->names.empty()) {
    return MakeError("name a service of root's, or all: there is no Oxfile of yours that counts");
  }
  request->oxfile.clear();
  request->environment.clear();
  return message;
}

}  // namespace oxherd::control
