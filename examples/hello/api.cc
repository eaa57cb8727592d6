// A small HTTP API with nothing to install: what a service has to do so that a supervisor can stop
// and replace it without anybody noticing. It reads PORT, answers / /health and /slow (2 s), and at
// SIGTERM it stops accepting, finishes the requests it has, and exits 0.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMaxConnections = 256;
constexpr std::size_t kMaxRequestBytes = std::size_t{8} * 1024;
constexpr milliseconds kSlowReply{2000};
constexpr milliseconds kReadTimeout{5000};

struct Connection {
  int fd = -1;
  std::string request;
  std::string reply;      // empty until the request is complete
  Clock::time_point due;  // when to send the reply, or to give up reading
  [[nodiscard]] bool asked() const { return !reply.empty(); }
};

std::string Reply(int status, std::string_view reason, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) +
         "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

class Api {
 public:
  Api(int listener, int signals, std::string name)
      : listener_(listener), signals_(signals), name_(std::move(name)) {}

  // Serves until SIGTERM or SIGINT came and the last request is answered.
  void Run() {
    while (listener_ >= 0 || !connections_.empty()) {
      Wait();
      SendWhatIsDue();
    }
  }

 private:
  void Wait() {
    std::vector<pollfd> waiting{{signals_, POLLIN, 0}};
    const bool accepts = listener_ >= 0 && connections_.size() < kMaxConnections;
    waiting.push_back({accepts ? listener_ : -1, POLLIN, 0});
    for (const Connection& connection : connections_) {
      waiting.push_back({connection.asked() ? -1 : connection.fd, POLLIN, 0});
    }
    if (poll(waiting.data(), waiting.size(), MillisecondsToNextDeadline()) <= 0) {
      return;
    }
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      if (waiting[i + 2].revents != 0) {
        Read(connections_[i]);
      }
    }
    if (waiting[1].revents != 0) {
      Accept();
    }
    if (waiting[0].revents != 0) {
      ShutDown();
    }
  }

  [[nodiscard]] int MillisecondsToNextDeadline() const {
    std::optional<Clock::time_point> next;
    for (const Connection& connection : connections_) {
      next = std::min(next.value_or(connection.due), connection.due);
    }
    if (!next) {
      return -1;
    }
    const auto left = std::chrono::ceil<milliseconds>(*next - Clock::now());
    return static_cast<int>(std::max(left, milliseconds(0)).count());
  }

  void Accept() {
    while (connections_.size() < kMaxConnections) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      connections_.push_back({fd, {}, {}, Clock::now() + kReadTimeout});
    }
  }

  void Read(Connection& connection) const {
    char buffer[4096];
    const ssize_t got = read(connection.fd, buffer, sizeof buffer);
    if (got > 0) {
      connection.request.append(buffer, static_cast<std::size_t>(got));
      if (connection.request.find("\r\n\r\n") != std::string::npos) {
        Answer(connection);
        return;
      }
    }
    if (got == 0 || (got < 0 && errno != EAGAIN) || connection.request.size() > kMaxRequestBytes) {
      connection.due = Clock::now();  // no whole request will come: close it
    }
  }

  void Answer(Connection& connection) const {
    const std::string_view request = connection.request;
    const std::string_view target = request.substr(0, request.find(' ', request.find(' ') + 1));
    connection.due = Clock::now();
    if (target == "GET /") {
      connection.reply = Reply(200, "OK", "hello from " + name_ + "\n");
    } else if (target == "GET /health") {
      connection.reply = stopping() ? Reply(503, "Service Unavailable", "shutting down\n")
                                    : Reply(200, "OK", "ok\n");
    } else if (target == "GET /slow") {
      connection.reply = Reply(200, "OK", "that took a while, says " + name_ + "\n");
      connection.due += kSlowReply;
    } else {
      connection.reply = Reply(404, "Not Found", "there is /, /health and /slow\n");
    }
  }

  // Connections that wait in the kernel's queue were promised an answer too: take them all first.
  void ShutDown() {
    signalfd_siginfo signal{};
    if (read(signals_, &signal, sizeof signal) < 0 || listener_ < 0) {
      return;
    }
    Accept();
    close(listener_);
    listener_ = -1;
    std::printf("told to stop: finishing %zu requests\n", connections_.size());
  }

  void SendWhatIsDue() {
    const auto now = Clock::now();
    std::erase_if(connections_, [now](const Connection& connection) {
      if (connection.due > now) {
        return false;
      }
      // A reply is far smaller than a socket's buffer, so one send is enough.
      if (connection.asked() &&
          send(connection.fd, connection.reply.data(), connection.reply.size(), MSG_NOSIGNAL) < 0) {
        std::printf("a client went away before its reply\n");
      }
      close(connection.fd);
      return true;
    });
  }

  [[nodiscard]] bool stopping() const { return listener_ < 0; }

  int listener_;
  int signals_;
  std::string name_;
  std::vector<Connection> connections_;
};

int Listen(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    std::fprintf(stderr, "cannot make a socket: %s\n", std::strerror(errno));
    return -1;
  }
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, SOMAXCONN) != 0) {
    std::fprintf(stderr, "cannot listen on 127.0.0.1:%u: %s\n", port, std::strerror(errno));
    return -1;
  }
  return fd;
}

std::optional<std::uint16_t> PortFromEnvironment() {
  const char* text = std::getenv("PORT");
  const std::string_view port = text == nullptr ? "8080" : text;
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size()) {
    std::fprintf(stderr, "PORT=\"%s\" is not a port\n", text);
    return std::nullopt;
  }
  return number;
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  sigprocmask(SIG_BLOCK, &stop_signals, nullptr);
  const int signals = signalfd(-1, &stop_signals, SFD_CLOEXEC | SFD_NONBLOCK);

  const auto port = PortFromEnvironment();
  const int listener = port ? Listen(*port) : -1;
  if (listener < 0 || signals < 0) {
    return 1;
  }
  const char* instance = std::getenv("OXHERD_INSTANCE_ID");
  std::printf("listening on http://127.0.0.1:%u\n", *port);
  Api api(listener, signals, std::string("api/") + (instance == nullptr ? "0" : instance));
  api.Run();
  std::printf("all requests finished, goodbye\n");
  return 0;
}
