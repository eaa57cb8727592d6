// Steps about the network: servers that answer badly, slowly, or not at all. They listen on
// 127.0.0.1 and never return.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "steps.h"

namespace misbehave {
namespace {

constexpr std::size_t kMaxConnections = 1000;

enum class Answer { kStatus, kFile, kSlow, kHang, kDrip, kEndlessHeaders, kBig, kRedirect, kClose };

struct Mode {
  Answer answer;
  std::string detail;
};

struct Connection {
  int fd = -1;
  std::string request;
  bool answering = false;
};

// "LISTEN_FDS": the socket that is handed to us (sd_listen_fds(3)).
int Listen(const std::string& port) {
  constexpr int kFirstHanded = 3;
  if (port == "LISTEN_FDS") {
    const char* const process = std::getenv("LISTEN_PID");
    Need(process != nullptr && process == std::to_string(getpid()) ? 0 : -1, "LISTEN_PID");
    return kFirstHanded;
  }
  const char* from_environment = std::getenv("PORT");
  const long number =
      Number(port == "PORT" ? (from_environment != nullptr ? from_environment : "") : port);
  const int fd = static_cast<int>(Need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const int on = 1;
  Need(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(number));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Need(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind " + port);
  Need(listen(fd, 128), "listen");
  Say("listening on " + std::to_string(number));
  return fd;
}

// False when the client is gone. What does not fit now is left out: nobody counts it.
bool Send(int fd, std::string_view bytes) {
  return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN;
}

bool SendStatus(int fd, const std::string& status, const std::string& header = {}) {
  return Send(fd, "HTTP/1.1 " + status + " Whatever\r\nContent-Length: 3\r\nConnection: close\r\n" +
                      header + "\r\nok\n");
}

std::string FirstWordOf(const std::string& path) {
  std::string word = "500";
  std::ifstream(path) >> word;
  return word;
}

// False when the connection is done with.
bool BeginAnswer(const Connection& connection, const Mode& mode) {
  const int fd = connection.fd;
  switch (mode.answer) {
    case Answer::kStatus:
      SendStatus(fd, mode.detail);
      return false;
    case Answer::kFile:
      SendStatus(fd, FirstWordOf(mode.detail));
      return false;
    case Answer::kSlow:
      SleepMilliseconds(Number(mode.detail));
      SendStatus(fd, "200");
      return false;
    case Answer::kRedirect:
      SendStatus(fd, "302", "Location: " + mode.detail + "\r\n");
      return false;
    case Answer::kClose:
      return false;
    case Answer::kHang:
      return true;
    case Answer::kDrip:
    case Answer::kEndlessHeaders:
      return Send(fd, "HTTP/1.1 200 OK\r\n");
    case Answer::kBig:
      return Send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
  }
  return false;
}

// One more piece of an answer without an end.
bool GoOn(const Connection& connection, const Mode& mode) {
  switch (mode.answer) {
    case Answer::kDrip:
      return Send(connection.fd, "X");
    case Answer::kEndlessHeaders:
      return Send(connection.fd, "X-More: " + std::string(1000, 'x') + "\r\n");
    case Answer::kBig:
      return Send(connection.fd, std::string(4096, 'x'));
    case Answer::kStatus:
    case Answer::kFile:
    case Answer::kSlow:
    case Answer::kHang:
    case Answer::kRedirect:
    case Answer::kClose:
      return true;
  }
  return false;
}

bool Read(Connection& connection, const Mode& mode) {
  char buffer[4096];
  const ssize_t got = read(connection.fd, buffer, sizeof buffer);
  if (got <= 0) {
    return false;
  }
  connection.request.append(buffer, static_cast<std::size_t>(got));
  if (connection.answering || connection.request.find("\r\n\r\n") == std::string::npos) {
    return true;
  }
  connection.answering = true;
  return BeginAnswer(connection, mode);
}

[[noreturn]] void Serve(int listener, const Mode& mode) {
  std::vector<Connection> connections;
  while (true) {
    std::vector<pollfd> waiting{{listener, POLLIN, 0}};
    for (const Connection& connection : connections) {
      waiting.push_back({connection.fd, POLLIN, 0});
    }
    poll(waiting.data(), waiting.size(), 20);
    std::vector<Connection> kept;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      Connection& connection = connections[i];
      const bool alive = waiting[i + 1].revents != 0 ? Read(connection, mode)
                         : connection.answering      ? GoOn(connection, mode)
                                                     : true;
      if (alive) {
        kept.push_back(std::move(connection));
      } else {
        close(connection.fd);
      }
    }
    connections = std::move(kept);
    if ((waiting[0].revents & POLLIN) != 0 && connections.size() < kMaxConnections) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) {
        connections.push_back({fd, {}, false});
      }
    }
  }
}

void Http(Words words) {
  const std::string& kind = words[1];
  const std::string detail = words.size() > 2 ? words[2] : "200";
  struct Named {
    std::string_view name;
    Answer answer;
  };
  static constexpr std::array kAnswers{
      Named{"status", Answer::kStatus}, Named{"status-file", Answer::kFile},
      Named{"slow", Answer::kSlow},     Named{"hang", Answer::kHang},
      Named{"drip", Answer::kDrip},     Named{"endless-headers", Answer::kEndlessHeaders},
      Named{"big", Answer::kBig},       Named{"redirect", Answer::kRedirect},
      Named{"close", Answer::kClose},
  };
  for (const Named& named : kAnswers) {
    if (named.name == kind) {
      Serve(Listen(words[0]), {named.answer, detail});
    }
  }
  WriteAll(2, "misbehave: http cannot \"" + kind + "\"\n");
  _exit(64);
}

// Accepts nothing by itself: the kernel's backlog connects, nobody answers.
void ListenOnly(Words words) {
  Listen(words[0]);
  while (true) {
    pause();
  }
}

constexpr std::array kSteps{
    Step{"http", "PORT status N | status-file FILE | slow MS | hang | drip | …", 2, Http},
    Step{"listen", "PORT", 1, ListenOnly},
};

}  // namespace

std::span<const Step> NetworkSteps() { return kSteps; }

}  // namespace misbehave
