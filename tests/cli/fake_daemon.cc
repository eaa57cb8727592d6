#include "tests/cli/fake_daemon.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "control/wire.h"
#include "os/local_socket.h"
#include "os/lock.h"
#include "tests/temporary.h"

namespace oxherd::cli {
namespace {

constexpr int kPatienceMs = 10'000;

bool WaitToRead(int descriptor) {
  pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, kPatienceMs) == 1;
}

}  // namespace

TestHome::TestHome() {
  folder_ = test::MakeTemporaryFolder("cli");
  places_ = PlacesFor(::geteuid(), "/nowhere", (folder_ / "home").string(), "/");
}

TestHome::~TestHome() { std::filesystem::remove_all(folder_); }

FakeDaemon::FakeDaemon(const Places& places, std::function<void(FakeDaemon&)> script) {
  REQUIRE(MakePlaces(places).has_value());
  auto lock = os::TakeLock(places.lock());
  REQUIRE(lock.has_value());
  REQUIRE(lock->has_value());
  lock_ = std::move(**lock);
  folder_.Reset(::open(places.run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto socket = os::ListenLocally(folder_.get(), kControlSocket);
  REQUIRE(socket.has_value());
  socket_ = std::move(*socket);
  const os::LockText text{.pid = Pid(::getpid()), .socket = places.run + "/" + kControlSocket};
  REQUIRE(os::WriteLock(lock_.get(), text).has_value());
  thread_ = std::thread([this, script = std::move(script)] { script(*this); });
}

FakeDaemon::~FakeDaemon() {
  thread_.join();
  ::unlinkat(folder_.get(), kControlSocket, 0);
}

FakeDaemon::Client FakeDaemon::Accept() const {
  CHECK(WaitToRead(socket_.get()));
  return Client(os::Fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

std::string FakeDaemon::Client::ReadLine() {
  std::string line;
  char byte = 0;
  while (WaitToRead(socket_.get()) && ::read(socket_.get(), &byte, 1) == 1) {
    if (byte == '\n') return line;
    line += byte;
  }
  return line;
}

control::Request FakeDaemon::Client::ReadRequest() {
  const auto message = control::DecodeFromClient(ReadLine());
  const auto* request = message ? std::get_if<control::Request>(&*message) : nullptr;
  CHECK(request != nullptr);
  return request == nullptr ? control::Request{} : *request;
}

void FakeDaemon::Client::Say(const control::FromDaemon& message) {
  SayBytes(control::EncodeLine(message));
}

void FakeDaemon::Client::SayBytes(const std::string& bytes) {
  CHECK(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(bytes.size()));
}

}  // namespace oxherd::cli
