#include "tests/load/engine.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace oxherd::load {
namespace {

// A client that failed waits this long: one that is refused would otherwise fill the count alone.
constexpr milliseconds kAfterFailure{5};

std::string SourcePort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (fd < 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return "?";
  }
  // The port has the same place in both families.
  return std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port));
}

std::string Named(int error) { return std::string("errno ") + std::to_string(error); }

}  // namespace

Engine::Address Engine::AddressOf(const std::string& host, std::uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof *v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof *v6;
  } else {
    throw std::invalid_argument("\"" + host + "\" is no numeric address");
  }
  return address;
}

Engine::Engine(const Plan& plan, Progress& progress)
    : plan_(plan),
      progress_(progress),
      target_(AddressOf(plan.host, plan.port)),
      clients_(plan.connections),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_create1");
  }
  if (!plan.source.empty()) {
    source_ = AddressOf(plan.source, 0);
  }
  request_ = "GET " + plan.path + " HTTP/1.1\r\nHost: localhost\r\nConnection: " +
             (plan.clients == Clients::kFresh ? "close" : "keep-alive") + "\r\n\r\n";
}

Engine::~Engine() {
  for (Client& client : clients_) {
    Close(client);
  }
  close(epoll_);
}

Counts Engine::Run() {
  started_ = last_success_ = SteadyClock::now();
  for (Client& client : clients_) {
    client.since = started_;
  }
  auto now = started_;
  while (!IsOver(now)) {
    const bool pausing = LookAtClocks(now);
    epoll_event events[64];
    const int count = epoll_wait(epoll_, events, 64, pausing ? 1 : 10);
    for (int i = 0; i < count; ++i) {
      OnEvent(clients_[events[i].data.u64], events[i].events);
    }
    now = SteadyClock::now();
  }
  const auto gap = std::chrono::duration_cast<milliseconds>(now - last_success_);
  counts_.longest_gap = std::max(counts_.longest_gap, gap);
  counts_.took_ms = std::chrono::duration_cast<milliseconds>(now - started_).count();
  std::sort(counts_.latencies.begin(), counts_.latencies.end());
  return std::move(counts_);
}

bool Engine::MayBegin(SteadyClock::time_point now) const {
  return !progress_.stop && (plan_.max_requests == 0 || begun_ < plan_.max_requests) &&
         now - started_ < plan_.max_time;
}

bool Engine::IsOver(SteadyClock::time_point now) const {
  return !MayBegin(now) && (plan_.clients == Clients::kSilent ||
                            std::all_of(clients_.begin(), clients_.end(), [](const Client& client) {
                              return client.phase == Phase::kPausing;
                            }));
}

// True when somebody pauses.
bool Engine::LookAtClocks(SteadyClock::time_point now) {
  bool pausing = false;
  for (Client& client : clients_) {
    if (client.phase == Phase::kPausing) {
      if (now >= client.since && MayBegin(now)) {
        Begin(client, now);
      }
      pausing = pausing || client.phase == Phase::kPausing;
    } else if (now - client.since > plan_.request_timeout &&
               (client.phase == Phase::kConnecting || plan_.clients != Clients::kSilent)) {
      Fail(client, Cause::kTimedOut,
           client.phase == Phase::kConnecting ? "connecting" : "no whole answer");
    }
  }
  return pausing;
}

void Engine::Begin(Client& client, SteadyClock::time_point now) {
  ++begun_;
  client.since = now;
  client.answer = Answer();
  if (client.fd >= 0) {
    Ask(client);
  } else if (!Connect(client)) {
    const int error = errno;
    Fail(client, error == ECONNREFUSED ? Cause::kRefused : Cause::kOther, Named(error));
  }
}

// False, with errno, when there is nothing to wait for.
bool Engine::Connect(Client& client) {
  const int on = 1;
  client.fd =
      socket(target_.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (client.fd < 0) {
    return false;
  }
  setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source_.size != 0) {
    setsockopt(client.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(client.fd, source_.get(), source_.size) != 0) {
      return false;
    }
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = static_cast<std::uint64_t>(&client - clients_.data());
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event) != 0) {
    return false;
  }
  client.phase = Phase::kConnecting;
  return connect(client.fd, target_.get(), target_.size) == 0 || errno == EINPROGRESS;
}

void Engine::OnEvent(Client& client, std::uint32_t events) {
  if (client.fd < 0) {
    return;
  }
  if (client.phase == Phase::kConnecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == ECONNREFUSED) {
      Fail(client, Cause::kRefused, Named(error));
      return;
    }
    if (error == ECONNRESET) {  // between the handshake and our look at it
      Fail(client, Cause::kResetBefore, Named(error));
      return;
    }
    if (error != 0) {
      Fail(client, error == ETIMEDOUT ? Cause::kTimedOut : Cause::kOther, Named(error));
      return;
    }
    if ((events & EPOLLOUT) == 0) {
      return;
    }
    OnConnected(client);
  }
  if (client.fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    Read(client);
  }
}

