// Fingerprint: a state as one number, in which it does not matter when it is and which numbers the
// tokens have: what differs by nothing else goes on in the same way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/codec_fields.h"
#include "core/state.h"
#include "tests/sim/random.h"

namespace oxherd::sim {

class Fingerprint {
 public:
  Fingerprint(Instant now, Token next) : now_(now), next_(next) {}

  [[nodiscard]] std::uint64_t value() const { return value_; }

  template <typename... T>
  void operator()(const T&... fields) {
    (Value(fields), ...);
  }
  void Number(std::uint64_t number) { value_ = Mix(value_ ^ number); }

  // Points in time count from now; how long ago something was does not matter after a while.
  void Value(Instant instant) {
    constexpr Duration kLongAgo = std::chrono::seconds(1);
    const Duration since =
        instant == kNever ? Duration::max() : std::max(instant - now_, -kLongAgo);
    Number(static_cast<std::uint64_t>(since.count()));
  }
  void Value(Token token) { Number(token.is_set() ? next_.number() - token.number() : 0); }
  template <typename Tag, typename N>
  void Value(Id<Tag, N> id) {
    Number(static_cast<std::uint64_t>(id.number()));
  }
  template <typename Rep, typename Period>
  void Value(std::chrono::duration<Rep, Period> duration) {
    Number(static_cast<std::uint64_t>(duration.count()));
  }
  void Value(const std::string& text) { Number(std::hash<std::string>{}(text)); }
  void Value(const Failure& failure) { Number(static_cast<std::uint64_t>(failure.kind)); }
  void Value(const SpecPtr& spec) { Number(spec->source_line); }
  template <typename T>
  void Value(const std::vector<T>& items) {
    Number(items.size());
    for (const T& item : items) Value(item);
  }
  template <typename T>
  void Value(const std::optional<T>& maybe) {
    Number(maybe.has_value() ? 1 : 0);
    if (maybe) Value(*maybe);
  }
  void Value(const InstanceState& state) {
    Number(state.index());
    std::visit([this](const auto& one) { Value(one); }, state);
  }
  template <typename T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  void Value(T value) {
    Number(static_cast<std::uint64_t>(value));
  }
  void Value(const Service& service) {
    // Not the count of its changes.
    (*this)(service.wish, service.deleting, service.generation, service.specs, service.slots,
            service.rollout, service.next, service.stop_order, service.hooks);
  }
  template <typename T>
    requires(std::is_class_v<T>)
  void Value(const T& fields) {
    using codec::Fields;
    Fields(*this, fields);
  }

 private:
  Instant now_;
  Token next_;
  std::uint64_t value_ = 0;
};

}  // namespace oxherd::sim
