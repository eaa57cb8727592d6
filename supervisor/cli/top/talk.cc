#include "cli/top/talk.h"

#include <utility>

#include "control/wire.h"

namespace oxherd::cli {
namespace {

// A request fits into the socket's buffer unless the daemon has not read for long.
constexpr Millis kSendPatience{200};

}  // namespace

Talk::Talk(const Places& places, control::Request request)
    : places_(&places), request_(std::move(request)) {}

Talk::State Talk::Say(const std::string& line, Instant now) {
  auto connection = Connect(*places_);
  if (!connection) {
    why_ = connection.error().message;
    return state_ = State::kNoDaemon;
  }
  connection_ = std::move(*connection);
  return state_ = connection_->Send(line, now + kSendPatience) ? State::kAsking : State::kLost;
}

Talk::State Talk::Begin(Instant now) {
  silent_since_ = now;
  return Say(control::EncodeLine(control::FromClient(request_)), now);
}

Talk::State Talk::TryAgain(Instant now) {
  if (accepted_) {
    return Say(control::EncodeLine(control::FromClient(control::Attach{request_.id})), now);
  }
  return Say(control::EncodeLine(control::FromClient(request_)), now);
}

std::vector<control::FromDaemon> Talk::Read(Instant now) {
  std::vector<control::FromDaemon> messages;
  while (connection_ && state_ == State::kAsking) {
    std::string line;
    const Connection::Heard heard = connection_->ReadLine(line, now);
    if (heard == Connection::Heard::kDeadline) break;
    auto message = heard == Connection::Heard::kLine
                       ? control::DecodeFromDaemon(line)
                       : Result<control::FromDaemon>(MakeError("the daemon has gone"));
    silent_since_ = now;
    if (!message) {
      state_ = State::kLost;
      why_ = message.error().message;
      connection_.reset();
      break;
    }
    if (std::holds_alternative<control::Accepted>(*message)) accepted_ = true;
    if (std::holds_alternative<control::Reply>(*message)) {
      state_ = State::kAnswered;
    }
    messages.push_back(std::move(*message));
  }
  if (state_ == State::kAnswered) connection_.reset();
  return messages;
}

}  // namespace oxherd::cli
