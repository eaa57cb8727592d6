// The clients of a load: their sockets, and one epoll loop over them.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/load/answer.h"
#include "tests/load/load.h"

namespace oxherd::load {

// What a running load shows to the thread that started it, and the word to stop.
struct Progress {
  std::atomic<std::uint64_t> ok{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::size_t> established{0};
  std::atomic<bool> stop{false};
};

class Engine {
 public:
  // Throws where the plan cannot be carried out at all: a host that is no numeric address.
  Engine(const Plan& plan, Progress& progress);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Blocks until the plan or Progress::stop ends it.
  Counts Run();

 private:
  enum class Phase { kPausing, kConnecting, kWaiting };

  struct Client {
    int fd = -1;
    Phase phase = Phase::kPausing;
    SteadyClock::time_point since;  // of the request; in a pause: when that ends
    Answer answer;
  };

  struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    [[nodiscard]] const sockaddr* get() const {
      return reinterpret_cast<const sockaddr*>(&storage);
    }
  };

  static Address AddressOf(const std::string& host, std::uint16_t port);
  [[nodiscard]] bool MayBegin(SteadyClock::time_point now) const;
  [[nodiscard]] bool IsOver(SteadyClock::time_point now) const;
  bool LookAtClocks(SteadyClock::time_point now);
  void Begin(Client& client, SteadyClock::time_point now);
  bool Connect(Client& client);
  void Ask(Client& client);
  void OnEvent(Client& client, std::uint32_t events);
  void OnConnected(Client& client);
  void Read(Client& client);
  void OnEnd(Client& client, int error);
  void Succeed(Client& client);
  void Fail(Client& client, Cause cause, const std::string& detail);
  void Pause(Client& client, milliseconds time);
  void Close(Client& client);
  void NoteSuccess(const Client& client, SteadyClock::time_point now);

  const Plan& plan_;
  Progress& progress_;
  Address target_;
  Address source_;
  std::string request_;
  std::vector<Client> clients_;
  Counts counts_;
  SteadyClock::time_point started_;
  SteadyClock::time_point last_success_;
  std::uint64_t begun_ = 0;
  int epoll_ = -1;
};

}  // namespace oxherd::load
