#include "keeper/home.h"

#include <fcntl.h>
#include <unistd.h>

#include "keeper/inheritance.h"
#include "os/file.h"
#include "os/lock.h"

namespace oxherd::keeper {
namespace {

std::unexpected<Error> Taken(const std::string& path, const std::string& state) {
  const Result<std::optional<os::LockText>> holder = os::ReadLock(path);
  std::string who = "another daemon";
  if (holder && *holder && (*holder)->pid.is_set()) {
    who += " (pid " + std::to_string((*holder)->pid.number()) + ")";
  }
  return MakeError(who + " already serves " + state +
                   "; stop it first, or set OXHERD_HOME to another directory");
}

}  // namespace

Result<Home> Home::Open(const std::string& state, const std::string& runtime) {
  Home home;
  home.runtime_ = runtime;
  const std::string lock_path = state + "/" + kLockName;
  OXHERD_TRY_ASSIGN(std::optional<os::Fd> lock, os::TakeLock(lock_path));
  if (!lock) return Taken(lock_path, state);
  home.lock_ = std::move(*lock);
  OXHERD_TRY(home.OpenRuntime());
  OXHERD_TRY(home.Listen());
  OXHERD_TRY(home.SignLock());
  return home;
}

Result<Home> Home::Inherit(const std::string& runtime, os::Fd lock, os::Fd control_socket) {
  Home home;
  home.runtime_ = runtime;
  home.lock_ = std::move(lock);
  home.socket_ = std::move(control_socket);
  OXHERD_TRY(home.SignLock());
  // What is missing there is mended later, as if it had been deleted in our time.
  if (!home.OpenRuntime()) return home;
  const auto identity = os::IdentityOf(home.runtime_directory_.get(), kControlSocketName);
  if (identity) home.identity_ = *identity;
  return home;
}

Status Home::SignLock() const {
  const os::LockText text{.pid = Pid(::getpid()), .socket = runtime_ + "/" + kControlSocketName};
  return os::WriteLock(lock_.get(), text);
}

Status Home::OpenRuntime() {
  runtime_directory_.Reset(::open(runtime_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!runtime_directory_) return ErrnoError(runtime_);
  return {};
}

Status Home::Listen() {
  OXHERD_TRY_ASSIGN(socket_, os::ListenLocally(runtime_directory_.get(), kControlSocketName));
  const auto identity = os::IdentityOf(runtime_directory_.get(), kControlSocketName);
  if (!identity) return os::ToError(runtime_ + "/" + kControlSocketName, identity.error());
  identity_ = *identity;
  return {};
}

bool Home::IsOurs() const {
  const auto found = os::IdentityOf(runtime_directory_.get(), kControlSocketName);
  return found && *found == identity_;
}

bool Home::MendControlSocket() {
  if (IsOurs()) return false;
  // Perhaps the whole directory is gone; what cannot be mended now is tried again later.
  if (os::Fd before = std::move(socket_); !Listen()) {
    if (!os::MakePrivateDirectory(runtime_) || !OpenRuntime() || !Listen()) {
      if (!socket_) socket_ = std::move(before);
      return false;
    }
  }
  return true;
}

void Home::RemoveControlSocket() {
  if (IsOurs()) ::unlinkat(runtime_directory_.get(), kControlSocketName, 0);
}

}  // namespace oxherd::keeper
