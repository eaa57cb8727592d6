// The daemon's end of the socket to the keeper: requests go out, reports come in.
//
// Nothing blocks but Await(). Requests that find the socket full wait in a queue, in order, with
// the descriptors they carry. Beats are answered here, at once.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "daemon/duplicates.h"
#include "daemon/loop.h"
#include "keeper/protocol.h"
#include "os/fd.h"

namespace oxherd {

// A keeper that lets so many requests pile up is stuck: the link is lost. More than 5,000 services
// of one instance can ask for at once, several times over.
constexpr std::size_t kMaxQueuedRequests = 100'000;

struct KeeperReport {
  keeper::Report report;
  std::vector<os::Fd> attached;  // in the order that the report's type says
};

class KeeperLink {
 public:
  explicit KeeperLink(os::Fd socket) : socket_(std::move(socket)) {}

  // Waits for the next report, also before the loop runs; nothing after `patience`.
  [[nodiscard]] Result<std::optional<KeeperReport>> Await(Duration patience);

  // From now on every report is handed to `on_report` by the loop; `on_lost` is called once, with
  // the reason, when the keeper is gone.
  void Serve(Loop& loop, std::function<void(KeeperReport)> on_report,
             std::function<void(const Error&)> on_lost);

  // The descriptors are not the caller's any more.
  void Send(const keeper::Request& request, std::vector<os::Fd> attached = {});

  // Of what the keeper holds.
  [[nodiscard]] const Duplicates& duplicates() const { return duplicates_; }
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] bool is_lost() const { return is_lost_; }

 private:
  struct Queued {
    keeper::Request request;
    std::vector<os::Fd> attached;
  };
  enum class Sent { kYes, kNoRoom, kFailed };

  [[nodiscard]] Result<std::optional<KeeperReport>> ReceiveOne();
  void ReceiveAll();
  [[nodiscard]] Sent SendNow(const keeper::Request& request, const std::vector<os::Fd>& attached);
  void SendQueued();
  void WaitForRoom();
  void Lose(const Error& error);

  os::Fd socket_;
  Duplicates duplicates_;
  std::deque<Queued> queue_;
  bool is_lost_ = false;
  Loop* loop_ = nullptr;
  std::function<void(KeeperReport)> on_report_;
  std::function<void(const Error&)> on_lost_;
  std::unique_ptr<Loop::Watch> reading_;
  os::Fd writing_fd_;                     // a duplicate: one descriptor has one watch
  std::unique_ptr<Loop::Watch> writing_;  // only while the queue waits for room
};

}  // namespace oxherd
