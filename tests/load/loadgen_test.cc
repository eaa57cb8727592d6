// The load itself: that each way to fail is counted as what it is.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "tests/load/answer.h"
#include "tests/load/load.h"
#include "tests/load/wire.h"

namespace oxherd::load {
namespace {

constexpr std::string_view kFine = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npid=1\n";

// A server on a thread of its own that treats every request in the same way. `serve` has the
// connection; it is closed when that returns.
class Server {
 public:
  explicit Server(std::function<void(int)> serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(listener_, 64) == 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void Run() {
    int fd = -1;
    while ((fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0) {
      serve_(fd);
      close(fd);
    }
  }

  std::function<void(int)> serve_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

void Send(int fd, std::string_view text) { (void)send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

// False at the end of the connection.
bool ReadRequest(int fd) {
  char buffer[4096];
  return read(fd, buffer, sizeof buffer) > 0;
}

// The close that follows sends a reset.
void MakeCloseAReset(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

Counts TenRequests(std::uint16_t port, const Plan& like = {}) {
  Plan plan = like;
  plan.port = port;
  plan.connections = 2;
  plan.max_requests = 10;
  plan.max_time = seconds(20);
  return Load(plan).RunToEnd();
}

void CheckAllFailedBy(const Counts& counts, Cause cause) {
  INFO(counts.Told());
  CHECK(counts.ok == 0);
  CHECK(counts.failed == 10);
  CHECK(counts.of(cause) == 10);
  CHECK(counts.failures.size() == 10);
}

TEST_SUITE_BEGIN("loadgen");

TEST_CASE("fresh connections that are answered are counted, with who answered and how fast") {
  const Server server([](int fd) {
    ReadRequest(fd);
    Send(fd, kFine);
  });
  const Counts counts = TenRequests(server.port());
  INFO(counts.Told());
  CHECK(counts.ok == 10);
  CHECK(counts.failed == 0);
  CHECK(counts.connections == 10);
  CHECK(counts.bodies.at("pid=1") == 10);
  CHECK(counts.latencies.size() == 10);
  CHECK(counts.Latency(1) < seconds(5));
}

TEST_CASE("a kept-alive connection is used again until an answer says that it is the last") {
  const Server server([](int fd) {
    for (int i = 0; i < 4 && ReadRequest(fd); ++i) {
      Send(fd, kFine);
    }
    ReadRequest(fd);
    Send(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  Plan plan;
  plan.clients = Clients::kKeepAlive;
  plan.port = server.port();
  plan.connections = 1;
  plan.max_requests = 10;
  const Counts counts = Load(plan).RunToEnd();
  INFO(counts.Told());
  CHECK(counts.ok == 10);
  CHECK(counts.failed == 0);
  CHECK(counts.connections == 2);
}

TEST_CASE("an idle kept-alive connection that the server ends is no failure") {
  const Server server([](int fd) {
    ReadRequest(fd);
    Send(fd, kFine);
  });
  Plan plan;
  plan.clients = Clients::kKeepAlive;
  plan.pause = milliseconds(50);
  const Counts counts = TenRequests(server.port(), plan);
  INFO(counts.Told());
  CHECK(counts.failed == 0);
  CHECK(counts.connections == 10);
  CHECK(counts.let_go >= 8);  // the last two may not have been seen to end
}

TEST_CASE("a refused connection is counted as refused") {
  std::uint16_t port = 0;
  {
    const Server gone([](int) {});
    port = gone.port();
  }
  CheckAllFailedBy(TenRequests(port), Cause::kRefused);
}

TEST_CASE("a reset before the first byte and one inside the answer are told apart") {
  const Server before([](int fd) {
    ReadRequest(fd);
    MakeCloseAReset(fd);
  });
  CheckAllFailedBy(TenRequests(before.port()), Cause::kResetBefore);

  const Server inside([](int fd) {
    ReadRequest(fd);
    Send(fd, kFine.substr(0, 40));
    MakeCloseAReset(fd);
  });
  CheckAllFailedBy(TenRequests(inside.port()), Cause::kResetInside);
}

TEST_CASE("a connection that is closed without an answer, or inside it, is a failure") {
  const Server before([](int fd) { ReadRequest(fd); });
  CheckAllFailedBy(TenRequests(before.port()), Cause::kClosedBefore);

  const Server inside([](int fd) {
    ReadRequest(fd);
    Send(fd, kFine.substr(0, kFine.size() - 1));
  });
  CheckAllFailedBy(TenRequests(inside.port()), Cause::kClosedInside);
}

TEST_CASE("a status other than 200 and a body that is not as expected are failures") {
  const Server status([](int fd) {
    ReadRequest(fd);
    Send(fd, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  });
  const Counts counts = TenRequests(status.port());
  CheckAllFailedBy(counts, Cause::kStatus);
  CHECK(counts.failures[0].detail == "500");

  const Server body([](int fd) {
    ReadRequest(fd);
    Send(fd, kFine);
  });
  Plan plan;
  plan.body_has = "pid=2";
  CheckAllFailedBy(TenRequests(body.port(), plan), Cause::kBody);

  const Server no_http([](int fd) {
    ReadRequest(fd);
    Send(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
  });
  CheckAllFailedBy(TenRequests(no_http.port()), Cause::kBody);
}

TEST_CASE("a request that is never answered times out, and the gap shows how long nothing went") {
  const Server server([](int fd) {
    while (ReadRequest(fd)) {
    }
  });
  Plan plan;
  plan.request_timeout = milliseconds(100);
  const Counts counts = TenRequests(server.port(), plan);
  CheckAllFailedBy(counts, Cause::kTimedOut);
  CHECK(counts.longest_gap >= milliseconds(100));
}

TEST_CASE("silent clients stay connected, ask nothing, and see when they are let go") {
  std::atomic<bool> asked{false};
  const Server server([&](int fd) {
    pollfd readable{fd, POLLIN, 0};
    asked = asked || (poll(&readable, 1, 20) > 0 && ReadRequest(fd));
  });
  Plan plan;
  plan.clients = Clients::kSilent;
  plan.port = server.port();
  plan.connections = 2;
  plan.max_requests = 6;
  Load load(plan);
  const auto until = SteadyClock::now() + seconds(10);
  while (load.established() == 0 && SteadyClock::now() < until) {
    std::this_thread::yield();
  }
  CHECK(load.established() > 0);
  const Counts counts = load.RunToEnd();
  CHECK(counts.ok == 0);
  CHECK(counts.failed == 0);
  CHECK_FALSE(asked);
}

TEST_CASE("a wire between two networks delays the end of a handshake, and loses a SYN-ACK") {
  const auto wire = Wire::Lay();
  if (wire == nullptr) {
    return;
  }
  const Server server([](int fd) {
    ReadRequest(fd);
    Send(fd, kFine);
  });
  Plan plan;
  plan.host = Wire::kNear;
  plan.in_thread = [&] { wire->GoToFarEnd(); };
  wire->set_delay(milliseconds(40));
  const Counts late = TenRequests(server.port(), plan);
  INFO(late.Told());
  CHECK(late.ok == 10);
  CHECK(late.Latency(0) >= milliseconds(40));
  CHECK(wire->delayed() >= 20);  // an ACK and a request each
  CHECK(wire->lost() == 0);

  wire->set_delay(milliseconds(0));
  wire->set_loses_first_syn_ack(true);
  plan.port = server.port();
  plan.connections = plan.max_requests = 10;
  const Counts again = Load(plan).RunToEnd();
  INFO(again.Told());
  CHECK(again.ok == 10);
  CHECK(again.Latency(0) >= milliseconds(900));  // TCP's first retransmission comes after 1 s
  CHECK(wire->lost() >= 10);
}

TEST_CASE("answers are read in pieces, chunked, and to the end of an HTTP/1.0 connection") {
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n"
      "0\r\n\r\n";
  Answer answer;
  for (std::size_t i = 0; i < chunked.size(); ++i) {
    const auto state = answer.Read(std::string_view(chunked).substr(i, 1));
    CHECK((state == Answer::State::kWhole) == (i + 1 == chunked.size()));
  }
  CHECK(answer.body() == "abc0123456789abcdef");
  CHECK_FALSE(answer.last());

  Answer old;
  CHECK(old.Read("HTTP/1.0 200 OK\r\n\r\nhello") == Answer::State::kUnfinished);
  CHECK(old.End() == Answer::State::kWhole);
  CHECK(old.body() == "hello");
  CHECK(old.last());

  Answer cut;
  cut.Read("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
  CHECK(cut.End() == Answer::State::kUnfinished);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
