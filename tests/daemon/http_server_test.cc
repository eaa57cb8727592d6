#include "daemon/http/http_server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/loop.h"
#include "os/clock.h"
#include "os/fd.h"

namespace oxherd {
namespace {

constexpr Seconds kDeadline{10};

// A port that nobody had a moment ago.
std::string FreeAddress() {
  const os::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

// A client that never blocks.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  }
  void Say(std::string_view text) {
    (void)!::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  void EndSaying() { ::shutdown(socket_.get(), SHUT_WR); }
  bool HasEnded() {
    char buffer[4096];
    for (;;) {
      const ssize_t size = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (size > 0) {
        heard_.append(buffer, static_cast<std::size_t>(size));
      } else {
        return size == 0 || errno != EAGAIN;
      }
    }
  }
  [[nodiscard]] const std::string& heard() const { return heard_; }
  void Leave() { socket_.Reset(); }

 private:
  os::Fd socket_;
  std::string heard_;
};

class Site {
 public:
  explicit Site(const HttpLimits& limits = {}) {
    auto opened = HttpServer::Open(
        loop_.context(), FreeAddress(),
        [this](const HttpRequest& request, HttpServer::Respond respond) -> std::function<void()> {
          asked.push_back(request);
          if (request.target == "/later") {
            later = std::move(respond);
            return [this] { cancelled = true; };
          }
          respond({.status = 200, .type = "text/plain", .body = "hello"});
          return nullptr;
        },
        limits);
    REQUIRE(opened);
    server_ = std::move(*opened);
  }
  [[nodiscard]] Client Connect() const { return Client(server_->port()); }
  template <typename Condition>
  bool RunUntil(Condition condition) {
    const Instant deadline = os::Now() + kDeadline;
    while (!condition() && os::Now() < deadline) {
      loop_.SetAlarm(os::Now() + Millis(10));
      loop_.Wait();
    }
    return condition();
  }
  std::string Ask(std::string_view text) {
    Client client = Connect();
    client.Say(text);
    CHECK(RunUntil([&] { return client.HasEnded(); }));
    return client.heard();
  }

  std::vector<HttpRequest> asked;
  HttpServer::Respond later;
  bool cancelled = false;

 private:
  Loop loop_;
  std::unique_ptr<HttpServer> server_;
};

TEST_CASE("http: a request is answered, with its headers, and the connection closed") {
  Site site;
  const std::string heard = site.Ask(
      "POST /api/stop/api?x HTTP/1.1\r\nHost: x\r\nAuthorization: bearer  secret\r\n"
      "Accept: text/plain\r\nContent-Length: 2\r\n\r\n{}");
  CHECK(heard.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(heard.ends_with("\r\n\r\nhello"));
  REQUIRE(site.asked.size() == 1);
  CHECK(site.asked[0].method == "POST");
  CHECK(site.asked[0].target == "/api/stop/api?x");
  CHECK(site.asked[0].accept == "text/plain");
  CHECK(site.Ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("\r\n\r\n"));
}

TEST_CASE("http: what is no request, or too large, is told so and reaches nobody") {
  Site site;
  CHECK(site.Ask("hello there\r\n\r\n").starts_with("HTTP/1.1 400"));
  CHECK(site.Ask("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n")
            .starts_with("HTTP/1.1 431"));
  CHECK(site.Ask("POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")
            .starts_with("HTTP/1.1 413"));
  CHECK(site.asked.empty());
}

TEST_CASE("http: below one path a body may be larger, and it arrives whole, with all headers") {
  Site site({.large_path = "/large/", .large_body_bytes = 200'000});
  const std::string body(200'000, 'x');
  const auto post = [&](const std::string& path, std::size_t size) {
    return "POST " + path +
           " HTTP/1.1\r\nX-GitHub-Event: push\r\nContent-Length: " + std::to_string(size) +
           "\r\n\r\n" + body.substr(0, std::min(size, body.size()));
  };
  CHECK(site.Ask(post("/large/one", 200'000)).starts_with("HTTP/1.1 200"));
  REQUIRE(site.asked.size() == 1);
  CHECK(site.asked[0].body == body);
  CHECK(site.asked[0].Header("x-github-event") == "push");
  CHECK(site.asked[0].Header("x-gitlab-event").empty());
  CHECK(site.Ask(post("/large/one", 200'001)).starts_with("HTTP/1.1 413"));
  CHECK(site.Ask(post("/small", 4097)).starts_with("HTTP/1.1 413"));
  // Without its length: it is refused when it has become too long.
  CHECK(site.Ask("POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n" +
                 std::string(0x2000, 'x') + "\r\n0\r\n\r\n")
            .starts_with("HTTP/1.1 413"));
  CHECK(site.asked.size() == 1);
}

TEST_CASE("http: a client that says nothing, or only half of it, is closed at its deadline") {
  Site site({.request = Millis(100)});
  Client silent = site.Connect();
  Client half = site.Connect();
  half.Say("GET / HTTP/1.1\r\nHo");
  CHECK(site.RunUntil([&] { return silent.HasEnded() && half.HasEnded(); }));
  CHECK(site.asked.empty());
}

TEST_CASE("http: more clients than there may be are closed, and it goes on when some have left") {
  Site site({.clients = 2, .request = Millis(200)});
  Client one = site.Connect();
  Client two = site.Connect();
  Client three = site.Connect();
  CHECK(site.RunUntil([&] { return three.HasEnded(); }));
  CHECK(site.RunUntil([&] { return one.HasEnded() && two.HasEnded(); }));
  CHECK(site.Ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST_CASE("http: an answer may come later; who has gone before gets none, and that is said") {
  Site site;
  Client patient = site.Connect();
  patient.Say("GET /later HTTP/1.1\r\n\r\n");
  REQUIRE(site.RunUntil([&] { return site.asked.size() == 1; }));
  site.later({.status = 409, .body = "{}"});
  CHECK(site.RunUntil([&] { return patient.HasEnded(); }));
  CHECK(patient.heard().starts_with("HTTP/1.1 409"));
  CHECK_FALSE(site.cancelled);

  Client half = site.Connect();
  half.Say("GET /later HTTP/1.1\r\n\r\n");
  half.EndSaying();
  REQUIRE(site.RunUntil([&] { return site.asked.size() == 2; }));
  site.later({.status = 200, .body = "{}"});
  CHECK(site.RunUntil([&] { return half.HasEnded(); }));
  CHECK(half.heard().starts_with("HTTP/1.1 200"));
}

TEST_CASE("http: an address that is none, or is taken, is an error with the address in it") {
  Loop loop;
  const auto handle = [](const HttpRequest&, const HttpServer::Respond&) {
    return std::function<void()>();
  };
  const auto named = HttpServer::Open(loop.context(), "example.com:80", handle);
  REQUIRE_FALSE(named);
  CHECK(named.error().message.find("example.com:80") != std::string::npos);
  const auto first = HttpServer::Open(loop.context(), FreeAddress(), handle);
  REQUIRE(first);
  const std::string same = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = HttpServer::Open(loop.context(), same, handle);
  REQUIRE_FALSE(second);
  CHECK(second.error().message.find("in use") != std::string::npos);
}

}  // namespace
}  // namespace oxherd
