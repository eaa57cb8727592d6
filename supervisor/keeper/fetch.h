// Which held socket a program may have that wants to bind: the judgement, without system calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/ids.h"
#include "keeper/plan.h"
#include "keeper/protocol.h"
#include "listen/fetch.h"

namespace oxherd::keeper {

// A datagram of the preload library; nothing for bytes that are none of this version. The gate is
// not looked at: the kernel has (os/fetch_socket.h).
struct FetchRequest {
  Token token;
  ListenSecret secret{};
  TcpAddress asked;
};
[[nodiscard]] std::optional<FetchRequest> ParseFetchRequest(std::span<const std::byte> bytes);

// How a held socket suits a program that asked for an address, worst first.
enum class Fit : std::uint8_t {
  kOtherPort,
  kTooWide,      // it serves clients that the program does not want, or only others
  kOtherFamily,  // an IPv4 program would not understand an IPv6 socket
  kNarrower,     // some of the clients that the program would have served
  kExact,
};
[[nodiscard]] Fit FitOf(const TcpAddress& held, const TcpAddress& asked);

// Whether the name of a held socket is that of this service's socket with this number:
// "SERVICE\nADDRESS\nNUMBER".
[[nodiscard]] bool IsSocketOf(std::string_view held_name, std::string_view service,
                              std::uint16_t number);
// Takes the same time wherever they differ.
[[nodiscard]] bool IsSame(const ListenSecret& one, const ListenSecret& other);

}  // namespace oxherd::keeper
