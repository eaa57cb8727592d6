#include "daemon/commands/control_client.h"

#include <poll.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <utility>

#include "control/wire.h"
#include "os/clock.h"

namespace oxherd {

namespace asio = boost::asio;
using boost::system::error_code;

void ControlClient::Start(Handlers handlers) {
  handlers_ = std::move(handlers);
  began_ = os::Now();
  Expect(limits_.first_byte);
  Read();
}

// One deadline at a time: for the line while it is read, then for the reader of what we write.
void ControlClient::Expect(Millis patience) {
  timer_.expires_after(patience);
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error && !self->is_closed_) self->Fail();
  });
}

void ControlClient::Read() {
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](const error_code& error, std::size_t size) {
                            self->OnRead(error, size);
                          });
}

void ControlClient::OnRead(const error_code& error, std::size_t size) {
  if (is_closed_) return;
  if (reading_ == Reading::kWatching) {
    // One line is all that a client has to say; what follows it is not looked at.
    return error ? OnEnd() : Watch();
  }
  if (error) return Fail();
  const std::size_t searched = line_.size();
  line_.append(chunk_.data(), size);
  const std::size_t end = line_.find('\n', searched);
  if (end != std::string::npos) return TakeLine(end);
  if (line_.size() >= limits_.line_bytes) {
    return RefuseLine("the request is longer than " + std::to_string(limits_.line_bytes) +
                      " bytes");
  }
  const auto left = limits_.whole_line - std::chrono::duration_cast<Millis>(os::Now() - began_);
  if (left <= Millis::zero()) return Fail();
  Expect(std::min(limits_.first_byte, left));
  Read();
}

void ControlClient::TakeLine(std::size_t end) {
  timer_.cancel();
  reading_ = Reading::kWatching;
  std::string line = std::exchange(line_, {});
  line.resize(end);
  const auto self = shared_from_this();
  handlers_.line(std::move(line));
  if (!is_closed_) Watch();
}

void ControlClient::RefuseLine(const std::string& why) {
  line_ = {};
  reading_ = Reading::kEnded;
  control::Reply reply;
  reply.code = control::ExitCode::kAskedWrongly;
  reply.error = why;
  SendLast(control::EncodeLine(control::FromDaemon(std::move(reply))));
}

void ControlClient::Watch() {
  if (reading_ == Reading::kWatching && !is_closed_) Read();
}

// It has said all it will say. Gone altogether, or does it still listen (shutdown(2))?
void ControlClient::OnEnd() {
  reading_ = Reading::kEnded;
  pollfd state{.fd = socket_.native_handle(), .events = 0, .revents = 0};
  if (poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0) return Fail();
  socket_.async_wait(Socket::wait_error, [self = shared_from_this()](const error_code& error) {
    if (!error && !self->is_closed_) self->Fail();
  });
}

void ControlClient::Send(const std::string& line, ControlServer::Delivery delivery) {
  if (is_closed_ || is_last_) return;
  const bool may_drop = delivery == ControlServer::Delivery::kMayDrop;
  const std::size_t before = writing_.size() - written_ + waiting_.size();
  if (may_drop && before + line.size() > limits_.waiting_bytes) return;
  waiting_ += line;
  if (!is_writing_) Write();
}

void ControlClient::SendLast(const std::string& line) {
  Send(line, ControlServer::Delivery::kSurely);
  is_last_ = true;
}

void ControlClient::DropWhatWaits() {
  waiting_ = {};
  is_last_ = false;
}

void ControlClient::Write() {
  is_writing_ = true;
  Expect(limits_.stuck);
  // Whatever has come together: a start of many wakes its client once for many lines.
  if (written_ == writing_.size()) {
    writing_ = std::exchange(waiting_, {});
    written_ = 0;
  }
  socket_.async_write_some(asio::buffer(writing_.data() + written_, writing_.size() - written_),
                           [self = shared_from_this()](const error_code& error, std::size_t size) {
                             self->OnWritten(error, size);
                           });
}

void ControlClient::OnWritten(const error_code& error, std::size_t size) {
  if (is_closed_) return;
  if (error) return Fail();
  written_ += size;
  if (written_ < writing_.size() || !waiting_.empty()) return Write();
  writing_.clear();
  written_ = 0;
  is_writing_ = false;
  if (is_last_) return Fail();
  timer_.cancel();
}

void ControlClient::Fail() {
  if (is_closed_) return;
  const auto self = shared_from_this();
  const auto closed = std::exchange(handlers_, {}).closed;
  Close();
  if (closed) closed();
}

void ControlClient::Close() {
  is_closed_ = true;
  handlers_ = {};
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace oxherd
