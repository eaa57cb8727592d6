#include "daemon/commands/control_server.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "control/wire.h"
#include "daemon/loop.h"
#include "os/clock.h"
#include "os/local_socket.h"
#include "tests/temporary.h"

namespace oxherd {
namespace {

std::string PingLine() {
  control::Request request;
  request.id = RequestId(7);
  request.command = control::Command::kPing;
  return control::EncodeLine(control::FromClient(request));
}

// A connection, from the client's side. Never blocks.
class Client {
 public:
  explicit Client(os::Fd socket) : socket_(std::move(socket)) {
    fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  }

  void Say(std::string_view text) {
    const ssize_t sent = send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    said_ += sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  // Reads what has come; true once the server has closed the connection.
  bool Read() {
    char buffer[65536];
    for (;;) {
      const ssize_t size = recv(socket_.get(), buffer, sizeof buffer, 0);
      if (size > 0) {
        heard_.append(buffer, static_cast<std::size_t>(size));
      } else {
        closed_ = closed_ || size == 0 || errno != EAGAIN;
        return closed_;
      }
    }
  }
  void EndSaying() { shutdown(socket_.get(), SHUT_WR); }
  [[nodiscard]] const std::string& heard() const { return heard_; }
  [[nodiscard]] std::size_t said() const { return said_; }

 private:
  os::Fd socket_;
  std::string heard_;
  std::size_t said_ = 0;
  bool closed_ = false;
};

class Server {
 public:
  explicit Server(const ControlLimits& limits = {}) {
    folder_ = test::MakeTemporaryFolder("control");
    folder_fd_ = os::Fd(open(folder_.c_str(), O_DIRECTORY | O_CLOEXEC));
    server_ = std::make_unique<ControlServer>(
        loop_.context(), os::ListenLocally(folder_fd_.get(), "control.sock").value(),
        ControlServer::Handlers{.said =
                                    [this](ClientId client, control::FromClient message) {
                                      asked_.push_back(client);
                                      messages_.push_back(std::move(message));
                                    },
                                .gone = [this](ClientId client) { gone_.push_back(client); }},
        limits);
  }
  ~Server() {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] Client Connect() const {
    return Client(os::ConnectLocally(folder_, "control.sock").value());
  }
  // Runs the loop until the condition holds; fails the test after ten seconds.
  template <typename Condition>
  void RunUntil(Condition holds) {
    const Instant end = os::Now() + Seconds(10);
    while (!holds()) {
      // Not REQUIRE: UBSan asks for a pipe to look at what it makes, and there may be none left.
      if (os::Now() >= end) FAIL("it did not happen in ten seconds");
      loop_.SetAlarm(os::Now() + Millis(5));
      loop_.Wait();
    }
  }
  ControlServer& operator*() { return *server_; }
  ControlServer* operator->() { return server_.get(); }

  Loop loop_;
  std::vector<ClientId> asked_;
  std::vector<control::FromClient> messages_;
  std::vector<ClientId> gone_;

