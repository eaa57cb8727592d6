#include "os/fetch_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "os/random.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kGateWords = 4;
using Gate = std::array<std::uint8_t, kGateWords * 4>;

// Passes datagrams that begin with the gate whole, and no others.
SystemStatus Guard(int socket, const Gate& gate) {
  std::array<sock_filter, kGateWords * 2 + 2> program{};
  std::size_t at = 0;
  for (std::size_t word = 0; word < kGateWords; ++word) {
    std::uint32_t expected = 0;
    std::memcpy(&expected, gate.data() + word * 4, sizeof expected);
    program[at++] = {.code = BPF_LD | BPF_W | BPF_ABS,
                     .jt = 0,
                     .jf = 0,
                     .k = static_cast<std::uint32_t>(word * 4)};
    const std::size_t to_the_last = program.size() - 2 - at;
    program[at++] = {.code = BPF_JMP | BPF_JEQ | BPF_K,
                     .jt = 0,
                     .jf = static_cast<std::uint8_t>(to_the_last),
                     .k = ntohl(expected)};
  }
  program[at++] = {.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = ~std::uint32_t{0}};
  program[at++] = {.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()),
                          .filter = program.data()};
  if (Try([&] {
        return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
      }) < 0) {
    return LastErrno();
  }
  return {};
}

SystemStatus SetUp(int socket, const Gate& gate) {
  if (const SystemStatus guarded = Guard(socket, gate); !guarded) return guarded;
  const int on = 1;
  if (Try([&] { return ::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on); }) < 0) {
    return LastErrno();
  }
  // From 6.16 on a sender with descriptors is refused. Before, our children could make us close one
  // of theirs, which may take its time (SO_LINGER): no stranger can, because of the gate.
  constexpr int kPassRights = 83;
  const int off = 0;
  static_cast<void>(::setsockopt(socket, SOL_SOCKET, kPassRights, &off, sizeof off));
  return {};
}

Result<Fd> Bind(const std::string& name, const Gate& gate) {
  constexpr const char* kPurpose = "make the socket for listening sockets";
  Fd socket(Try([] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }));
  if (!socket) return ErrnoError(kPurpose);
  if (const SystemStatus done = SetUp(socket.get(), gate); !done) {
    return ToError(kPurpose, done.error());
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) return ErrnoError(kPurpose, ENAMETOOLONG);
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  if (Try([&] { return ::bind(socket.get(), plain, size); }) < 0) return ErrnoError(kPurpose);
  return socket;
}

// "0a1b" as bytes; false for anything else.
bool ParseHexadecimal(std::string_view text, std::span<std::uint8_t> bytes) {
  if (text.size() != bytes.size() * 2) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* digits = text.data() + 2 * i;
    if (std::from_chars(digits, digits + 2, bytes[i], 16).ptr != digits + 2) return false;
  }
  return true;
}

}  // namespace

Result<FetchSocket> FetchSocket::Open() {
  Gate gate{};
  std::array<std::uint8_t, 8> unique{};
  FillRandom(gate);
  FillRandom(unique);
  const std::string name = "oxherd-listen-" + Hexadecimal(unique);
  OXHERD_TRY_ASSIGN(Fd socket, Bind(name, gate));
  return FetchSocket(std::move(socket), name + ":" + Hexadecimal(gate));
}

Result<FetchSocket> FetchSocket::OpenAgain(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  Gate gate{};
  if (colon == std::string::npos || colon == 0 ||
      !ParseHexadecimal(std::string_view(text).substr(colon + 1), gate)) {
    return MakeError("\"" + text + "\" names no socket for listening sockets");
  }
  OXHERD_TRY_ASSIGN(Fd socket, Bind(text.substr(0, colon), gate));
  return FetchSocket(std::move(socket), text);
}

std::optional<FetchSocket::Asked> FetchSocket::Receive(std::span<std::byte> buffer) {
  Asked asked;
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  // Room for the credentials and not for one descriptor.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
  msghdr message{};
  message.msg_name = &asked.from;
  message.msg_namelen = sizeof asked.from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size =
      Try([&] { return ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  if (size < 0) return std::nullopt;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  const bool is_known =
      header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS;
  const bool has_sender = message.msg_namelen > offsetof(sockaddr_un, sun_path);
  if (!is_known || !has_sender || (message.msg_flags & MSG_TRUNC) != 0) return asked;
  ucred credentials{};
  std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
  asked.size = static_cast<std::size_t>(size);
  asked.uid = credentials.uid;
  asked.pid = credentials.pid;
  asked.from_size = message.msg_namelen;
  return asked;
}

void FetchSocket::Answer(const Asked& asked, std::span<const std::byte> bytes, int descriptor) {
  // sendmsg only reads, but its structs have no const.
  iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_name = const_cast<sockaddr_un*>(&asked.from);
  message.msg_namelen = asked.from_size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  const ssize_t sent =
      Try([&] { return ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  // It may have given up, or died: then nobody misses the answer.
  static_cast<void>(sent);
}

}  // namespace oxherd::os
