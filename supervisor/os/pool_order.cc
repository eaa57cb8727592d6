#include "os/pool_order.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "os/clock.h"
#include "os/fd.h"
#include "os/steering.h"
#include "os/traffic_facts.h"

namespace oxherd::os {
namespace {

// A client sees up to 20 bytes less, which its own options take. All are below 32,768, which the
// kernel allows, and half of the least window.
constexpr int kFirstSize = 4'096;
constexpr int kStep = 32;
static_assert(kFirstSize + kStep * kMaxPoolWidth < 32'768);
constexpr Millis kPatience{200};

// Each listening socket says its own size as long as this lives.
class Sizes {
 public:
  explicit Sizes(std::span<const int> sockets) : sockets_(sockets), before_(sockets.size(), -1) {}
  Sizes(const Sizes&) = delete;
  Sizes& operator=(const Sizes&) = delete;
  ~Sizes() {
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      if (before_[i] >= 0) (void)Set(sockets_[i], before_[i]);
    }
  }

  // False: not to be had.
  [[nodiscard]] bool SetAll(std::span<const std::size_t> listening) {
    return std::ranges::all_of(listening, [this](std::size_t i) {
      before_[i] = Get(sockets_[i]);
      return Set(sockets_[i], kFirstSize + kStep * static_cast<int>(i));
    });
  }

  // Whose size it is that a client got.
  [[nodiscard]] static std::optional<std::size_t> Whose(int client) {
    const int size = Get(client) + kStep - 1 - kFirstSize;
    if (size < 0) return std::nullopt;
    return static_cast<std::size_t>(size / kStep);
  }

 private:
  // As TCP_MAXSEG has it; what nobody has set reads as that, and is set as 0.
  static constexpr int kUnset = 536;

  static int Get(int socket) {
    int size = 0;
    socklen_t length = sizeof size;
    return ::getsockopt(socket, IPPROTO_TCP, TCP_MAXSEG, &size, &length) == 0 ? size : -1;
  }
  static bool Set(int socket, int size) {
    const int value = size == kUnset ? 0 : size;
    return ::setsockopt(socket, IPPROTO_TCP, TCP_MAXSEG, &value, sizeof value) == 0;
  }

  std::span<const int> sockets_;
  std::vector<int> before_;
};

struct Endpoint {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Endpoint EndpointOf(const std::string& host, std::uint16_t port) {
  Endpoint endpoint;
  sockaddr_in ipv4{};
  sockaddr_in6 ipv6{};
  if (::inet_pton(AF_INET, host.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    std::memcpy(&endpoint.bytes, &ipv4, sizeof ipv4);
    endpoint.size = sizeof ipv4;
  } else {
    ::inet_pton(AF_INET6, host.c_str(), &ipv6.sin6_addr);
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    std::memcpy(&endpoint.bytes, &ipv6, sizeof ipv6);
    endpoint.size = sizeof ipv6;
  }
  return endpoint;
}

bool IsConnectedBy(int socket, Instant deadline) {
  pollfd look{.fd = socket, .events = POLLOUT, .revents = 0};
  const auto left = std::max<std::int64_t>((deadline - Now()).count() / 1'000'000, 0);
  if (Try([&] { return ::poll(&look, 1, static_cast<int>(left)); }) <= 0) return false;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

// Which socket a client of this place ends at.
std::optional<std::size_t> AskPlace(const ProbePath& path, Instant deadline) {
  const Endpoint from = EndpointOf(path.source, path.source_port);
  const Endpoint to = EndpointOf(path.target, path.target_port);
  const Fd client(::socket(from.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (!client || ::bind(client.get(), from.get(), from.size) < 0) return std::nullopt;
  const int begun = Try([&] { return ::connect(client.get(), to.get(), to.size); });
  if (begun < 0 && errno != EINPROGRESS) return std::nullopt;
  if (!IsConnectedBy(client.get(), deadline)) return std::nullopt;
  return Sizes::Whose(client.get());
}

}  // namespace

std::optional<std::vector<std::size_t>> AskOrder(const PoolAddress& address,
                                                 std::span<const int> sockets) {
  if (sockets.size() > kMaxPoolWidth) return std::nullopt;
  std::vector<std::size_t> listening;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i] >= 0 && IsListening(sockets[i]).value_or(false)) listening.push_back(i);
  }
  if (listening.empty()) return std::nullopt;
  Sizes sizes(sockets);
  if (!sizes.SetAll(listening)) return std::nullopt;
  const Instant deadline = Now() + kPatience;
  std::vector<std::size_t> order;
  while (order.size() < listening.size()) {
    const auto path = ProbePathTo(address, static_cast<std::uint16_t>(order.size()));
    const auto socket = path ? AskPlace(*path, deadline) : std::nullopt;
    const bool is_news = socket && std::ranges::count(listening, *socket) == 1 &&
                         std::ranges::count(order, *socket) == 0;
    if (!is_news) return std::nullopt;
    order.push_back(*socket);
  }
  return order;
}

}  // namespace oxherd::os
