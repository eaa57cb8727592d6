// Trace: what happened, as lines that a person can read. Only written when somebody will.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "core/action.h"
#include "core/event.h"
#include "core/state.h"
#include "core/supervisor.h"
#include "keeper/protocol.h"
#include "tests/sim/kernel.h"
#include "tests/sim/scenario.h"

namespace oxherd::sim {

class Trace {
 public:
  void Clear() { text_.clear(); }
  [[nodiscard]] const std::string& text() const { return text_; }

  void Note(Instant now, std::string_view what);
  void Take(Instant now, const Event& event);
  void Join(Instant now, const World& world);
  void Decide(const Actions& actions, std::size_t performed);
  void Show(const State& state, Instant now);

 private:
  std::string text_;
};

[[nodiscard]] std::string Describe(const Event& event);
[[nodiscard]] std::string Describe(const Action& action);
[[nodiscard]] std::string Describe(const State& state, Instant now);
[[nodiscard]] std::string Describe(const Scenario& scenario);
[[nodiscard]] std::string Describe(const Step& step);
[[nodiscard]] std::string_view Name(Verb verb);

}  // namespace oxherd::sim
