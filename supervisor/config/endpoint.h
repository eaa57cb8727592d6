// The addresses that health checks ask: http URLs and host:port, taken apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace oxherd {

struct Endpoint {
  std::string host;  // a name or an address; IPv6 without brackets
  std::uint16_t port = 0;
  std::string target;  // path and query, "/" at least; empty for tcp
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "http://host[:port][/path][?query]", nothing left to expand. A fragment is dropped.
[[nodiscard]] Result<Endpoint> ParseHttpEndpoint(std::string_view url);

// "host:port", "[::1]:port".
[[nodiscard]] Result<Endpoint> ParseTcpEndpoint(std::string_view text);

}  // namespace oxherd
