// Clients: the people at the command line, as far as the daemon sees them.
//
// A client sends its request and waits for the final reply. When the daemon dies it asks the next
// one for its request by id (attach), and sends it again if that one does not know it.
#pragma once

#include <vector>

#include "base/time.h"
#include "core/event.h"
#include "core/state.h"

namespace oxherd::sim {

struct Call {
  event::Request request;
  bool reached = false;  // the living daemon has it
  bool answered = false;
};

class Clients {
 public:
  void Reset() { calls_.clear(); }

  // Returns the call's place.
  void Send(event::Request request) { calls_.push_back({std::move(request), false, false}); }
  // Sends the n-th request (modulo their number) a second time; null if there is none.
  [[nodiscard]] const event::Request* Repeated(std::size_t number) const {
    return calls_.empty() ? nullptr : &calls_[number % calls_.size()].request;
  }

  void DaemonDied() {
    for (Call& call : calls_) call.reached = call.answered;
  }
  // A client whose request the living daemon has not got; null if there is none.
  [[nodiscard]] Call* Next() {
    for (Call& call : calls_) {
      if (!call.reached) return &call;
    }
    return nullptr;
  }
  void Answered(RequestId id) {
    for (Call& call : calls_) {
      if (call.request.id == id) call.answered = true;
    }
  }
  [[nodiscard]] bool all_answered() const {
    for (const Call& call : calls_) {
      if (!call.answered) return false;
    }
    return true;
  }
  [[nodiscard]] const std::vector<Call>& calls() const { return calls_; }

 private:
  std::vector<Call> calls_;
};

}  // namespace oxherd::sim
