// The keeper's loop: facts from the kernel into the book, its effects into the kernel, its reports
// to the daemon.
//
// One thread. Every wake-up takes what is ready, then deadlines, then trees, then sends. Nothing in
// it waits but for the poller, and nothing allocates once the loop runs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "keeper/adoption.h"
#include "keeper/arguments.h"
#include "keeper/book.h"
#include "keeper/daemon_process.h"
#include "keeper/home.h"
#include "keeper/journal.h"
#include "keeper/processes.h"
#include "keeper/systemd_notice.h"
#include "os/fd.h"
#include "os/fetch_socket.h"
#include "os/message_socket.h"
#include "os/poller.h"

namespace oxherd::keeper {

class Keeper {
 public:
  // Takes the home and makes everything ready. Call os::BlockAllSignals before.
  [[nodiscard]] static Result<std::unique_ptr<Keeper>> Open(const Arguments& arguments);

  // Starts the daemon and keeps it and its processes until the book says that it is over. Returns
  // the exit code.
  [[nodiscard]] int Run();
  // Why the daemon could not be started at all, if that is why it ended; else 0.
  [[nodiscard]] int start_failure() const { return start_failure_; }
  // What was found at the start and is worth a word.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Keeper(const Arguments& arguments, Home home, os::Poller poller, os::Fd signals,
         std::optional<os::FetchSocket> fetch_socket);
  [[nodiscard]] Status Prepare(const Arguments& arguments, Inheritance& left);
  [[nodiscard]] Status Watch();
  void Inherit(Inheritance left);

  void WaitOnce();
  void Handle(const os::Ready& ready, Instant now);
  void HandleSignals(Instant now);
  void ReapAll(Instant now);
  void HandleDaemonStart(Instant now);
  void HandleDaemonSocket(Instant now);
  void HandleFetches();
  enum class Took { kOne, kNothing, kEnd };
  [[nodiscard]] Took TakeRequest(Instant now);
  void OnDaemonReaped(Instant now);
  void OnSocketClosed(Instant now);

  // Carries out what the book wants; the request and its descriptors are those being handled, if
  // any.
  void Perform(Instant now, const Request* request = nullptr, std::span<os::Fd> attached = {});
  void Carry(const Effect& effect, Instant now, const Request* request, std::span<os::Fd> attached);
  void StartDaemonNow(Instant now);
  void SendReports(Instant now);
  void MendControlSocket(Instant now);
  void TellSystemd(Instant now);

  // A new program in our place.
  void NoteUpgrade(int paths);
  void ExecAnew(Instant now);
  [[nodiscard]] Estate DescribeAll();

  // Writing down what is, for a keeper to come.
  [[nodiscard]] Preamble DescribeOurselves() const;
  void BeginJournal();
  void WriteJournal();
  void WriteAll();
  void EndJournal();

  Ground ground_;
  Home home_;
  os::Poller poller_;
  os::Fd signals_;
  std::optional<os::FetchSocket> fetch_socket_;  // none where the kernel takes no filter
  Book book_;
  std::optional<Processes> processes_;
  std::optional<DaemonProcess> daemon_;
  SystemdNotice systemd_;
  Instant send_again_at_ = kNever;
  Instant mend_at_ = kNever;
  int start_failure_ = 0;  // errno of the daemon's latest start; 0: it ran
  std::optional<int> exit_code_;
  Journal journal_;
  Arguments arguments_;
  std::string new_keeper_;    // to be execed; the daemon's is in arguments_
  os::OpenFiles open_files_;  // as whoever started the first keeper had them
  std::vector<std::string> warnings_;
};

}  // namespace oxherd::keeper
