// Programs that run under the preload library and the real keeper, without a daemon: the test holds
// the pool, says the plans and is the client.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "os/listen_pool.h"
#include "os/traffic_facts.h"
#include "tests/keeper/keeper_run.h"

namespace oxherd::keeper {

// A keeper that holds a pool of two sockets for the service "api", whose clients go to place 0.
class HandOver {
 public:
  // `host` as in an address: "127.0.0.1", "[::]".
  explicit HandOver(const std::string& host = "127.0.0.1");

  [[nodiscard]] std::uint16_t port() const { return address_.port; }
  [[nodiscard]] std::string port_text() const { return std::to_string(address_.port); }
  [[nodiscard]] Token token(std::uint16_t number) const { return tokens_[number]; }
  [[nodiscard]] int held(std::uint16_t number) const { return pool_.sockets[number].get(); }
  [[nodiscard]] KeeperRun& run() { return run_; }

  enum class Inherits { kNothing, kDuplicate };
  struct Program {
    std::vector<std::string> words;  // the first is searched in /usr/bin and the like
    std::string directory;           // empty: the run's home
    std::vector<std::string> environment{};
    Inherits inherits = Inherits::kDuplicate;
    bool can_fetch = true;  // false: its OXHERD_LISTEN_KEY is wrong
  };
  // Starts an instance with this socket number; its NAME is "instance-NUMBER". What it prints, on
  // both outputs, comes from the pipe.
  os::Fd Start(std::uint16_t number, const Program& program);
  // The same and waits until the program has taken its socket through the library.
  os::Fd StartAndTake(std::uint16_t number, const Program& program);

  // Asks by HTTP until an answer comes; the whole of it, or what is there after ten seconds.
  [[nodiscard]] std::string AskInstance(std::uint16_t number, const std::string& path = "/");
  [[nodiscard]] std::string AskAsClient(const std::string& path = "/");
  // From now on clients go to this number alone; what was on its way to the other is drained as
  // traffic.md says, five seconds at most. False if it was not by then.
  void SteerTo(std::uint16_t number);
  [[nodiscard]] bool AwaitDrained(std::uint16_t number);
  // SIGTERM, and waits until its tree is gone.
  void Stop(std::uint16_t number);

  // A file in the run's home; its path.
  std::string Write(const std::string& name, const std::string& text);

 private:
  [[nodiscard]] std::string Ask(const std::string& source, const std::string& path);

  os::PoolAddress address_;
  std::string text_;
  os::ListenPool pool_;
  std::uint64_t last_token_ = 0;
  std::array<Token, 2> tokens_;  // the latest of each number
  std::vector<os::HalfOpen> half_open_at_flip_;
  KeeperRun run_;
};

// nginx in the foreground that answers "instance-NUMBER"; the options follow its address.
HandOver::Program NginxProgram(HandOver& over, std::uint16_t number,
                               const std::string& listen_options);
// The path of a program; nothing (and a message that the test is skipped) if it is not installed.
std::optional<std::string> Find(const std::string& program);

}  // namespace oxherd::keeper
