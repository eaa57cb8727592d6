#include "daemon/commands/control_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <new>
#include <unordered_map>
#include <utility>

#include "control/member_rights.h"
#include "control/wire.h"
#include "daemon/commands/control_client.h"
#include "daemon/memory_reserve.h"
#include "os/local_socket.h"

namespace oxherd {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;

namespace {

std::string RefusalLine(control::ExitCode code, std::string error) {
  control::Reply reply;
  reply.code = code;
  reply.error = std::move(error);
  return control::EncodeLine(control::FromDaemon(std::move(reply)));
}

// Held back so that, with no descriptor left, a client can still be accepted and sent away: a
// connection that stays in the queue would wake us again and again.
os::Fd OpenReserve() { return os::Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

class ControlServer::Impl : public std::enable_shared_from_this<ControlServer::Impl> {
 public:
  Impl(asio::io_context& loop, Handlers handlers, const ControlLimits& limits)
      : loop_(loop),
        acceptor_(loop),
        pause_(loop),
        handlers_(std::move(handlers)),
        limits_(limits),
        reserve_(OpenReserve()) {}

  void Listen(os::Fd listening) {
    error_code ignored;
    if (acceptor_.is_open()) acceptor_.close(ignored);
    acceptor_.assign(Protocol(), listening.Release());
    // Else Asio would wait for one more client before it looks at those that wait already.
    acceptor_.set_option(asio::socket_base::enable_connection_aborted(true), ignored);
    Accept();
  }

  void Admit(std::optional<std::uint32_t> group) { group_ = group; }

  void Stop() {
    is_stopped_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    for (auto& [id, client] : std::exchange(clients_, {})) client->Close();
  }

  void Send(ClientId id, const std::string& line, Delivery delivery) {
    if (const auto client = Find(id)) client->Send(line, delivery);
  }
  void SendLast(ClientId id, const std::string& line) {
    if (auto guest = guests_.extract(id)) return guest.mapped()(line);
    if (const auto client = Find(id)) client->SendLast(line);
  }
  [[nodiscard]] std::size_t client_count() const { return clients_.size() + guests_.size(); }

  ClientId Invite(Answer answer) {
    const ClientId id = next_id_;
    next_id_ = id.Next();
    guests_.emplace(id, std::move(answer));
    return id;
  }
  void Dismiss(ClientId guest) { guests_.erase(guest); }

 private:
  [[nodiscard]] std::shared_ptr<ControlClient> Find(ClientId id) const {
    const auto found = clients_.find(id);
    return found == clients_.end() ? nullptr : found->second;
  }

  void Accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const error_code& error, Protocol::socket socket) {
          self->OnAccepted(error, std::move(socket));
        });
  }

  void OnAccepted(const error_code& error, Protocol::socket socket) {
    if (is_stopped_ || error == asio::error::operation_aborted) return;
    if (error == asio::error::no_descriptors || error.value() == ENFILE ||
        error.value() == ENOMEM || error.value() == ENOBUFS) {
      TurnOneAway();
      return Pause();
    }
    if (!error) Admit(std::move(socket));
    Accept();
  }

  void TurnOneAway() {
    reserve_.Reset();
    const os::Fd client(accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) {
      const std::string line =
          RefusalLine(control::ExitCode::kNotDone, "the daemon has no descriptors left; try again");
      [[maybe_unused]] const ssize_t sent =
          send(client.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    // The next connection's descriptor is free again only after this one is closed.
  }

  void Pause() {
    pause_.expires_after(limits_.accept_pause);
    pause_.async_wait([self = shared_from_this()](const error_code& error) {
      if (error || self->is_stopped_) return;
      self->reserve_ = OpenReserve();
      self->Accept();
    });
  }

  void Admit(Protocol::socket socket) {
    const Result<os::Peer> peer = os::PeerOf(socket.native_handle());
    if (!peer) return;  // it closed the connection already
    const uid_t own = geteuid();
    const bool is_owner = peer->uid == own || peer->uid == 0;
    const bool is_member =
        !is_owner && group_ && os::IsPeerInGroup(socket.native_handle(), *group_);
    auto client =
        std::make_shared<ControlClient>(std::move(socket), limits_, static_cast<uid_t>(peer->uid),
                                        is_member ? Standing::kMember : Standing::kOwner);
    if (!is_owner && !is_member) {
      return client->SendLast(
          RefusalLine(control::ExitCode::kAskedWrongly,
                      "this daemon belongs to another user (uid " + std::to_string(own) + ")"));
    }
    const auto of_same_user =
        static_cast<std::size_t>(std::ranges::count_if(clients_, [&](const auto& entry) {
          return is_member ? entry.second->standing() == Standing::kMember
                           : entry.second->uid() == peer->uid;
        }));
    if (of_same_user >= limits_.clients_per_user || clients_.size() >= limits_.clients) {
      return client->SendLast(RefusalLine(
          control::ExitCode::kNotDone,
          std::to_string(of_same_user) + " clients are connected already; try again later"));
    }
    const ClientId id = next_id_;
    next_id_ = id.Next();
    clients_.emplace(id, client);
    client->Start({.line = [this, id](std::string line) { OnLine(id, line); },
                   .closed = [this, id] { OnClosed(id); }});
  }

  // A request that wants more memory than there is fails, and nothing else does.
  void OnLine(ClientId id, const std::string& line) {
    try {
      const ExpendableWork work;
      return TakeLine(id, line);
    } catch (const std::bad_alloc&) {
      if (const auto client = Find(id)) client->DropWhatWaits();
    }
    SendLast(id,
             RefusalLine(control::ExitCode::kNotDone,
                         "the daemon has not enough memory for this request; nothing was done"));
  }

  void TakeLine(ClientId id, const std::string& line) {
    Result<control::FromClient> message = control::DecodeFromClient(line);
    const auto client = Find(id);
    if (message && client && client->standing() == Standing::kMember) {
      message = control::AsFromMember(std::move(*message));
    }
    if (message) return handlers_.said(id, std::move(*message));
    SendLast(id, RefusalLine(control::ExitCode::kAskedWrongly, message.error().message));
  }

  void OnClosed(ClientId id) {
    if (clients_.erase(id) > 0) handlers_.gone(id);
  }

  asio::io_context& loop_;
  Protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  Handlers handlers_;
  ControlLimits limits_;
  os::Fd reserve_;
  std::unordered_map<ClientId, std::shared_ptr<ControlClient>> clients_;
  std::unordered_map<ClientId, Answer> guests_;
  ClientId next_id_{1};
  std::optional<std::uint32_t> group_;
  bool is_stopped_ = false;
};

ControlServer::ControlServer(asio::io_context& loop, os::Fd listening, Handlers handlers,
                             const ControlLimits& limits)
    : impl_(std::make_shared<Impl>(loop, std::move(handlers), limits)) {
  impl_->Listen(std::move(listening));
}

ControlServer::~ControlServer() { impl_->Stop(); }

void ControlServer::Admit(std::optional<std::uint32_t> group) { impl_->Admit(group); }

void ControlServer::Replace(os::Fd listening) { impl_->Listen(std::move(listening)); }

void ControlServer::Send(ClientId client, const std::string& line, Delivery delivery) {
  impl_->Send(client, line, delivery);
}

void ControlServer::SendLast(ClientId client, const std::string& line) {
  impl_->SendLast(client, line);
}

ClientId ControlServer::Invite(Answer answer) { return impl_->Invite(std::move(answer)); }

void ControlServer::Dismiss(ClientId guest) { impl_->Dismiss(guest); }

std::size_t ControlServer::client_count() const { return impl_->client_count(); }

}  // namespace oxherd
