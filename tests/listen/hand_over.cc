#include "tests/listen/hand_over.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>

#include "os/clock.h"
#include "os/listeners.h"
#include "os/steering.h"

namespace oxherd::keeper {
namespace {

constexpr const char* kSecretText = "0102030405060708090a0b0c0d0e0f10";
constexpr ListenSecret kSecret = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr const char* kSearchPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

sockaddr_in Ipv4(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  REQUIRE(::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1);
  return address;
}

// What comes within the patience, up to the other side's end.
std::string ReadAnswer(int socket) {
  std::string answer;
  std::array<char, 4096> text{};
  for (;;) {
    const ssize_t size = ::recv(socket, text.data(), text.size(), 0);
    if (size <= 0) return answer;
    answer.append(text.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace

std::optional<std::string> Find(const std::string& program) {
  const std::string path = kSearchPath;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    std::string candidate = path.substr(start, end - start) + "/" + program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    start = end + 1;
  }
  MESSAGE("skipped: ", program, " is not installed");
  return std::nullopt;
}

HandOver::Program NginxProgram(HandOver& over, std::uint16_t number,
                               const std::string& listen_options) {
  const std::string name = "instance-" + std::to_string(number);
  const std::string folder = over.run().home() + "/" + name;
  ::mkdir(folder.c_str(), 0755);
  std::string config = "daemon off; pid " + folder + "/pid; error_log " + folder +
                       "/error.log; worker_processes 2; events { worker_connections 64; } http { "
                       "access_log off; ";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    config += std::string(kind) + "_temp_path " + folder + "/" + kind + "; ";
  }
  config += "server { listen 127.0.0.1:" + over.port_text() + listen_options +
            "; location / { return 200 " + name + "; } } }";
  HandOver::Program program;
  program.words = {"nginx",
                   "-p",
                   folder,
                   "-c",
                   over.Write(name + "/nginx.conf", config),
                   "-e",
                   folder + "/error.log"};
  return program;
}

HandOver::HandOver(const std::string& host) {
  for (int port = 22'000 + ::getpid() % 9'000;; ++port) {
    text_ = "tcp:" + host + ":" + std::to_string(port);
    address_ = *os::ParsePoolAddress(text_);
    auto pool = os::OpenListenPool(address_, 2);
    if (!pool) continue;
    pool_ = std::move(*pool);
    break;
  }
  run_.AskForWorld();
  for (std::uint16_t number = 0; number < 2; ++number) {
    const HeldName name("api\n" + text_ + "\n" + std::to_string(number));
    run_.Send(Hold{name}, std::array{held(number)});
  }
}

os::Fd HandOver::Start(std::uint16_t number, const Program& program) {
  const Token token(++last_token_);
  tokens_[number] = token;
  Plan plan = run_.PlanFor(token, {});
  plan.program = program.words[0].starts_with('/') ? program.words[0] : *Find(program.words[0]);
  plan.arguments = program.words;
  if (!program.directory.empty()) plan.directory = program.directory;
  plan.listen = ListenGrant{.number = number, .secret = kSecret};
  const std::string key = program.can_fetch ? kSecretText : std::string(32, '0');
  plan.environment = {
      std::string("PATH=") + kSearchPath,
      "HOME=" + run_.home(),
      "NAME=instance-" + std::to_string(number),
      "OXHERD_TOKEN=" + std::to_string(token.number()),
      "LD_PRELOAD=" OXHERD_BINARY_DIR "/liboxherd-listen.so",
      "OXHERD_LISTEN=" + port_text() + "=200",
      "OXHERD_LISTEN_SOCKET=" + std::string(run_.hello().listen_socket.text()),
      "OXHERD_LISTEN_KEY=" + std::to_string(token.number()) + ":" + key,
  };
  plan.environment.insert(plan.environment.end(), program.environment.begin(),
                          program.environment.end());
  if (program.inherits == Inherits::kDuplicate) {
    plan.descriptors.push_back({.target = 200,
                                .source = MappedDescriptor::Source::kHeld,
                                .open = MappedDescriptor::Open::kListening,
                                .attached = 0,
                                .name = "api\n" + text_ + "\n" + std::to_string(number)});
  }
  return run_.SpawnPlan(token, plan);
}

os::Fd HandOver::StartAndTake(std::uint16_t number, const Program& program) {
  os::Fd output = Start(number, program);
  const auto taken = run_.Await<ListenTaken>();
  CHECK(taken.token == tokens_[number]);
  CHECK(taken.name.text() == "api\n" + text_ + "\n" + std::to_string(number));
  return output;
}

std::string HandOver::Ask(const std::string& source, const std::string& path) {
  const sockaddr_in from = Ipv4(source, 0);
  const sockaddr_in to = Ipv4("127.0.0.1", port());
  const os::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  REQUIRE(::bind(client.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0);
  REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  REQUIRE(::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
  return ReadAnswer(client.get());
}

std::string HandOver::AskInstance(std::uint16_t number, const std::string& path) {
  return Ask(os::ProbePathTo(address_, number)->source, path);
}

std::string HandOver::AskAsClient(const std::string& path) { return Ask("127.0.0.1", path); }

void HandOver::SteerTo(std::uint16_t number) {
  const std::array places = {number};
  REQUIRE(os::Steer(held(number), places).has_value());
  half_open_at_flip_ = os::LookAtPort(port()).value().half_open;
}

bool HandOver::AwaitDrained(std::uint16_t number) {
  const Pid main = run_.AskForWorld().Of(tokens_[number]).record.pid;
  const Instant deadline = os::Now() + Seconds(5);
  int quiet_looks = 0;
  while (os::Now() < deadline) {
    const os::PortTraffic traffic = os::LookAtPort(port()).value();
    const bool is_quiet =
        os::WaitingClients(held(number)).value() == 0 &&
        !os::AnyIsStill(half_open_at_flip_, traffic.half_open) &&
        os::TreeOwnsSocket(main, traffic.busy).value() == os::Ownership::kDoesNotOwn;
    quiet_looks = is_quiet ? quiet_looks + 1 : 0;
    if (quiet_looks == 2) return true;
    ::poll(nullptr, 0, 50);
  }
  return false;
}

void HandOver::Stop(std::uint16_t number) {
  const Token token = tokens_[number];
  run_.Send(keeper::Stop{.token = token,
                         .signal = SIGTERM,
                         .scope = Scope::kGroup,
                         .kill_at = os::Now() + Seconds(8)});
  while (run_.Await<Gone>().token != token) {
  }
}

std::string HandOver::Write(const std::string& name, const std::string& text) {
  std::string path = run_.home() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

}  // namespace oxherd::keeper
