// What a program's last lines say of a port that it could not have.
//
// Pure, for any bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace oxherd {

struct PortEvidence {
  // Some line says that an address is in use (EADDRINUSE in the words of Node, Python, Go, Java,
  // Ruby, Rust, nginx, …).
  bool is_taken = false;
  // The address is a path: a Unix socket.
  bool is_path = false;
  // The numbers in those lines that may be its port, the likeliest first.
  std::vector<std::uint16_t> ports;
};
[[nodiscard]] PortEvidence EvidenceIn(const std::vector<std::string>& lines);

}  // namespace oxherd
