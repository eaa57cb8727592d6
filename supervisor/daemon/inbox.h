// The inbox: what happened since the last turn of the loop, in the order in which it counts.
//
// A program that says it is ready and dies in the same instant was ready; a client's stop that
// arrives with an exit finds the exit known. Deadlines are not in here: they come last of all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/event.h"

namespace oxherd {

enum class Urgency : std::uint8_t {
  kNotify,   // a program's own word: it is ready
  kProcess,  // the keeper's reports, among themselves in their order
  kControl,  // people
  kRest,     // probes
};

class Inbox {
 public:
  void Put(Urgency urgency, Event event) {
    events_[static_cast<std::size_t>(urgency)].push_back(std::move(event));
  }

  [[nodiscard]] bool is_empty() const {
    for (const auto& list : events_) {
      if (!list.empty()) return false;
    }
    return true;
  }

  // Hands out everything in order and is empty then; what is put in meanwhile is for the next turn.
  template <typename Handle>
  void Drain(Handle&& handle) {
    auto taken = std::exchange(events_, {});
    for (auto& list : taken) {
      for (Event& event : list) handle(event);
    }
  }

 private:
  std::array<std::vector<Event>, 4> events_;
};

}  // namespace oxherd
