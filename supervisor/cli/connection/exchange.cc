#include "cli/connection/exchange.h"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "control/wire.h"
#include "os/clock.h"
#include "os/random.h"

namespace oxherd::cli {
namespace {

using control::Accepted;
using control::ExitCode;
using control::FromDaemon;
using control::Reply;

constexpr Millis kBetweenTries{50};

Reply OwnReply(const Exchange& exchange, ExitCode code, std::string error) {
  Reply reply;
  reply.command = exchange.request.command;
  reply.code = code;
  reply.error = std::move(error);
  return reply;
}

Reply Lost(const Exchange& exchange, const std::string& what) {
  if (!control::IsTracked(exchange.request.command)) {
    return OwnReply(exchange, ExitCode::kLost,
                    what + "; try again, and look at oxherd daemon logs");
  }
  return OwnReply(exchange, ExitCode::kLost,
                  what + "; it goes on: oxherd list shows how far it is");
}

class Conversation {
 public:
  Conversation(const Exchange& exchange, Connection connection)
      : exchange_(exchange), connection_(std::move(connection)) {}

  Reply Run() {
    bool said = connection_.Send(control::EncodeLine(exchange_.request), exchange_.deadline);
    for (;;) {
      std::string line;
      const Connection::Heard heard =
          said ? connection_.ReadLine(line, exchange_.deadline) : Connection::Heard::kEnd;
      switch (heard) {
        case Connection::Heard::kLine:
          if (auto reply = Take(line)) return std::move(*reply);
          break;
        case Connection::Heard::kEnd:
          if (!Reconnect()) return Lost(exchange_, "the connection to the daemon was lost");
          said = SayAgain();
          break;
        case Connection::Heard::kDeadline:
          return Lost(exchange_, "there was no answer in time");
        case Connection::Heard::kTooLong:
          return OwnReply(exchange_, ExitCode::kNotDone, "the daemon's answer has no end");
      }
    }
  }

 private:
  // The reply, if the line is one.
  std::optional<Reply> Take(const std::string& line) {
    auto message = control::DecodeFromDaemon(line);
    if (!message) return OwnReply(exchange_, ExitCode::kNotDone, message.error().message);
    lost_at_.reset();
    tries_ = 0;
    if (auto* reply = std::get_if<Reply>(&*message)) return std::move(*reply);
    const bool is_accepted = std::holds_alternative<Accepted>(*message);
    if (!is_accepted || !accepted_) exchange_.on_message(*message);
    accepted_ = accepted_ || is_accepted;
    return std::nullopt;
  }

  // Within kReconnectFor of the first loss since something was heard.
  bool Reconnect() {
    if (!lost_at_) lost_at_ = os::Now();
    const Instant until = std::min(*lost_at_ + kReconnectFor, exchange_.deadline);
    if (os::Now() >= until) return false;
    // A daemon that dies, or sends us away, as soon as it hears us is not asked a thousand times.
    if (tries_++ > 0) ::poll(nullptr, 0, static_cast<int>(kBetweenTries.count()));
    auto connection = ConnectWhenThere(exchange_.places, until, -1);
    if (!connection) return false;
    connection_ = std::move(*connection);
    return true;
  }

  // What was accepted is only asked for; what perhaps never arrived is said once more, under the
  // same id, which makes it the same request.
  bool SayAgain() {
    if (accepted_) {
      return connection_.Send(control::EncodeLine(control::Attach{exchange_.request.id}),
                              exchange_.deadline);
    }
    return connection_.Send(control::EncodeLine(exchange_.request), exchange_.deadline);
  }

  const Exchange& exchange_;
  Connection connection_;
  bool accepted_ = false;
  std::optional<Instant> lost_at_;
  int tries_ = 0;  // since something was heard
};

}  // namespace

Reply Run(const Exchange& exchange, Connection connection) {
  return Conversation(exchange, std::move(connection)).Run();
}

RequestId NewRequestId() { return RequestId(os::RandomNumber()); }

}  // namespace oxherd::cli
