// What the tests of the probes share: small servers on real sockets, and a loop that asks them.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/loop.h"
#include "daemon/probes/probes.h"
#include "doctest/doctest.h"
#include "os/clock.h"
#include "os/fd.h"

namespace oxherd::test {

// A socket that listens on a free port of 127.0.0.1, or of ::1.
struct Listener {
  enum class On : std::uint8_t { kIpv4, kIpv6 };
  os::Fd socket;
  std::uint16_t port = 0;

  explicit Listener(On on = On::kIpv4, std::uint16_t wanted = 0, bool shared = false) {
    const int family = on == On::kIpv4 ? AF_INET : AF_INET6;
    socket = os::Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(socket);
    const int yes = 1;
    if (shared) setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    sockaddr_storage address{};
    socklen_t size = 0;
    if (on == On::kIpv4) {
      auto& in = reinterpret_cast<sockaddr_in&>(address);
      in.sin_family = AF_INET;
      in.sin_port = htons(wanted);
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof in;
    } else {
      auto& in = reinterpret_cast<sockaddr_in6&>(address);
      in.sin6_family = AF_INET6;
      in.sin6_port = htons(wanted);
      in.sin6_addr = in6addr_loopback;
      size = sizeof in;
    }
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(socket.get(), generic, size) == 0);
    REQUIRE(listen(socket.get(), 16) == 0);
    size = sizeof address;
    REQUIRE(getsockname(socket.get(), generic, &size) == 0);
    port = ntohs(on == On::kIpv4 ? reinterpret_cast<sockaddr_in&>(address).sin_port
                                 : reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  }
};

// Serves one connection after the other until it is destroyed; `serve` gets what was asked.
class Server {
 public:
  using Serve = std::function<void(int connection, const std::string& request)>;
  explicit Server(Serve serve, Listener::On on = Listener::On::kIpv4)
      : listener_(on),
        serve_(std::move(serve)),
        thread_([this](const std::stop_token& stop) { Run(stop); }) {}
  // Answers everything with these bytes and closes.
  explicit Server(std::string answer)
      : Server([answer = std::move(answer)](int connection, const std::string&) {
          (void)!send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
        }) {}
  ~Server() {
    thread_.request_stop();
    shutdown(listener_.socket.get(), SHUT_RDWR);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const { return listener_.port; }
  [[nodiscard]] std::string url(std::string_view path = "/health") const {
    return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
  }

 private:
  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const os::Fd connection(accept4(listener_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      std::string request;
      char bytes[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t count = recv(connection.get(), bytes, sizeof bytes, 0);
        if (count <= 0) break;
        request.append(bytes, static_cast<std::size_t>(count));
      }
      serve_(connection.get(), request);
    }
  }

  Listener listener_;
  Serve serve_;
  std::jthread thread_;
};

// Blocks until the other side has closed.
inline void WaitForClose(int connection) {
  char byte = 0;
  while (recv(connection, &byte, 1, 0) > 0) {
  }
}

// A daemon's loop with probes; this process is the instance api/0 with token 1 unless said
// otherwise.
class Asker {
 public:
  Asker() : probes_(std::make_unique<Probes>(loop.context(), MakeSeams())) {
    live.push_back({.token = Token(1),
                    .instance = {"api", 0},
                    .generation = Generation(8),
                    .pid = Pid(getpid()),
                    .cgroup = {}});
  }

  [[nodiscard]] Probes& probes() { return *probes_; }

  static ProbeQuestion Question(HealthCheck::Kind kind, std::string target,
                                Millis timeout = Millis(5000)) {
    ProbeQuestion question;
    question.token = Token(1);
    question.instance = {"api", 0};
    question.generation = Generation(8);
    question.check = Token(100);
    question.kind = kind;
    question.target = std::move(target);
    question.timeout = timeout;
    return question;
  }

  // Turns the loop until there is an answer.
  ProbeAnswer Wait() {
    const Instant deadline = os::Now() + Seconds(20);
    while (answers.empty()) {
      REQUIRE(os::Now() < deadline);
      loop.SetAlarm(deadline);
      loop.Wait();
    }
    ProbeAnswer answer = std::move(answers.front());
    answers.erase(answers.begin());
    return answer;
  }
  ProbeAnswer Ask(const ProbeQuestion& question) {
    probes_->Ask(question);
    return Wait();
  }
  ProbeAnswer AskHttp(const std::string& url, Millis timeout = Millis(5000)) {
    return Ask(Question(HealthCheck::Kind::kHttp, url, timeout));
  }
  ProbeAnswer AskReadiness(std::uint16_t port) {
    ProbeQuestion question = Question(HealthCheck::Kind::kTcp, "127.0.0.1:" + std::to_string(port));
    question.purpose = ProbeQuestion::Purpose::kReadiness;
    return Ask(question);
  }

  std::vector<LiveInstance> live;
  std::vector<ProbeAnswer> answers;
  std::vector<Token> killed;
  std::vector<ProbeQuestion> spawned;
  int looked_at_live = 0;
  int off_loop = 0;
  Loop loop;

 private:
  Probes::Seams MakeSeams() {
    return {
        .answered = [this](const ProbeAnswer& answer) { answers.push_back(answer); },
        .live_instances =
            [this] {
              ++looked_at_live;
              return live;
            },
        .run_off_loop =
            [this](std::function<void()> job) {
              ++off_loop;
              threads_.emplace_back(std::move(job));
            },
        .spawn_check = [this](const ProbeQuestion& question) { spawned.push_back(question); },
        .kill_check = [this](Token check) { killed.push_back(check); },
    };
  }

  std::unique_ptr<Probes> probes_;
  std::vector<std::jthread> threads_;
};

// A process in a session of its own that does `work` and then waits for its end.
class Process {
 public:
  explicit Process(const std::function<void()>& work) {
    auto ready = std::move(*os::MakePipe(os::PipeReading::kBlocks));
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      setsid();
      work();
      (void)!write(ready.write_end.get(), "r", 1);
      for (;;) pause();
    }
    char byte = 0;
    REQUIRE(read(ready.read_end.get(), &byte, 1) == 1);
  }
  ~Process() {
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  [[nodiscard]] Pid pid() const { return Pid(pid_); }

 private:
  pid_t pid_ = -1;
};

}  // namespace oxherd::test
