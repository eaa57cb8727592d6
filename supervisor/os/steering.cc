#include "os/steering.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>

namespace oxherd::os {
namespace {

constexpr std::uint32_t kProbeNetwork = 127U << 24 | 83U << 16;  // 127.83.0.0/16

// Where the program reads: the network header of the SYN.
constexpr std::uint32_t kNetwork = static_cast<std::uint32_t>(SKF_NET_OFF);
constexpr std::uint32_t kAncillary = static_cast<std::uint32_t>(SKF_AD_OFF);
constexpr std::uint32_t kIpv4Source = kNetwork + 12;
constexpr std::uint32_t kIpv6Source = kNetwork + 8;
constexpr std::uint32_t kIpv6SourcePort = kNetwork + 40;  // a TCP header right after the IPv6 one
constexpr std::uint32_t kNoPlace = ~std::uint32_t{0};     // any index that no group has

sock_filter Do(unsigned code, std::uint32_t operand = 0) {
  return {.code = static_cast<std::uint16_t>(code), .jt = 0, .jf = 0, .k = operand};
}
// Skips that many instructions if so, and if not.
sock_filter Jump(unsigned test, std::uint32_t operand, std::uint8_t if_so, std::uint8_t if_not) {
  return {.code = static_cast<std::uint16_t>(BPF_JMP | test | BPF_K),
          .jt = if_so,
          .jf = if_not,
          .k = operand};
}
sock_filter LoadWord(std::uint32_t from) { return Do(BPF_LD | BPF_W | BPF_ABS, from); }
sock_filter ReturnIt() { return Do(BPF_RET | BPF_A); }

void AddProbes(std::vector<sock_filter>& program) {
  const std::array ipv4 = {
      LoadWord(kAncillary + SKF_AD_PROTOCOL),
      Jump(BPF_JEQ, ETH_P_IP, 0, 6),
      LoadWord(kIpv4Source),
      Do(BPF_ALU | BPF_AND | BPF_K, 0xFFFF'0000),
      Jump(BPF_JEQ, kProbeNetwork, 0, 15),
      LoadWord(kIpv4Source),
      Do(BPF_ALU | BPF_AND | BPF_K, 0xFFFF),
      ReturnIt(),
  };
  const std::array ipv6 = {
      LoadWord(kIpv6Source),
      Jump(BPF_JEQ, 0, 0, 10),
      LoadWord(kIpv6Source + 4),
      Jump(BPF_JEQ, 0, 0, 8),
      LoadWord(kIpv6Source + 8),
      Jump(BPF_JEQ, 0, 0, 6),
      LoadWord(kIpv6Source + 12),
      Jump(BPF_JEQ, 1, 0, 4),
      Do(BPF_LD | BPF_H | BPF_ABS, kIpv6SourcePort),
      Jump(BPF_JGE, kFirstProbePort, 0, 2),
      Do(BPF_ALU | BPF_SUB | BPF_K, kFirstProbePort),
      ReturnIt(),
  };
  static_assert(ipv4.size() - 2 == 6 && ipv6.size() + 3 == 15, "the jumps above count these");
  program.insert(program.end(), ipv4.begin(), ipv4.end());
  program.insert(program.end(), ipv6.begin(), ipv6.end());
}

// A number below the count of places, by chance; then the place of that number: the runs before it
// are skipped, and within its run it lies as far from its start.
void AddClients(std::vector<sock_filter>& program, std::span<const std::uint16_t> places) {
  if (places.empty()) {
    program.push_back(Do(BPF_RET | BPF_K, kNoPlace));
    return;
  }
  program.push_back(LoadWord(kAncillary + SKF_AD_RANDOM));
  program.push_back(Do(BPF_ALU | BPF_MOD | BPF_K, static_cast<std::uint32_t>(places.size())));
  for (std::size_t start = 0; start < places.size();) {
    std::size_t end = start + 1;
    while (end < places.size() && places[end] == places[end - 1] + 1) ++end;
    program.push_back(Jump(BPF_JGE, static_cast<std::uint32_t>(end), 2, 0));
    program.push_back(Do(BPF_ALU | BPF_ADD | BPF_K, static_cast<std::uint32_t>(places[start]) -
                                                        static_cast<std::uint32_t>(start)));
    program.push_back(ReturnIt());
    start = end;
  }
  program.push_back(Do(BPF_RET | BPF_K, kNoPlace));
}

}  // namespace

std::vector<sock_filter> SteeringProgram(std::span<const std::uint16_t> places) {
  std::vector<sock_filter> program;
  AddProbes(program);
  AddClients(program, places);
  return program;
}

SystemStatus Steer(int socket, std::span<const std::uint16_t> places) {
  std::vector<sock_filter> instructions = SteeringProgram(places);
  const sock_fprog program{.len = static_cast<std::uint16_t>(instructions.size()),
                           .filter = instructions.data()};
  if (Try([&] {
        return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
      }) < 0) {
    return LastErrno();
  }
  return {};
}

std::optional<ProbePath> ProbePathTo(const PoolAddress& address, std::uint16_t place) {
  if (address.family == PoolAddress::Family::kUnix || place >= kMaxPlaces) return std::nullopt;
  const bool over_ipv4 = address.family == PoolAddress::Family::kIpv4 || address.is_any();
  if (over_ipv4) {
    return ProbePath{
        .source = "127.83." + std::to_string(place >> 8) + "." + std::to_string(place & 0xFF),
        .source_port = 0,
        .target = address.is_any() ? "127.0.0.1" : address.host_text(),
        .target_port = address.port};
  }
  return ProbePath{.source = "::1",
                   .source_port = static_cast<std::uint16_t>(kFirstProbePort + place),
                   .target = address.host_text(),
                   .target_port = address.port};
}

}  // namespace oxherd::os
