// The daemon as a child of the keeper: its start, its socket, its end.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "keeper/arguments.h"
#include "keeper/protocol.h"
#include "os/child.h"
#include "os/fd.h"
#include "os/message_socket.h"
#include "os/poller.h"

namespace oxherd::keeper {

class DaemonProcess {
 public:
  // Makes the image's memfd, unless `image` is an earlier one. `poller` outlives this. Nothing
  // after it allocates.
  [[nodiscard]] static Result<DaemonProcess> Open(const Arguments& arguments, os::Poller& poller,
                                                  os::Fd image);

  // Forks and execs a daemon with a new socketpair; ReadStart then says whether it runs. Returns
  // its pid.
  [[nodiscard]] os::SystemResult<Pid> Start(int control_socket, int lock);
  [[nodiscard]] os::ChildReport ReadStart();
  // It is gone: closes its socket.
  void Forget();

  [[nodiscard]] Pid pid() const { return pid_; }
  [[nodiscard]] bool has_socket() const { return static_cast<bool>(socket_); }
  // It has a socket, and its other side is not known to be closed.
  [[nodiscard]] bool listens() const { return has_socket() && !is_silent_; }
  // The other side is closed; what it had sent can still be received.
  void StopListening();
  // For the daemons to come. Allocates.
  void SetProgram(const std::string& path);
  [[nodiscard]] int image() const { return image_.get(); }
  [[nodiscard]] int socket() const { return socket_.get(); }
  // Ignored if there is no daemon.
  void SendSignal(int signal) const;

  // What the socket is waited for; does nothing if it is that already.
  void Want(os::Wanted wanted);

 private:
  DaemonProcess(const Arguments& arguments, os::Poller& poller, os::Fd image);
  [[noreturn]] void RunChild(int theirs, int control_socket, int lock, int report);

  std::vector<std::string> words_;
  std::vector<const char*> arguments_;    // the words, with a null at the end
  std::vector<const char*> environment_;  // likewise
  os::Poller* poller_;
  os::Fd image_;
  os::Fd socket_;
  Pid pid_;  // of the latest
  os::Fd pidfd_;
  os::Fd report_;
  bool reached_exec_ = false;
  bool is_silent_ = false;
  os::Wanted wanted_ = os::Wanted::kNothing;
};

}  // namespace oxherd::keeper
