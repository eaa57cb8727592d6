// SHA-256 and HMAC-SHA-256, for the signatures of webhooks.
//
// Source: FIPS 180-4, RFC 2104. Written here because no library that the daemon is linked with has
// it: a package that depends on libc alone is worth these hundred lines, which the vectors of NIST
// and RFC 4231 test.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace oxherd {

using Sha256 = std::array<std::uint8_t, 32>;

[[nodiscard]] Sha256 Sha256Of(std::string_view text);
[[nodiscard]] Sha256 HmacSha256(std::string_view key, std::string_view text);

// Lower-case hexadecimal digits.
[[nodiscard]] std::string Hexadecimal(const Sha256& digest);

// Whether the two are the same, in a time that tells nothing of where they differ. Nothing is the
// same as an empty `expected`.
[[nodiscard]] bool IsSameSecret(std::string_view given, std::string_view expected);

}  // namespace oxherd
