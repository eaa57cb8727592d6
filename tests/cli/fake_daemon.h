// A home with a daemon that says what a test tells it to, on a thread of its own.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "cli/places.h"
#include "control/message.h"
#include "os/fd.h"

namespace oxherd::cli {

// A temporary home, empty at first.
class TestHome {
 public:
  TestHome();
  TestHome(const TestHome&) = delete;
  TestHome& operator=(const TestHome&) = delete;
  ~TestHome();

  [[nodiscard]] const Places& places() const { return places_; }

 private:
  std::filesystem::path folder_;
  Places places_;
};

// Holds the lock of the home and listens. Its thread runs `script` and ends.
class FakeDaemon {
 public:
  // One connection, from the daemon's side. Blocks for 10 s at most; then the test fails.
  class Client {
   public:
    explicit Client(os::Fd socket) : socket_(std::move(socket)) {}
    std::string ReadLine();
    control::Request ReadRequest();
    void Say(const control::FromDaemon& message);
    void SayBytes(const std::string& bytes);

   private:
    os::Fd socket_;
  };

  FakeDaemon(const Places& places, std::function<void(FakeDaemon&)> script);
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;
  ~FakeDaemon();

  // The next one that connects; it is gone when the Client is.
  Client Accept() const;  // NOLINT(modernize-use-nodiscard)

 private:
  os::Fd lock_;
  os::Fd folder_;
  os::Fd socket_;
  std::thread thread_;
};

}  // namespace oxherd::cli
