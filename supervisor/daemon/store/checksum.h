// A 64-bit checksum against torn and rotten bytes in the image and in state.json; not against
// malice.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace oxherd {

// Spreads every bit of `value` over all bits of the result.
[[nodiscard]] constexpr std::uint64_t MixBits(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93ULL;
  value ^= value >> 29;
  value *= 0x9e3779b97f4a7c15ULL;
  return value ^ (value >> 32);
}

// Eight bytes a step. The length counts too: a text and the same text with NULs behind it differ.
[[nodiscard]] inline std::uint64_t Checksum(std::span<const std::byte> bytes) {
  constexpr std::size_t kStep = sizeof(std::uint64_t);
  std::uint64_t sum = MixBits(bytes.size() + 1);
  while (bytes.size() >= kStep) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), kStep);
    sum = std::rotl(sum ^ MixBits(word), 23) * 0x9fb21c651e98df25ULL;
    bytes = bytes.subspan(kStep);
  }
  std::uint64_t rest = 0;
  if (!bytes.empty()) std::memcpy(&rest, bytes.data(), bytes.size());
  return MixBits(sum ^ MixBits(rest));
}

}  // namespace oxherd
