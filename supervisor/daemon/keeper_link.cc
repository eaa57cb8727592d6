#include "daemon/keeper_link.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <variant>

#include "os/clock.h"
#include "os/message_socket.h"

namespace oxherd {
namespace {

// A flood of reports must not keep the loop from everything else.
constexpr int kReportsPerTurn = 512;

Error Gone(std::string_view how) { return Error{"the keeper is gone: " + std::string(how), EPIPE}; }

}  // namespace

Result<std::optional<KeeperReport>> KeeperLink::ReceiveOne() {
  keeper::MessageBuffer buffer;
  os::SystemResult<os::Received> received = os::ReceiveMessage(socket_.get(), buffer);
  if (!received) {
    if (received.error().number == EAGAIN) return std::optional<KeeperReport>();
    return os::ToError("receive from the keeper", received.error());
  }
  if (received->size == 0) return std::unexpected(Gone("it closed the socket"));
  auto report = keeper::DecodeReport(std::span(buffer).first(received->size));
  if (!received->complete || !report) return MakeError("the keeper speaks another protocol");
  KeeperReport result{.report = *report, .attached = {}};
  for (os::Fd& fd : std::span(received->descriptors).first(received->descriptor_count)) {
    result.attached.push_back(std::move(fd));
  }
  if (result.attached.size() != keeper::AttachedCount(result.report)) {
    return MakeError("descriptors are missing in a report of the keeper's; too many open files?");
  }
  duplicates_.OnReceived(result.report, result.attached);
  return std::optional(std::move(result));
}

Result<std::optional<KeeperReport>> KeeperLink::Await(Duration patience) {
  const Instant until = os::Now() + patience;
  for (;;) {
    OXHERD_TRY_ASSIGN(std::optional<KeeperReport> report, ReceiveOne());
    if (report && std::holds_alternative<keeper::Beat>(report->report)) {
      Send(keeper::BeatAnswer{std::get<keeper::Beat>(report->report).number});
      continue;
    }
    const Duration left = until - os::Now();
    if (report || left <= Duration::zero()) return report;
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, static_cast<int>(ToMillis(left) + 1)) < 0 && errno != EINTR) {
      return ErrnoError("wait for the keeper");
    }
  }
}

void KeeperLink::Serve(Loop& loop, std::function<void(KeeperReport)> on_report,
                       std::function<void(const Error&)> on_lost) {
  loop_ = &loop;
  on_report_ = std::move(on_report);
  on_lost_ = std::move(on_lost);
  reading_ = loop.WatchFor(Loop::For::kReading, socket_.get(), [this] { ReceiveAll(); });
  SendQueued();
}

void KeeperLink::ReceiveAll() {
  for (int i = 0; i < kReportsPerTurn && !is_lost_; ++i) {
    Result<std::optional<KeeperReport>> received = ReceiveOne();
    if (!received) return Lose(received.error());
    if (!*received) return;
    if (const auto* beat = std::get_if<keeper::Beat>(&(*received)->report)) {
      Send(keeper::BeatAnswer{beat->number});
    } else {
      on_report_(std::move(**received));
    }
  }
}

void KeeperLink::Send(const keeper::Request& request, std::vector<os::Fd> attached) {
  if (is_lost_) return;
  if (queue_.empty()) {
    const Sent sent = SendNow(request, attached);
    if (sent == Sent::kYes) return duplicates_.OnSent(request, std::move(attached));
    if (sent != Sent::kNoRoom) return;
  }
  if (queue_.size() >= kMaxQueuedRequests) return Lose(Gone("it takes no more requests"));
  queue_.push_back({.request = request, .attached = std::move(attached)});
  WaitForRoom();
}

void KeeperLink::WaitForRoom() {
  if (loop_ == nullptr || writing_ != nullptr) return;
  if (!writing_fd_) {
    os::SystemResult<os::Fd> duplicate = os::Duplicate(socket_.get());
    if (!duplicate) return Lose(Error{"duplicate the keeper's socket", duplicate.error().number});
    writing_fd_ = std::move(*duplicate);
  }
  writing_ = loop_->WatchFor(Loop::For::kWriting, writing_fd_.get(), [this] { SendQueued(); });
}

KeeperLink::Sent KeeperLink::SendNow(const keeper::Request& request,
                                     const std::vector<os::Fd>& attached) {
  keeper::MessageBuffer buffer;
  const std::span<const std::byte> bytes = keeper::Encode(request, buffer);
  std::array<int, os::kMaxPassed> numbers{};
  std::ranges::transform(attached, numbers.begin(), &os::Fd::get);
  const os::SystemStatus sent =
      os::SendMessage(socket_.get(), bytes, std::span(numbers).first(attached.size()));
  if (sent) return Sent::kYes;
  // ETOOMANYREFS: more descriptors are in flight than this user may have; the keeper takes them
  // out.
  const int number = sent.error().number;
  if (number == EAGAIN || number == ENOBUFS || number == ETOOMANYREFS) return Sent::kNoRoom;
  Lose(Gone(ErrnoText(number)));
  return Sent::kFailed;
}

void KeeperLink::SendQueued() {
  while (!queue_.empty() && !is_lost_) {
    Queued& next = queue_.front();
    const Sent sent = SendNow(next.request, next.attached);
    if (sent == Sent::kNoRoom) return WaitForRoom();
    if (sent == Sent::kFailed) return;
    duplicates_.OnSent(next.request, std::move(next.attached));
    queue_.pop_front();
  }
  writing_.reset();
}

void KeeperLink::Lose(const Error& error) {
  if (std::exchange(is_lost_, true)) return;
  queue_.clear();
  reading_.reset();
  writing_.reset();
  if (on_lost_) on_lost_(error);
}

}  // namespace oxherd
