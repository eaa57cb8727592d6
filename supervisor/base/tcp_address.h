// An address and port of TCP, as the kernel, the keeper and the preload library tell it each other.
#pragma once

#include <array>
#include <cstdint>

namespace oxherd {

struct TcpAddress {
  enum class Family : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

  Family family = Family::kIpv4;
  std::uint16_t port = 0;
  std::array<std::uint8_t, 16> host{};  // network order; IPv4 in the first four, the rest 0

  friend bool operator==(const TcpAddress&, const TcpAddress&) = default;
};

}  // namespace oxherd
