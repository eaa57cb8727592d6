// The names of things: tokens, generations, slots, requests and instances, each a type of its own.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace oxherd {

// A number that cannot be mixed up with a number of another kind. Zero means "none".
template <typename Tag, typename Number>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(Number number) : number_(number) {}

  [[nodiscard]] constexpr Number number() const { return number_; }
  [[nodiscard]] constexpr bool is_set() const { return number_ != 0; }
  [[nodiscard]] constexpr Id Next() const { return Id(static_cast<Number>(number_ + 1)); }

  friend constexpr auto operator<=>(const Id&, const Id&) = default;

 private:
  Number number_ = 0;
};

// Given to each spawn, never reused: the identity of one process we started.
using Token = Id<struct TokenTag, std::uint64_t>;
// Counts the specs that a service has run; the first is 1.
using Generation = Id<struct GenerationTag, std::uint32_t>;
// A client's random name for one request: the same number twice is one request.
using RequestId = Id<struct RequestTag, std::uint64_t>;
// Process id, for showing and for the kernel's interfaces; never an identity.
using Pid = Id<struct PidTag, std::int32_t>;

// The position of an instance in its service: api/0 has slot 0.
using SlotIndex = std::uint16_t;

// A listening socket of a service, at each of its addresses: 0 … width-1. An instance holds one.
using SocketNumber = std::uint16_t;

// One numbered copy of a service: "api/0".
struct InstanceId {
  std::string service;
  SlotIndex slot = 0;

  [[nodiscard]] std::string Text() const { return service + "/" + std::to_string(slot); }

  friend auto operator<=>(const InstanceId&, const InstanceId&) = default;
};

}  // namespace oxherd

template <typename Tag, typename Number>
struct std::hash<oxherd::Id<Tag, Number>> {
  std::size_t operator()(const oxherd::Id<Tag, Number>& id) const noexcept {
    return std::hash<Number>{}(id.number());
  }
};
