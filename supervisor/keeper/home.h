// The keeper's hold on a home: the lock that makes it the only one, and the control socket.
#pragma once

#include <string>

#include "base/error.h"
#include "os/fd.h"
#include "os/local_socket.h"

namespace oxherd::keeper {

class Home {
 public:
  // Takes the lock and binds the socket. Both directories exist and are ours alone. The lock is
  // taken: an error that names its holder and OXHERD_HOME.
  [[nodiscard]] static Result<Home> Open(const std::string& state, const std::string& runtime);

  // The same with both from an earlier keeper. Writes our pid into the lock.
  [[nodiscard]] static Result<Home> Inherit(const std::string& runtime, os::Fd lock,
                                            os::Fd control_socket);

  [[nodiscard]] int lock() const { return lock_.get(); }
  [[nodiscard]] int control_socket() const { return socket_.get(); }

  // Makes the control socket again if somebody has deleted it or put something in its place; true
  // if so. Costs one fstatat(2) when all is well, and allocates only when not.
  [[nodiscard]] bool MendControlSocket();
  // Takes the socket's name away, if it is still ours.
  void RemoveControlSocket();

 private:
  Home() = default;
  [[nodiscard]] Status OpenRuntime();
  [[nodiscard]] Status Listen();
  [[nodiscard]] Status SignLock() const;
  [[nodiscard]] bool IsOurs() const;

  std::string runtime_;
  os::Fd lock_;
  os::Fd runtime_directory_;
  os::Fd socket_;
  os::FileIdentity identity_;
};

}  // namespace oxherd::keeper
