#include "tests/load/wire.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <exception>
#include <string>
#include <system_error>
#include <vector>

namespace oxherd::load {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxPacket = 2048;  // the devices' MTU is 1500

[[noreturn]] void Fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int CurrentNamespace() {
  const int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    Fail("open the network namespace");
  }
  return fd;
}

void SetAddress(int fd, ifreq& request, unsigned long which, const char* address) {
  auto* in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  *in = {};
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  if (ioctl(fd, which, &request) != 0) {
    Fail("set an address");
  }
}

void BringUp(int fd, ifreq& request) {
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) {
    Fail("bring a device up");
  }
}

// A TUN device with this address in the namespace of the calling thread, in which the loopback
// device is brought up as well.
int MakeDevice(const char* address) {
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  BringUp(control, loopback);

  const int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq request{};
  std::strcpy(request.ifr_name, "wire0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) {
    Fail("open /dev/net/tun");
  }
  SetAddress(control, request, SIOCSIFADDR, address);
  SetAddress(control, request, SIOCSIFNETMASK, "255.255.255.0");
  BringUp(control, request);
  close(control);
  return device;
}

// What is needed of an IPv4 packet with TCP inside.
struct Tcp {
  bool syn = false;
  bool ack = false;
  std::uint64_t answers = 0;  // the port and the sequence number that it is addressed to
};

Tcp Looked(const unsigned char* packet, std::size_t size) {
  const std::size_t header = size < 20 ? 0 : (packet[0] & 0x0FU) * 4UL;
  if (header < 20 || packet[0] >> 4U != 4 || packet[9] != IPPROTO_TCP || size < header + 20) {
    return {};
  }
  const unsigned char* tcp = packet + header;
  std::uint32_t number = 0;
  std::memcpy(&number, tcp + 8, sizeof number);
  const std::uint64_t port = static_cast<std::uint64_t>(tcp[2]) << 8U | tcp[3];
  return {(tcp[13] & 0x02U) != 0, (tcp[13] & 0x10U) != 0, port << 32U | number};
}

struct Late {
  Clock::time_point due;
  std::vector<unsigned char> packet;
};

}  // namespace

std::unique_ptr<Wire> Wire::Lay() {
  std::unique_ptr<Wire> wire(new Wire());
  try {
    wire->home_namespace_ = CurrentNamespace();
    if (unshare(CLONE_NEWNET) != 0) {
      Fail("a network namespace");
    }
    wire->near_ = MakeDevice(kNear);
    std::exception_ptr error;
    std::thread([&] {
      try {
        if (unshare(CLONE_NEWNET) != 0) {
          Fail("a network namespace");
        }
        wire->far_namespace_ = CurrentNamespace();
        wire->far_ = MakeDevice(kFar);
      } catch (...) {
        error = std::current_exception();
      }
    }).join();
    if (error) {
      std::rethrow_exception(error);
    }
  } catch (const std::system_error& error) {
    MESSAGE("skipped: a wire between two networks cannot be laid here: " << error.what());
    return nullptr;
  }
  wire->stop_ = eventfd(0, EFD_CLOEXEC);
  wire->carrier_ = std::thread([raw = wire.get()] { raw->Carry(); });
  return wire;
}

Wire::~Wire() {
  if (carrier_.joinable()) {
    const std::uint64_t one = 1;
    (void)!write(stop_, &one, sizeof one);
    carrier_.join();
  }
  if (home_namespace_ >= 0) {
    CHECK(setns(home_namespace_, CLONE_NEWNET) == 0);
  }
  for (const int fd : {home_namespace_, far_namespace_, near_, far_, stop_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

void Wire::GoToFarEnd() const {
  if (setns(far_namespace_, CLONE_NEWNET) != 0) {
    Fail("go to the far end");
  }
}

void Wire::CarryToClients(const unsigned char* packet, std::size_t size) {
  const Tcp tcp = Looked(packet, size);
  if (loses_ && tcp.syn && tcp.ack && lost_ones_.insert(tcp.answers).second) {
    ++lost_;
    return;
  }
  (void)!write(far_, packet, size);  // a full queue loses packets, as networks do
}

void Wire::Carry() {
  std::deque<Late> late;
  while (true) {
    const auto now = Clock::now();
    while (!late.empty() && late.front().due <= now) {
      (void)!write(near_, late.front().packet.data(), late.front().packet.size());
      late.pop_front();
    }
    const auto wait = late.empty()
                          ? std::chrono::milliseconds(1000)
                          : std::chrono::ceil<std::chrono::milliseconds>(late.front().due - now);
    pollfd waiting[] = {{stop_, POLLIN, 0}, {near_, POLLIN, 0}, {far_, POLLIN, 0}};
    poll(waiting, 3, static_cast<int>(wait.count()));
    if (waiting[0].revents != 0) {
      return;
    }
    unsigned char packet[kMaxPacket];
    ssize_t got = 0;
    while ((got = read(near_, packet, sizeof packet)) > 0) {
      CarryToClients(packet, static_cast<std::size_t>(got));
    }
    while ((got = read(far_, packet, sizeof packet)) > 0) {
      const Tcp tcp = Looked(packet, static_cast<std::size_t>(got));
      const auto delay = delay_.load();
      if (delay.count() > 0 && !tcp.syn) {
        ++delayed_;
        late.push_back({Clock::now() + delay, {packet, packet + got}});
      } else {
        (void)!write(near_, packet, static_cast<std::size_t>(got));
      }
    }
  }
}

}  // namespace oxherd::load