 private:
  std::string folder_;
  os::Fd folder_fd_;
  std::unique_ptr<ControlServer> server_;
};

bool Says(const Client& client, std::string_view part) {
  return client.heard().find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a client says one line, hears lines, and is let go after the last") {
  Server server;
  Client client = server.Connect();
  client.Say(PingLine());
  server.RunUntil([&] { return server.asked_.size() == 1; });
  CHECK(std::get<control::Request>(server.messages_[0]).command == control::Command::kPing);
  server->Send(server.asked_[0], "one\n", ControlServer::Delivery::kSurely);
  server->SendLast(server.asked_[0], "two\n");
  server.RunUntil([&] { return client.Read(); });
  CHECK(client.heard() == "one\ntwo\n");
  CHECK(server.gone_ == server.asked_);
  CHECK(server->client_count() == 0);
}

TEST_CASE("a line may come in pieces, and what follows it is not looked at") {
  Server server;
  Client client = server.Connect();
  const std::string line = PingLine();
  client.Say(line.substr(0, 10));
  server.RunUntil([&] { return server->client_count() == 1; });
  client.Say(line.substr(10) + "and {more\n");
  server.RunUntil([&] { return server.asked_.size() == 1; });
  server->SendLast(server.asked_[0], "done\n");
  server.RunUntil([&] { return client.Read(); });
  CHECK(client.heard() == "done\n");
  CHECK(server.asked_.size() == 1);
}

TEST_CASE("a line that is no message is answered with what is wrong with it") {
  Server server;
  Client client = server.Connect();
  client.Say("GET / HTTP/1.1\r\n\r\n");
  server.RunUntil([&] { return client.Read(); });
  CHECK(server.asked_.empty());
  const auto reply = control::DecodeFromDaemon(client.heard());
  REQUIRE(reply);
  CHECK(std::get<control::Reply>(*reply).code == control::ExitCode::kAskedWrongly);
}

TEST_CASE("a line that never ends is refused at the limit, and costs no more memory") {
  Server server({.line_bytes = 10'000});
  Client client = server.Connect();
  const std::string piece(4096, 'x');
  server.RunUntil([&] {
    client.Say(piece);
    return client.Read();
  });
  CHECK(Says(client, "longer than 10000 bytes"));
  CHECK(client.said() < 1024UL * 1024);
}

TEST_CASE("who says nothing, or only half a line, is let go after the deadline") {
  Server server({.first_byte = Millis(50)});
  Client silent = server.Connect();
  Client half = server.Connect();
  half.Say("{\"v\":1,");
  server.RunUntil([&] { return server->client_count() == 2; });
  server.RunUntil([&] { return silent.Read() && half.Read(); });
  CHECK(server.asked_.empty());
  CHECK(server->client_count() == 0);
}

TEST_CASE("who sends a byte now and then does not hold a connection for ever") {
  Server server({.first_byte = Millis(40), .whole_line = Millis(150)});
  Client slow = server.Connect();
  server.RunUntil([&] {
    slow.Say("x");
    return slow.Read();
  });
  CHECK(server.asked_.empty());
}

TEST_CASE("more clients than the limit are told so, and the others do not notice") {
  Server server({.clients_per_user = 4});
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(server.Connect());
  server.RunUntil([&] { return server->client_count() == 4; });
  for (int i = 0; i < 50; ++i) {
    Client refused = server.Connect();
    server.RunUntil([&] { return refused.Read(); });
    REQUIRE(Says(refused, "4 clients are connected already"));
  }
  clients[2].Say(PingLine());
  server.RunUntil([&] { return server.asked_.size() == 1; });
  server->SendLast(server.asked_[0], "ok\n");
  server.RunUntil([&] { return clients[2].Read(); });
  CHECK(clients[2].heard() == "ok\n");
  Client welcome = server.Connect();
  server.RunUntil([&] { return server->client_count() == 4; });
}

TEST_CASE("a client that goes away without a word is noticed, whether it waits or not") {
  Server server;
  {
    Client early = server.Connect();
    server.RunUntil([&] { return server->client_count() == 1; });
  }
  server.RunUntil([&] { return server->client_count() == 0; });
  {
    Client waiting = server.Connect();
    waiting.Say(PingLine());
    server.RunUntil([&] { return server.asked_.size() == 1; });
  }
  server.RunUntil([&] { return server->client_count() == 0; });
  CHECK(server.gone_.size() == 2);
  // Whatever is said to it now is said to nobody.
  server->Send(server.asked_[0], "x\n", ControlServer::Delivery::kSurely);
  server->SendLast(server.asked_[0], "y\n");
}

TEST_CASE("a client that has said its last still hears the answer") {
  Server server;
  Client client = server.Connect();
  client.Say(PingLine());
  client.EndSaying();
  server.RunUntil([&] { return server.asked_.size() == 1; });
  server.RunUntil([&, turns = 0]() mutable { return ++turns > 5; });
  REQUIRE(server->client_count() == 1);
  server->SendLast(server.asked_[0], "still here\n");
  server.RunUntil([&] { return client.Read(); });
  CHECK(client.heard() == "still here\n");
}

TEST_CASE("a slow reader misses progress, never the reply") {
  Server server;
  Client client = server.Connect();
  client.Say(PingLine());
  server.RunUntil([&] { return server.asked_.size() == 1; });
  const std::string progress = std::string(1023, 'p') + "\n";
  for (int i = 0; i < 10'000; ++i) {
    server->Send(server.asked_[0], progress, ControlServer::Delivery::kMayDrop);
  }
  server->SendLast(server.asked_[0], "the reply\n");
  server.RunUntil([&] { return client.Read(); });
  CHECK(client.heard().ends_with("\nthe reply\n"));
  CHECK(client.heard().size() < 2UL * 1024 * 1024);
}

TEST_CASE("a reader that is stuck is let go, and what waited for it is freed") {
  Server server({.stuck = Millis(50)});
  Client client = server.Connect();
  client.Say(PingLine());
  server.RunUntil([&] { return server.asked_.size() == 1; });
  server->SendLast(server.asked_[0], std::string(8UL * 1024 * 1024, 'x') + "\n");
  server.RunUntil([&] { return server->client_count() == 0; });
  CHECK(server.gone_.size() == 1);
}

TEST_CASE(
    "with no descriptor left clients are turned away, the loop does not spin, and it goes on") {
  Server server({.accept_pause = Millis(20)});
  Client first = server.Connect();
  server.RunUntil([&] { return server->client_count() == 1; });
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  // The connecting side needs descriptors too: made before they run out.
  const int next = dup(0);
  REQUIRE(next >= 0);
  close(next);
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(server.Connect());
  const int lowest = dup(0);
  REQUIRE(lowest >= 0);
  close(lowest);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest), .rlim_max = limit.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  int turns = 0;
  server.RunUntil([&] {
    ++turns;
    return std::ranges::all_of(clients, [](Client& client) { return client.Read(); });
  });
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  for (const Client& client : clients) CHECK(Says(client, "no descriptors left"));
  CHECK(turns < 200);
  CHECK(server->client_count() == 1);
  Client later = server.Connect();
  later.Say(PingLine());
  server.RunUntil([&] { return server.asked_.size() == 1; });
}

TEST_CASE("when the socket is made anew, those who are connected stay and others connect to it") {
  Server server;
  Client old = server.Connect();
  old.Say(PingLine());
  server.RunUntil([&] { return server.asked_.size() == 1; });
  const std::string other = test::MakeTemporaryFolder("control");
  const os::Fd folder(open(other.c_str(), O_DIRECTORY | O_CLOEXEC));
  server->Replace(os::ListenLocally(folder.get(), "control.sock").value());
  Client fresh(os::ConnectLocally(other, "control.sock").value());
  fresh.Say(PingLine());
  server.RunUntil([&] { return server.asked_.size() == 2; });
  for (const ClientId client : server.asked_) server->SendLast(client, "hello\n");
  server.RunUntil([&] { return old.Read() && fresh.Read(); });
  CHECK(old.heard() == "hello\n");
  CHECK(fresh.heard() == "hello\n");
  std::filesystem::remove_all(other);
}

}  // namespace oxherd
