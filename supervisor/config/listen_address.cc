#include "config/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

#include "base/number.h"

namespace oxherd {

namespace {

constexpr std::string_view kTcp = "tcp:";
constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kMaxUnixPath = 107;  // unix(7): sun_path, with its NUL
constexpr std::size_t kShown = 64;

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  const auto port = ParseNumber<std::uint16_t>(text);
  return port == 0 ? std::nullopt : port;
}

bool IsAddress(int family, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(family, host.c_str(), bytes.data()) == 1;
}

// As the kernel writes it, so that equal addresses are equal texts.
std::string Canonical(int family, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_pton(family, host.c_str(), bytes.data()) != 1) return host;
  return inet_ntop(family, bytes.data(), text.data(), text.size());
}

std::unexpected<Error> NoAddress(std::string_view text) {
  return MakeError(
      fmt::format("\"{}\" is no address to listen on; write 3000, \"127.0.0.1:3000\", "
                  "\"[::1]:3000\" or \"unix:/run/api.sock\"",
                  text.substr(0, kShown)));
}

Result<ListenAddress> ParseUnix(std::string_view path, const std::string& folder) {
  if (path.empty()) return MakeError("no path after \"unix:\"; write \"unix:/run/api.sock\"");
  std::string absolute = path.front() == '/' ? std::string(path) : folder + "/" + std::string(path);
  if (absolute.size() > kMaxUnixPath) {
    return MakeError(fmt::format("the path of a Unix socket has at most {} bytes; this one has {}",
                                 kMaxUnixPath, absolute.size()));
  }
  return ListenAddress{.address = std::string(kUnix) + absolute};
}

Result<ListenAddress> ParseHostAndPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const auto port = ParsePort(text.substr(colon + 1));
  if (!port) {
    return MakeError(fmt::format("\"{}\" has no port from 1 to 65535 after the last \":\"",
                                 text.substr(0, kShown)));
  }
  std::string host(text.substr(0, colon));
  if (host.empty() || host == "*") {
    return ListenAddress{.address = fmt::format("tcp:[::]:{}", *port), .any_family = true};
  }
  if (host == "localhost") host = "127.0.0.1";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!IsAddress(AF_INET6, host)) return NoAddress(text);
    return ListenAddress{.address = fmt::format("tcp:[{}]:{}", Canonical(AF_INET6, host), *port)};
  }
  if (IsAddress(AF_INET, host)) {
    return ListenAddress{.address = fmt::format("tcp:{}:{}", host, *port)};
  }
  if (host.contains(':')) {
    std::erase_if(host, [](char c) { return c == '[' || c == ']'; });
    return MakeError(fmt::format("write an IPv6 address in brackets: \"[{}]:{}\"", host, *port));
  }
  return MakeError(
      fmt::format("\"{}\" is a name; write the address that it stands for, or {} alone "
                  "for every address",
                  host.substr(0, kShown), *port));
}

}  // namespace

Result<ListenAddress> ParseListenAddress(std::string_view text, const std::string& folder) {
  if (text.starts_with(kUnix)) return ParseUnix(text.substr(kUnix.size()), folder);
  if (text.starts_with(kTcp)) text.remove_prefix(kTcp.size());
  if (const auto port = ParsePort(text)) {
    return ListenAddress{.address = fmt::format("tcp:[::]:{}", *port), .any_family = true};
  }
  if (!text.contains(':')) return NoAddress(text);
  return ParseHostAndPort(text);
}

std::optional<std::uint16_t> PortOf(const ListenAddress& address) {
  const std::string_view text = address.address;
  if (!text.starts_with(kTcp)) return std::nullopt;
  return ParsePort(text.substr(text.rfind(':') + 1));
}

bool Overlap(const ListenAddress& a, const ListenAddress& b) {
  if (a.address == b.address) return true;
  const auto port = PortOf(a);
  if (!port || port != PortOf(b)) return false;
  const auto is_any_ipv4 = [](const ListenAddress& each) {
    return each.address.starts_with("tcp:0.0.0.0:");
  };
  const auto is_any = [](const ListenAddress& each) {
    return each.address.starts_with("tcp:[::]:");
  };
  const auto is_ipv6 = [](const ListenAddress& each) { return each.address.starts_with("tcp:["); };
  if (is_any(a) || is_any(b)) return true;  // dual-stack
  return (is_any_ipv4(a) && !is_ipv6(b)) || (is_any_ipv4(b) && !is_ipv6(a));
}

std::string Written(const ListenAddress& address) {
  const std::string_view text = address.address;
  if (address.any_family) return std::string(text.substr(text.rfind(':') + 1));
  return std::string(text.starts_with(kTcp) ? text.substr(kTcp.size()) : text);
}

}  // namespace oxherd
