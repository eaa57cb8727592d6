// Two networks joined by a wire that delays and loses packets: clients on the far one, with the
// kernel's own TCP.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <thread>

namespace oxherd::load {

// While it lives, the calling thread and the processes that it starts are in a network namespace of
// their own, where kNear is an address; the far end, kFar, is in another one. Both ends are TUN
// devices; a thread carries the packets. The kernel's tc would do the delay, but not all have
// netem.
class Wire {
 public:
  static constexpr const char* kNear = "10.83.0.1";
  static constexpr const char* kFar = "10.83.0.2";

  // Null, with a message that says why, where that is not possible (it needs root and
  // /dev/net/tun).
  static std::unique_ptr<Wire> Lay();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();

  // Moves the calling thread to the far end. For Plan::in_thread.
  void GoToFarEnd() const;

  // The packets of the clients, but for SYN, arrive this late. Order is kept.
  void set_delay(std::chrono::milliseconds delay) { delay_ = delay; }
  // The first SYN-ACK of each connection is lost.
  void set_loses_first_syn_ack(bool loses) { loses_ = loses; }

  [[nodiscard]] std::uint64_t delayed() const { return delayed_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  Wire() = default;
  bool LayBoth();
  void Carry();
  void CarryToClients(const unsigned char* packet, std::size_t size);

  int home_namespace_ = -1;
  int far_namespace_ = -1;
  int near_ = -1;  // the devices
  int far_ = -1;
  int stop_ = -1;  // eventfd
  std::atomic<std::chrono::milliseconds> delay_{};
  std::atomic<bool> loses_{false};
  std::atomic<std::uint64_t> delayed_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::set<std::uint64_t> lost_ones_;  // port and sequence number of each SYN-ACK that was lost
  std::thread carrier_;
};

}  // namespace oxherd::load
