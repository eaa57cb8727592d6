// What programs say of themselves: sd_notify(3) through a socket of their own, and the messages of
// Node's IPC channel (process.send).
//
// One socket for each token, under a name that nobody can guess: who speaks there is known by the
// socket alone. The keeper holds our ends, so that nothing that was said is lost with us.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "core/event.h"
#include "core/spec.h"
#include "daemon/loop.h"
#include "os/fd.h"

namespace oxherd {

class NotifySockets {
 public:
  struct Seams {
    std::function<void(const event::Notified&)> notified;
    // STATUS=… of a token, as it came: at most 1 KiB, of any bytes.
    std::function<void(Token, std::string)> status;
  };
  // `folder` is where the sockets are; made when it is needed.
  NotifySockets(Loop& loop, std::string folder, Seams seams);
  ~NotifySockets();
  NotifySockets(const NotifySockets&) = delete;
  NotifySockets& operator=(const NotifySockets&) = delete;

  // What a process is given so that it can speak.
  struct Mouth {
    std::string notify_path;   // NOTIFY_SOCKET
    os::Fd notify_for_keeper;  // duplicates of our ends
    os::Fd channel_for_keeper;
    os::Fd channel_for_child;  // NODE_CHANNEL_FD
  };
  // For a process of this user.
  [[nodiscard]] Result<Mouth> Make(Token token, const RunAs& owner);

  // Our ends as the keeper has held them since an earlier daemon.
  void AdoptNotify(Token token, os::Fd socket);
  void AdoptChannel(Token token, os::Fd socket);

  // The process is gone: its sockets are closed, the name is removed.
  void Forget(Token token);

 private:
  [[nodiscard]] Status MakeFolder();
  struct Ears {
    os::Fd notify;
    os::Fd channel;
    std::string begun;  // a line of the channel that has not ended yet
    std::unique_ptr<Loop::Watch> notify_watch;
    std::unique_ptr<Loop::Watch> channel_watch;
  };

  void HearNotify(Token token);
  void HearChannel(Token token);
  void TakeNotice(Token token, std::string_view text);

  Loop& loop_;
  std::string folder_;
  Seams seams_;
  std::map<Token, Ears> ears_;
};

}  // namespace oxherd
