#include "tests/e2e/http.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>

namespace oxherd::e2e {
namespace {

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int TcpSocket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    throw std::system_error(errno, std::generic_category(), "socket");
  }
  return fd;
}

// Each read and write on `fd` ends after `deadline`.
void Limit(int fd, milliseconds deadline) {
  const timeval limit{deadline.count() / 1000, deadline.count() % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// What was heard until the other side closed; what it would not read is not sent.
std::string Exchange(int fd, const sockaddr_in& address, const std::string& request,
                     std::string& error) {
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    error = std::strerror(errno);
    return {};
  }
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t size = send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (size < 0) {
      error = std::strerror(errno);
      break;
    }
    sent += static_cast<std::size_t>(size);
  }
  std::string answer;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  if (got < 0) error = std::strerror(errno);
  return answer;
}

HttpAnswer Ask(std::uint16_t port, const std::string& request, milliseconds deadline) {
  const int fd = TcpSocket();
  Limit(fd, deadline);
  HttpAnswer answer;
  const std::string raw = Exchange(fd, Loopback(port), request, answer.error);
  close(fd);
  const std::size_t body = raw.find("\r\n\r\n");
  if (raw.starts_with("HTTP/1.1 ") && body != std::string::npos) {
    answer.status = static_cast<int>(std::strtol(raw.c_str() + 9, nullptr, 10));
    answer.body = raw.substr(body + 4);
  } else if (answer.error.empty()) {
    answer.error = "cut off after " + std::to_string(raw.size()) + " bytes";
  }
  return answer;
}

}  // namespace

HttpAnswer HttpGet(std::uint16_t port, const std::string& path, milliseconds deadline) {
  HttpAnswer answer = Ask(
      port, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", deadline);
  if (!answer.error.empty()) answer.status = 0;  // reset in the middle of the answer
  return answer;
}

HttpAnswer HttpPost(std::uint16_t port, const std::string& path, const std::string& headers,
                    const std::string& body, milliseconds deadline) {
  return Ask(port,
             "POST " + path + " HTTP/1.1\r\nHost: deploy.acme.example\r\nConnection: close\r\n" +
                 headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body,
             deadline);
}

std::vector<std::future<HttpAnswer>> HttpGetMany(std::size_t count, std::uint16_t port,
                                                 const std::string& path) {
  std::vector<std::future<HttpAnswer>> answers;
  answers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    answers.push_back(std::async(std::launch::async, [port, path] { return HttpGet(port, path); }));
  }
  return answers;
}

std::size_t AcceptedOn(std::uint16_t port) {
  constexpr unsigned kEstablished = 1;
  std::size_t accepted = 0;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(table);
    std::string line;
    while (std::getline(lines, line)) {
      unsigned local = 0;
      unsigned state = 0;
      unsigned long inode = 0;
      const int read = std::sscanf(  // NOLINT(cert-err34-c): what is no number leaves 0
          line.c_str(), " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*u %*u %lu", &local,
          &state, &inode);
      if (read == 3 && local == port && state == kEstablished && inode != 0) ++accepted;
    }
  }
  return accepted;
}

bool IsFree(std::uint16_t port) {
  const int fd = TcpSocket();
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    listen(fd, 1) == 0;
  close(fd);
  return free;
}

std::uint16_t FreePorts(std::uint16_t count) {
  // Test programs that run at the same time begin at different places.
  constexpr unsigned kFirst = 10000;
  constexpr unsigned kRange = 20000;
  static unsigned next = static_cast<unsigned>(getpid()) * 101U;
  for (unsigned tries = 0; tries < kRange; ++tries) {
    const auto base = static_cast<std::uint16_t>(kFirst + next % kRange);
    next += count;
    std::uint16_t free = 0;
    while (free < count && IsFree(static_cast<std::uint16_t>(base + free))) {
      ++free;
    }
    if (free == count) {
      return base;
    }
  }
  FAIL("no " << count << " free ports");
  return 0;
}

}  // namespace oxherd::e2e
