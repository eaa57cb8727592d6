// The addresses of `listen`, taken apart: what people write, and the one form in which core/ and
// os/ know them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "core/spec.h"

namespace oxherd {

// "3000" (every address), "127.0.0.1:3000", "localhost:3000" (127.0.0.1), "[::1]:3000", "*:3000",
// "unix:/run/api.sock". A relative path is one below `folder`. Nothing is looked up: a name is an
// error. The error says what to write instead.
[[nodiscard]] Result<ListenAddress> ParseListenAddress(std::string_view text,
                                                       const std::string& folder);

// The port of "tcp:…"; nothing for a Unix socket.
[[nodiscard]] std::optional<std::uint16_t> PortOf(const ListenAddress& address);

// Whether the two cannot both be opened: the same, or the same port where one of them is every
// address.
[[nodiscard]] bool Overlap(const ListenAddress& a, const ListenAddress& b);

// As people write it: "3000", "127.0.0.1:3000", "unix:/run/api.sock".
[[nodiscard]] std::string Written(const ListenAddress& address);

}  // namespace oxherd
