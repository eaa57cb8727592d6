// Whole messages with descriptors between two of our processes: SOCK_SEQPACKET and SCM_RIGHTS.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

// More descriptors in one message than we ever send.
constexpr std::size_t kMaxPassed = 16;

struct MessagePair {
  Fd ours;
  Fd theirs;
};
// socketpair(2); both ends do not block.
[[nodiscard]] SystemResult<MessagePair> MakeMessagePair();

// Sends one message with copies of the descriptors (at most kMaxPassed). Never blocks, never
// SIGPIPE. EAGAIN: no room now. EPIPE, ECONNRESET: the other side is gone. Source: sendmsg(2),
// unix(7).
[[nodiscard]] SystemStatus SendMessage(int socket, std::span<const std::byte> bytes,
                                       std::span<const int> descriptors);

struct Received {
  std::size_t size = 0;   // 0: the other side is closed
  bool complete = false;  // false: bytes or descriptors did not fit; what came is not to be trusted
  std::array<Fd, kMaxPassed> descriptors;
  std::size_t descriptor_count = 0;
};
// Receives one message; its descriptors are close-on-exec. Never blocks: EAGAIN when there is none.
[[nodiscard]] SystemResult<Received> ReceiveMessage(int socket, std::span<std::byte> buffer);

}  // namespace oxherd::os
