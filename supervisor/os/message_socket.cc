#include "os/message_socket.h"

#include <sys/socket.h>

#include <cstring>

#include "base/check.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(int) * kMaxPassed);

}  // namespace

SystemResult<MessagePair> MakeMessagePair() {
  std::array<int, 2> ends{};
  constexpr int kKind = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
  if (Try([&] { return ::socketpair(AF_UNIX, kKind, 0, ends.data()); }) < 0) return LastErrno();
  return MessagePair{.ours = Fd(ends[0]), .theirs = Fd(ends[1])};
}

SystemStatus SendMessage(int socket, std::span<const std::byte> bytes,
                         std::span<const int> descriptors) {
  OXHERD_CHECK(descriptors.size() <= kMaxPassed,
               "one message carries a bounded number of descriptors");
  // sendmsg only reads, but its structs have no const.
  iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, kControlBytes> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  const ssize_t sent =
      Try([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (sent < 0) return LastErrno();
  return {};
}

SystemResult<Received> ReceiveMessage(int socket, std::span<std::byte> buffer) {
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) std::array<char, kControlBytes> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size =
      Try([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
  if (size < 0) return LastErrno();
  Received received;
  received.size = static_cast<std::size_t>(size);
  received.complete = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
      // The control buffer holds no more than the array.
      received.descriptors[received.descriptor_count++].Reset(number);
    }
  }
  return received;
}

}  // namespace oxherd::os
