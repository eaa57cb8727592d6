// Random: the simulator's only source of chance, so that a seed is a whole scenario.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/time.h"

namespace oxherd::sim {

// One step of splitmix64: well mixed bits out of any number.
[[nodiscard]] constexpr std::uint64_t Mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}
[[nodiscard]] constexpr std::uint64_t Mix(std::uint64_t a, std::uint64_t b) {
  return Mix(Mix(a) ^ b);
}

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(Mix(seed)) {}

  constexpr std::uint64_t Next() { return Mix(state_ += 0x9E3779B97F4A7C15ULL); }
  // 0 … bound - 1; bound is not 0.
  constexpr std::uint32_t Below(std::size_t bound) {
    return static_cast<std::uint32_t>(((Next() >> 32) * bound) >> 32);
  }
  constexpr bool OneIn(std::size_t count) { return Below(count) == 0; }
  template <typename T, std::size_t N>
  constexpr T Pick(const std::array<T, N>& choices) {
    return choices[Below(N)];
  }
  // One of the listed numbers of milliseconds.
  template <std::size_t N>
  constexpr Millis PickMillis(const std::array<int, N>& choices) {
    return Millis(choices[Below(N)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace oxherd::sim
