#include "os/tcp_dump.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "os/fd.h"

namespace oxherd::os {
namespace {

constexpr const char* kQuestion = "ask the kernel for its sockets";

struct DumpRequest {
  nlmsghdr header;
  inet_diag_req_v2 query;
};

Status Ask(int socket, std::uint8_t family, std::uint32_t states, std::uint16_t port) {
  DumpRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.query.sdiag_family = family;
  request.query.sdiag_protocol = IPPROTO_TCP;
  request.query.idiag_states = states;
  request.query.idiag_ext = 1U << (INET_DIAG_INFO - 1);
  request.query.id.idiag_sport = htons(port);
  if (Try([&] { return ::send(socket, &request, sizeof request, 0); }) < 0) {
    return ErrnoError(kQuestion);
  }
  return {};
}

// Nothing if the bytes are too few for it.
template <typename T>
std::optional<T> Front(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// What comes after something of `size` bytes, which the kernel pads to four.
std::span<const std::byte> After(std::span<const std::byte> bytes, std::size_t size) {
  const std::size_t padded = (size + 3) & ~std::size_t{3};
  return bytes.subspan(std::min(padded, bytes.size()));
}

TcpEndpoint Endpoint(const void* host, __be16 port, std::uint8_t family) {
  TcpEndpoint end;
  std::memcpy(end.host.data(), host, family == AF_INET ? 4 : 16);
  end.port = ntohs(port);
  return end;
}

// tcp_info grows with the kernel: an older one's is shorter, and the rest stays zero.
void ReadInfo(std::span<const std::byte> bytes, TcpSocket& socket) {
  tcp_info info{};
  std::memcpy(&info, bytes.data(), std::min(bytes.size(), sizeof info));
  socket.bytes_received = info.tcpi_bytes_received;
  socket.bytes_sent = info.tcpi_bytes_sent;
  socket.last_received_ms = info.tcpi_last_data_recv;
  socket.last_sent_ms = info.tcpi_last_data_sent;
  socket.last_acked_ms = info.tcpi_last_ack_recv;
}

void ReadAttributes(std::span<const std::byte> bytes, TcpSocket& socket) {
  while (const auto attribute = Front<nlattr>(bytes)) {
    const std::size_t size = attribute->nla_len;
    if (size < sizeof(nlattr) || size > bytes.size()) return;
    if (attribute->nla_type == INET_DIAG_INFO) {
      ReadInfo(bytes.subspan(sizeof(nlattr), size - sizeof(nlattr)), socket);
    }
    bytes = After(bytes, size);
  }
}

void ReadSocket(std::span<const std::byte> body, std::uint16_t port,
                std::vector<TcpSocket>& sockets) {
  const auto row = Front<inet_diag_msg>(body);
  if (!row || (port != kAnyPort && ntohs(row->id.idiag_sport) != port)) return;
  TcpSocket socket{.family = row->idiag_family,
                   .state = row->idiag_state,
                   .local = Endpoint(row->id.idiag_src, row->id.idiag_sport, row->idiag_family),
                   .peer = Endpoint(row->id.idiag_dst, row->id.idiag_dport, row->idiag_family),
                   .inode = row->idiag_inode,
                   .uid = row->idiag_uid,
                   .receive_queue = row->idiag_rqueue,
                   .send_queue = row->idiag_wqueue};
  ReadAttributes(After(body, sizeof *row), socket);
  sockets.push_back(socket);
}

Status Collect(int socket, std::uint16_t port, std::vector<TcpSocket>& sockets) {
  std::array<std::byte, 32'768> buffer{};
  for (;;) {
    const ssize_t size = Try([&] { return ::recv(socket, buffer.data(), buffer.size(), 0); });
    if (size < 0) return ErrnoError(kQuestion);
    const auto bytes = std::span<const std::byte>(buffer).first(static_cast<std::size_t>(size));
    const Result<DumpAnswer> answer = ParseTcpDump(bytes, port, sockets);
    if (!answer) return std::unexpected(answer.error());
    if (*answer == DumpAnswer::kDone || size == 0) return {};
  }
}

}  // namespace

Result<DumpAnswer> ParseTcpDump(std::span<const std::byte> bytes, std::uint16_t port,
                                std::vector<TcpSocket>& sockets) {
  while (const auto header = Front<nlmsghdr>(bytes)) {
    if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > bytes.size()) break;
    const auto body = bytes.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr));
    if (header->nlmsg_type == NLMSG_DONE) return DumpAnswer::kDone;
    if (header->nlmsg_type == NLMSG_ERROR) {
      const auto failure = Front<nlmsgerr>(body);
      return ErrnoError(kQuestion, failure ? -failure->error : EPROTO);
    }
    ReadSocket(body, port, sockets);
    bytes = After(bytes, header->nlmsg_len);
  }
  return DumpAnswer::kMore;
}

Result<std::vector<TcpSocket>> DumpTcp(std::uint32_t states, std::uint16_t port) {
  const Fd socket(
      Try([] { return ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG); }));
  if (!socket) return ErrnoError(kQuestion);
  std::vector<TcpSocket> sockets;
  for (const int family : {AF_INET, AF_INET6}) {
    OXHERD_TRY(Ask(socket.get(), static_cast<std::uint8_t>(family), states, port));
    OXHERD_TRY(Collect(socket.get(), port, sockets));
  }
  return sockets;
}

}  // namespace oxherd::os
