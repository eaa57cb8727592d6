#include "os/random.h"

#include <sys/random.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace oxherd::os {

void FillRandom(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

std::uint64_t RandomNumber() {
  std::uint64_t number = 0;
  while (number == 0) {
    std::array<std::uint8_t, sizeof number> bytes{};
    FillRandom(bytes);
    std::memcpy(&number, bytes.data(), sizeof number);
  }
  return number;
}

std::string Hexadecimal(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace oxherd::os