void Engine::OnConnected(Client& client) {
  ++counts_.connections;
  ++progress_.established;
  if (plan_.clients == Clients::kSilent) {
    client.phase = Phase::kWaiting;
  } else {
    Ask(client);
  }
}

void Engine::Ask(Client& client) {
  client.phase = Phase::kWaiting;
  // A request is far smaller than any socket buffer. That the connection is gone is told by the
  // read; anything else would be a mistake of ours.
  if (send(client.fd, request_.data(), request_.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE &&
      errno != ECONNRESET) {
    Fail(client, Cause::kOther, "send: " + Named(errno));
  }
}

void Engine::Read(Client& client) {
  char buffer[16384];
  while (true) {
    const ssize_t got = read(client.fd, buffer, sizeof buffer);
    if (got < 0 && errno == EAGAIN) {
      return;
    }
    if (got <= 0) {
      OnEnd(client, got == 0 ? 0 : errno);
      return;
    }
    if (client.phase == Phase::kPausing) {
      continue;  // nothing was asked; the next answer will show what came of it
    }
    const auto state = client.answer.Read({buffer, static_cast<std::size_t>(got)});
    if (state == Answer::State::kBroken) {
      Fail(client, Cause::kBody, "not HTTP");
      return;
    }
    if (state == Answer::State::kWhole) {
      Succeed(client);
      if (client.fd < 0) {
        return;
      }
      // Reads on: an end that came with the answer must be seen before the next request is sent.
    }
  }
}

// The server has ended the connection, with a reset (`error`) or in order (0).
void Engine::OnEnd(Client& client, int error) {
  if (client.phase == Phase::kPausing || plan_.clients == Clients::kSilent) {
    ++counts_.let_go;
    Close(client);
    Pause(client, plan_.pause + kAfterFailure);
    return;
  }
  if (error == 0 && client.answer.End() == Answer::State::kWhole) {
    Succeed(client);
    return;
  }
  const bool begun = client.answer.begun();
  if (error == 0) {
    Fail(client, begun ? Cause::kClosedInside : Cause::kClosedBefore, "end of file");
  } else if (error == ECONNRESET || error == EPIPE) {
    Fail(client, begun ? Cause::kResetInside : Cause::kResetBefore, Named(error));
  } else {
    Fail(client, error == ETIMEDOUT ? Cause::kTimedOut : Cause::kOther, Named(error));
  }
}

void Engine::Succeed(Client& client) {
  const Answer& answer = client.answer;
  if (answer.status() != 200) {
    Fail(client, Cause::kStatus, std::to_string(answer.status()));
    return;
  }
  if (answer.body().find(plan_.body_has) == std::string::npos) {
    Fail(client, Cause::kBody, "\"" + answer.body().substr(0, 40) + "\"");
    return;
  }
  NoteSuccess(client, SteadyClock::now());
  if (plan_.clients == Clients::kFresh || answer.last()) {
    Close(client);
  }
  Pause(client, plan_.pause);
}

void Engine::NoteSuccess(const Client& client, SteadyClock::time_point now) {
  ++counts_.ok;
  ++progress_.ok;
  const auto gap = std::chrono::duration_cast<milliseconds>(now - last_success_);
  counts_.longest_gap = std::max(counts_.longest_gap, gap);
  last_success_ = now;
  if (counts_.latencies.size() < kMaxLatencies) {
    const auto took = std::chrono::duration_cast<microseconds>(now - client.since);
    counts_.latencies.push_back(static_cast<std::uint32_t>(took.count()));
  }
  const std::string& body = client.answer.body();
  const std::string who = body.substr(0, std::min<std::size_t>(body.find('\n'), 80));
  if (counts_.bodies.size() < kMaxBodies || counts_.bodies.contains(who)) {
    ++counts_.bodies[who];
  }
}

void Engine::Fail(Client& client, Cause cause, const std::string& detail) {
  ++counts_.failed;
  ++progress_.failed;
  ++counts_.causes[cause];
  if (counts_.failures.size() < kMaxFailures) {
    const auto now = SteadyClock::now();
    counts_.failures.push_back({cause, std::chrono::duration_cast<milliseconds>(now - started_),
                                std::chrono::duration_cast<milliseconds>(now - client.since),
                                detail, SourcePort(client.fd)});
  }
  Close(client);
  Pause(client, plan_.pause + kAfterFailure);
}

void Engine::Pause(Client& client, milliseconds time) {
  client.phase = Phase::kPausing;
  client.since = SteadyClock::now() + time;
}

void Engine::Close(Client& client) {
  if (client.fd < 0) {
    return;
  }
  if (client.phase == Phase::kWaiting || client.phase == Phase::kPausing) {
    --progress_.established;
  }
  // By hand: a process that the test forks just now holds the connection until it has exec'd, and
  // epoll would go on to tell of it, under the name of this client's next one.
  epoll_ctl(epoll_, EPOLL_CTL_DEL, client.fd, nullptr);
  close(client.fd);
  client.fd = -1;
}

}  // namespace oxherd::load
