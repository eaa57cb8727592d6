// One connection to the control socket; part of control_server. Includes Asio: only for .cc files.
#pragma once

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "daemon/commands/control_server.h"

namespace oxherd {

// Whose client it is: the daemon's owner's, or a member's of control_group.
enum class Standing : std::uint8_t { kOwner, kMember };

// Reads one line, then writes. Keeps itself alive while an operation is pending.
class ControlClient : public std::enable_shared_from_this<ControlClient> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  struct Handlers {
    std::function<void(std::string line)> line;
    std::function<void()> closed;  // once, and never from within a call of ours
  };

  ControlClient(Socket socket, const ControlLimits& limits, std::uint32_t uid, Standing standing)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        limits_(limits),
        uid_(uid),
        standing_(standing) {}

  void Start(Handlers handlers);
  // From outside: no handler is called any more.
  void Close();
  void Send(const std::string& line, ControlServer::Delivery delivery);
  void SendLast(const std::string& line);
  // Forgets what was to be written and has not begun to be.
  void DropWhatWaits();
  [[nodiscard]] std::uint32_t uid() const { return uid_; }
  [[nodiscard]] Standing standing() const { return standing_; }

 private:
  enum class Reading : std::uint8_t { kLine, kWatching, kEnded };

  void Read();
  void OnRead(const boost::system::error_code& error, std::size_t size);
  void TakeLine(std::size_t end);
  void RefuseLine(const std::string& why);
  void Watch();
  void OnEnd();
  void Write();
  void OnWritten(const boost::system::error_code& error, std::size_t size);
  void Expect(Millis patience);
  void Fail();

  Socket socket_;
  boost::asio::steady_timer timer_;
  const ControlLimits& limits_;
  std::uint32_t uid_;
  Standing standing_;
  Handlers handlers_;
  Reading reading_ = Reading::kLine;
  Instant began_;
  std::array<char, 4096> chunk_{};
  std::string line_;
  std::string writing_;
  std::string waiting_;      // comes after it
  std::size_t written_ = 0;  // of `writing_`
  bool is_writing_ = false;
  bool is_last_ = false;  // nothing follows what waits
  bool is_closed_ = false;
};

}  // namespace oxherd
