// One request to the daemon and its answer, for a program that must not wait for it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/connection/connection.h"
#include "cli/places.h"
#include "control/message.h"

namespace oxherd::cli {

class Talk {
 public:
  Talk(const Places& places, control::Request request);

  enum class State : std::uint8_t {
    kAsking,
    kAnswered,
    kNoDaemon,  // nobody serves this home, or he is not to be trusted: why()
    kLost,      // he has gone in the middle; once more, with TryAgain()
  };
  // Connects and sends. Does not wait for an answer; a local connect(2) may take a moment.
  State Begin(Instant now);
  // What has come since: progress, and the reply as the last. Does not block.
  [[nodiscard]] std::vector<control::FromDaemon> Read(Instant now);
  // After kLost: the answer to the same request, of whoever serves now. A request that was accepted
  // is not made twice.
  State TryAgain(Instant now);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const control::Request& request() const { return request_; }
  [[nodiscard]] const std::string& why() const { return why_; }
  // Since when nothing has come; where it was lost, since then.
  [[nodiscard]] Instant silent_since() const { return silent_since_; }
  // To wait for; -1: nothing to read.
  [[nodiscard]] int descriptor() const { return connection_ ? connection_->descriptor() : -1; }

 private:
  State Say(const std::string& line, Instant now);

  const Places* places_;
  control::Request request_;
  std::optional<Connection> connection_;
  State state_ = State::kAsking;
  bool accepted_ = false;
  std::string why_;
  Instant silent_since_{};
};

}  // namespace oxherd::cli
