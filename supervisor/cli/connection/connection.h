// A connection to the daemon of a home: found through its lock, spoken to in lines, with deadlines.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "cli/places.h"
#include "os/fd.h"

namespace oxherd::cli {

class Connection {
 public:
  explicit Connection(os::Fd socket) : socket_(std::move(socket)) {}

  enum class Heard : std::uint8_t {
    kLine,
    kEnd,  // the daemon has gone, or has closed the connection
    kDeadline,
    kTooLong,  // a line longer than control::kMaxReplyLine
  };

  // Blocks until all of it is in the socket. False: the daemon has gone, or the deadline passed.
  [[nodiscard]] bool Send(std::string_view line, Instant deadline);
  // Blocks until there is a whole line, which is put into `line` without its newline.
  [[nodiscard]] Heard ReadLine(std::string& line, Instant deadline);
  // Readable when there is more to read.
  [[nodiscard]] int descriptor() const { return socket_.get(); }

 private:
  os::Fd socket_;
  std::string read_;         // bytes that are not yet handed out
  std::size_t scanned_ = 0;  // of them, without a newline
};

// Why there is no connection.
struct NotConnected {
  enum class Kind : std::uint8_t {
    kNoDaemon,  // nobody serves this home
    kRefused,   // somebody does, but not us; or the home cannot be looked at
  };
  Kind kind = Kind::kNoDaemon;
  std::string message;  // one line, and how to mend it
};

// Does not wait for a daemon; one that is about to be restarted by its keeper lets us in.
[[nodiscard]] std::expected<Connection, NotConnected> Connect(const Places& places);

// Connects as soon as somebody serves the home. Blocks until then, at most to the deadline, and no
// longer than until `starter` (a pidfd, or -1) ends without anybody serving it.
[[nodiscard]] std::expected<Connection, NotConnected> ConnectWhenThere(const Places& places,
                                                                       Instant deadline,
                                                                       int starter);

}  // namespace oxherd::cli
