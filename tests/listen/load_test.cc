// What all of this is for: under load one instance takes over from the other, ten times, and not
// one request fails. Each request is a connection of its own.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "os/clock.h"
#include "tests/listen/hand_over.h"

namespace oxherd::keeper {
namespace {

constexpr int kClients = 8;
constexpr int kHandOvers = 10;

// Eight clients that ask again and again, until told to stop.
class Load {
 public:
  explicit Load(std::uint16_t port) : port_(port) {
    for (std::thread& client : clients_) client = std::thread([this] { AskOn(); });
  }
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Stop() {
    goes_on_ = false;
    for (std::thread& client : clients_) {
      if (client.joinable()) client.join();
    }
  }
  // Waits until so many more are answered.
  void AwaitMore(int count) const {
    const int target = asked_ + count;
    const Instant deadline = os::Now() + Seconds(20);
    while (asked_ < target) {
      REQUIRE(os::Now() < deadline);
      ::timespec nap{.tv_sec = 0, .tv_nsec = 1'000'000};
      ::nanosleep(&nap, nullptr);
    }
  }
  [[nodiscard]] int asked() const { return asked_; }
  [[nodiscard]] int failed() const { return failed_; }

 private:
  void AskOn() {
    while (goes_on_) {
      if (!AskOnce()) ++failed_;
      ++asked_;
    }
  }

  [[nodiscard]] bool AskOnce() const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const os::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const char* request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
      return false;
    }
    if (::send(client.get(), request, std::strlen(request), MSG_NOSIGNAL) < 0) return false;
    std::array<char, 4096> answer{};
    std::size_t filled = 0;
    for (;;) {
      const ssize_t size = ::recv(client.get(), answer.data() + filled, answer.size() - filled, 0);
      if (size < 0) return false;
      if (size == 0) break;
      filled += static_cast<std::size_t>(size);
    }
    return std::string_view(answer.data(), filled).find("instance-") != std::string_view::npos;
  }

  std::uint16_t port_;
  std::atomic<bool> goes_on_ = true;
  std::atomic<int> asked_ = 0;
  std::atomic<int> failed_ = 0;
  std::array<std::thread, kClients> clients_;
};

void HandOverUnderLoad(HandOver& over, const std::array<HandOver::Program, 2>& programs) {
  std::array<os::Fd, 2> outputs;
  outputs[0] = over.StartAndTake(0, programs[0]);
  CHECK(over.AskInstance(0).find("instance-0") != std::string::npos);
  Load load(over.port());
  std::uint16_t now = 0;
  for (int i = 0; i < kHandOvers; ++i) {
    const auto next = static_cast<std::uint16_t>(1 - now);
    outputs[next] = over.StartAndTake(next, programs[next]);
    const std::string name = "instance-" + std::to_string(next);
    REQUIRE(over.AskInstance(next).find(name) != std::string::npos);  // it is ready
    over.SteerTo(next);
    CHECK(over.AwaitDrained(now));
    over.Stop(now);
    CHECK(os::IsListening(over.held(now)).value());
    load.AwaitMore(20);
    now = next;
  }
  load.Stop();
  MESSAGE(load.failed(), " of ", load.asked(), " requests failed over ", kHandOvers, " hand-overs");
  CHECK(load.failed() == 0);
  CHECK(load.asked() > kHandOvers * 20);
  over.Stop(now);
}

TEST_CASE("ten hand-overs under load, node that knows nothing of SIGTERM: no request fails") {
  if (!Find("node")) return;
  HandOver over("[::]");
  HandOver::Program program;
  program.words = {"node", over.Write("server.js",
                                      "require('http').createServer((q, s) => "
                                      "s.end(process.env.NAME)).listen(+process.env.PORT);\n")};
  program.environment = {"PORT=" + over.port_text()};
  HandOverUnderLoad(over, {program, program});
}

TEST_CASE("ten hand-overs under load, node that takes 80 ms for each answer: no request fails") {
  if (!Find("node")) return;
  HandOver over("[::]");
  HandOver::Program program;
  program.words = {"node",
                   over.Write("server.js",
                              "require('http').createServer((q, s) => setTimeout(() => "
                              "s.end(process.env.NAME), 80)).listen(+process.env.PORT);\n")};
  program.environment = {"PORT=" + over.port_text()};
  HandOverUnderLoad(over, {program, program});
}

TEST_CASE("ten hand-overs under load, nginx with two workers: no request fails") {
  if (!Find("nginx")) return;
  HandOver over;
  HandOverUnderLoad(over, {NginxProgram(over, 0, " reuseport"), NginxProgram(over, 1, "")});
}

TEST_CASE("ten hand-overs under load, gunicorn: no request fails") {
  if (!Find("gunicorn")) return;
  HandOver over;
  over.Write("service.py",
             "import os\n"
             "def app(environ, start_response):\n"
             "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
             "    return [os.environ['NAME'].encode()]\n");
  HandOver::Program program;
  program.words = {"gunicorn", "--bind", "127.0.0.1:" + over.port_text(), "service:app"};
  program.directory = over.run().home();
  HandOverUnderLoad(over, {program, program});
}

}  // namespace
}  // namespace oxherd::keeper
