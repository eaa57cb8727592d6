// Steering: which socket of a SO_REUSEPORT group gets a new connection, as a classic BPF program in
// the kernel.
//
// The program is replaced in one step: every SYN is judged by the old or the new one. It needs no
// privilege. A *place* is the index of a socket in the group's own order (os/listen_pool.h). A
// connection that is a *probe* says by its source to which place it goes: from 127.83.HI.LO
// (IPv4, also on a dual-stack socket; a source in 127/8 cannot come from outside), or from
// [::1]:61000+place. All others go to one of the chosen places, by chance.
// Source: socket(7) SO_ATTACH_REUSEPORT_CBPF; linux/filter.h.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/listen_pool.h"
#include "os/system_call.h"

namespace oxherd::os {

constexpr std::uint16_t kFirstProbePort = 61'000;  // above Linux' range for outgoing connections
// Places beyond so many cannot be asked for by a probe over IPv6.
constexpr std::uint16_t kMaxPlaces = 4'096;

// The program that sends clients to `places`: sorted, each once. With none, and for a place that
// is not there, the kernel spreads over all sockets. Runs of places cost three instructions each.
// Pure.
[[nodiscard]] std::vector<sock_filter> SteeringProgram(std::span<const std::uint16_t> places);

// Attaches the program to the group of `socket`, at once and for all its sockets. The socket is in
// LISTEN, or no socket of the group is yet: one that was shut down takes the program in silence and
// for itself (so look first: os/traffic_facts.h, IsListening). EINVAL: not bound with SO_REUSEPORT.
// EPERM, ENOPROTOOPT, ENOMEM: steering is not to be had here.
[[nodiscard]] SystemStatus Steer(int socket, std::span<const std::uint16_t> places);

// How a probe reaches one place of a pool: bind to the first, connect to the second. Numeric texts.
// One with a source port: bind with SO_REUSEADDR and close with SO_LINGER 0, or the next probe
// finds the port in TIME_WAIT.
struct ProbePath {
  std::string source;
  std::uint16_t source_port = 0;  // 0: any
  std::string target;
  std::uint16_t target_port = 0;
};
// Nothing for Unix sockets, which are not steered, and for a place of kMaxPlaces and more.
[[nodiscard]] std::optional<ProbePath> ProbePathTo(const PoolAddress& address, std::uint16_t place);

}  // namespace oxherd::os
