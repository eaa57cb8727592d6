// Bytes that nobody can guess, and how they are written.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace oxherd::os {

// Fills all of it from the kernel's generator (getrandom(2)). Waits only before the kernel has
// gathered entropy, at boot.
void FillRandom(std::span<std::uint8_t> bytes);

// A random number that is not zero.
[[nodiscard]] std::uint64_t RandomNumber();

// Two digits for each byte, lower case.
[[nodiscard]] std::string Hexadecimal(std::span<const std::uint8_t> bytes);

}  // namespace oxherd::os
