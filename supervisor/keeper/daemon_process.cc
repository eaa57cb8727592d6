#include "keeper/daemon_process.h"

#include <unistd.h>

#include <array>
#include <csignal>

#include "keeper/inheritance.h"
#include "keeper/systemd_notice.h"
#include "keeper/watch_key.h"
#include "os/process.h"

namespace oxherd::keeper {

Result<DaemonProcess> DaemonProcess::Open(const Arguments& arguments, os::Poller& poller,
                                          os::Fd image) {
  if (!image) {
    OXHERD_TRY_ASSIGN(image, os::MakeMemfd("oxherd-image"));
  }
  return DaemonProcess(arguments, poller, std::move(image));
}

DaemonProcess::DaemonProcess(const Arguments& arguments, os::Poller& poller, os::Fd image)
    : words_{arguments.daemon, "--state", arguments.state, "--runtime", arguments.runtime},
      poller_(&poller),
      image_(std::move(image)) {
  words_.insert(words_.end(), arguments.daemon_arguments.begin(), arguments.daemon_arguments.end());
  for (const std::string& word : words_) arguments_.push_back(word.c_str());
  arguments_.push_back(nullptr);
  environment_ = EnvironmentForDaemon(::environ);
}

os::SystemResult<Pid> DaemonProcess::Start(int control_socket, int lock) {
  os::SystemResult<os::MessagePair> pair = os::MakeMessagePair();
  if (!pair) return std::unexpected(pair.error());
  os::SystemResult<os::Pipe> report = os::MakePipe(os::PipeReading::kDoesNotBlock);
  if (!report) return std::unexpected(report.error());
  os::SystemResult<os::Cloned> cloned = os::Clone(-1);
  if (!cloned) return std::unexpected(cloned.error());
  if (cloned->is_child) {
    RunChild(pair->theirs.get(), control_socket, lock, report->write_end.get());
  }
  socket_ = std::move(pair->ours);
  pid_ = cloned->pid;
  pidfd_ = std::move(cloned->pidfd);
  report_ = std::move(report->read_end);
  reached_exec_ = false;
  is_silent_ = false;
  const auto key = [](WatchKey::Kind kind) { return WatchKey::Of(kind, 0, Token()).Pack(); };
  wanted_ = os::Wanted::kReadable;
  const bool watched =
      poller_->Add(socket_.get(), wanted_, key(WatchKey::Kind::kDaemonSocket)).has_value() &&
      poller_->Add(report_.get(), os::Wanted::kReadable, key(WatchKey::Kind::kDaemonStart))
          .has_value();
  // A daemon that cannot be heard is of no use: its death makes room for another try.
  if (!watched) SendSignal(SIGKILL);
  return cloned->pid;
}

void DaemonProcess::RunChild(int theirs, int control_socket, int lock, int report) {
  std::array descriptors = {os::ChildDescriptor{.source = 0, .target = 0},
                            os::ChildDescriptor{.source = 1, .target = 1},
                            os::ChildDescriptor{.source = 2, .target = 2},
                            os::ChildDescriptor{.source = theirs, .target = kKeeperSocket},
                            os::ChildDescriptor{.source = control_socket, .target = kControlSocket},
                            os::ChildDescriptor{.source = lock, .target = kHomeLock},
                            os::ChildDescriptor{.source = image_.get(), .target = kImage}};
  os::ChildOrder order;
  order.program = words_.front().c_str();
  order.arguments = arguments_.data();
  order.environment = environment_.data();
  order.directory = ".";
  order.descriptors = descriptors;
  order.report = report;
  os::RunChild(order);
}

os::ChildReport DaemonProcess::ReadStart() {
  if (!report_) return {};
  os::ChildReport report = os::ReadChildReport(report_.get(), reached_exec_);
  if (report.state != os::ChildReport::State::kPending) {
    poller_->Remove(report_.get());
    report_.Reset();
  }
  return report;
}

void DaemonProcess::SetProgram(const std::string& path) {
  words_.front() = path;
  arguments_.front() = words_.front().c_str();
}

void DaemonProcess::Forget() {
  poller_->Remove(socket_.get());
  poller_->Remove(report_.get());
  socket_.Reset();
  report_.Reset();
  pidfd_.Reset();
}

void DaemonProcess::StopListening() {
  poller_->Remove(socket_.get());
  is_silent_ = true;
}

void DaemonProcess::SendSignal(int signal) const {
  if (pidfd_) static_cast<void>(os::SendSignal(pidfd_.get(), signal).has_value());
}

void DaemonProcess::Want(os::Wanted wanted) {
  if (!listens() || wanted == wanted_) return;
  const WatchKey key = WatchKey::Of(WatchKey::Kind::kDaemonSocket, 0, Token());
  if (poller_->Change(socket_.get(), wanted, key.Pack())) wanted_ = wanted;
}

}  // namespace oxherd::keeper
