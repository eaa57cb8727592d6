// The control socket: accepts clients, reads one line from each, and writes lines back to it.
//
// Knows the limits and nothing of what is said: who may connect, how many, how long a line may take
// and be, what happens to a reader that does not read. A client that misbehaves costs itself its
// connection and nobody else anything.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "control/message.h"
#include "os/fd.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

struct ControlLimits {
  std::size_t clients_per_user = 64;
  std::size_t clients = 128;
  std::size_t line_bytes = control::kMaxRequestLine;
  // From connecting, or from the last byte, to the next one; and to the end of the line.
  Millis first_byte{5000};
  Millis whole_line{30000};
  // What may wait to be written to one client before progress is dropped; replies never are.
  std::size_t waiting_bytes = 256UL * 1024;
  // A client that takes nothing for so long while something waits for it is disconnected.
  Millis stuck{30000};
  // After the process ran out of descriptors, how long nobody is accepted.
  Millis accept_pause{100};
};

// Names a connection; never reused.
using ClientId = Id<struct ClientTag, std::uint64_t>;

class ControlServer {
 public:
  struct Handlers {
    // The client's one message. Called from the loop.
    std::function<void(ClientId, control::FromClient)> said;
    // It is gone, or was sent away: nothing can be written to it any more.
    std::function<void(ClientId)> gone;
  };

  // `listening` accepts and does not block. Source: unix(7), SO_PEERCRED.
  ControlServer(boost::asio::io_context& loop, os::Fd listening, Handlers handlers,
                const ControlLimits& limits = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Its members are admitted too, for what they may ask (control/member_rights.h); together they
  // are at most as many as one user's clients. Nothing: only the owner and root.
  void Admit(std::optional<std::uint32_t> group);

  // The socket was made anew under its name; clients that are connected stay.
  void Replace(os::Fd listening);

  // Progress may be dropped for a client that reads too slowly. An unknown client is ignored.
  enum class Delivery : std::uint8_t { kSurely, kMayDrop };
  void Send(ClientId client, const std::string& line, Delivery delivery);
  // The last line: the connection is closed once it is written.
  void SendLast(ClientId client, const std::string& line);

  // A client without a connection: what it is sent last goes to `answer`, once; what comes before
  // is dropped. Until then, or until it is dismissed, it counts as one.
  using Answer = std::function<void(const std::string& line)>;
  [[nodiscard]] ClientId Invite(Answer answer);
  void Dismiss(ClientId guest);

  [[nodiscard]] std::size_t client_count() const;

  class Impl;  // in control_server.cc

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace oxherd
