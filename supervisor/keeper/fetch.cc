#include "keeper/fetch.h"

#include <algorithm>
#include <cstring>

#include "base/number.h"

namespace oxherd::keeper {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool IsAny(const TcpAddress& address) {
  return std::ranges::all_of(address.host, [](std::uint8_t byte) { return byte == 0; });
}

// ::ffff:127.0.0.1, as Java asks, is 127.0.0.1 for a program that understands IPv6.
std::array<std::uint8_t, 16> HostOf(const TcpAddress& address) {
  const bool is_mapped =
      address.family == TcpAddress::Family::kIpv6 &&
      std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.host.begin());
  if (!is_mapped) return address.host;
  std::array<std::uint8_t, 16> host{};
  std::copy(address.host.begin() + 12, address.host.end(), host.begin());
  return host;
}

}  // namespace

std::optional<FetchRequest> ParseFetchRequest(std::span<const std::byte> bytes) {
  OxherdFetchRequest raw{};
  if (bytes.size() != sizeof raw) return std::nullopt;
  std::memcpy(&raw, bytes.data(), sizeof raw);
  if (raw.version != OXHERD_FETCH_VERSION || raw.reserved != 0) return std::nullopt;
  if ((raw.family != 4 && raw.family != 6) || raw.port == 0 || raw.token == 0) return std::nullopt;
  FetchRequest request;
  request.token = Token(raw.token);
  std::ranges::copy(raw.secret, request.secret.begin());
  request.asked.family = static_cast<TcpAddress::Family>(raw.family);
  request.asked.port = raw.port;
  std::ranges::copy(raw.host, request.asked.host.begin());
  return request;
}

Fit FitOf(const TcpAddress& held, const TcpAddress& asked) {
  if (held.port != asked.port) return Fit::kOtherPort;
  const bool same_family = held.family == asked.family;
  if (held.family == TcpAddress::Family::kIpv6 && !same_family) return Fit::kOtherFamily;
  if (IsAny(asked)) return same_family && IsAny(held) ? Fit::kExact : Fit::kNarrower;
  if (held.host != HostOf(asked)) return Fit::kTooWide;
  return same_family ? Fit::kExact : Fit::kNarrower;
}

bool IsSocketOf(std::string_view held_name, std::string_view service, std::uint16_t number) {
  const std::size_t first = held_name.find('\n');
  const std::size_t last = held_name.rfind('\n');
  if (first == last || held_name.substr(0, first) != service) return false;
  return ParseNumber<std::uint16_t>(held_name.substr(last + 1)) == number;
}

bool IsSame(const ListenSecret& one, const ListenSecret& other) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    difference |= static_cast<unsigned>(one[i] ^ other[i]);
  }
  return difference == 0;
}

}  // namespace oxherd::keeper
