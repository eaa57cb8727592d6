#include "os/steering.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <ifaddrs.h>

#include <atomic>
#include <cstring>
#include <numeric>
#include <string_view>
#include <thread>

#include "tests/os/loopback.h"

namespace oxherd::os {
namespace {

void CheckClientsAndProbes(const std::string& text, const std::string& target) {
  CAPTURE(text);
  const PoolAddress address = AddressOf(text);
  const ListenPool pool = OpenOrFail(text, 5);
  const std::array<std::uint16_t, 2> places = {1, 3};
  REQUIRE(Steer(pool.sockets[4].get(), places).has_value());
  std::vector<Fd> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(Client(target, address.port));
  const auto counts = Waiting(pool);
  CHECK(counts[1] + counts[3] == 200);
  // By chance: fewer than 40 of 200 in one of two happens once in 10^17 times.
  CHECK(counts[1] >= 40);
  CHECK(counts[3] >= 40);
  for (std::uint16_t place = 0; place < 5; ++place) {
    const auto before = Waiting(pool)[place];
    const Fd probe = ProbeOf(address, place);
    REQUIRE(static_cast<bool>(probe));
    CHECK(Waiting(pool)[place] == before + 1);
  }
}

TEST_CASE("clients go to the chosen places alone, and a probe to exactly the one asked") {
  const std::string port = std::to_string(FreePort());
  CheckClientsAndProbes("tcp:0.0.0.0:" + port, "127.0.0.1");
  if (!HasIpv6()) {
    MESSAGE("skipped in part: no IPv6 here");
    return;
  }
  CheckClientsAndProbes("tcp:[::]:" + port, "127.0.0.1");
  CheckClientsAndProbes("tcp:[::]:" + port, "::1");
  CheckClientsAndProbes("tcp:[::1]:" + port, "::1");
}

// The first IPv4 address of this machine that is not the loopback's; empty if there is none.
std::string OutwardAddress() {
  ifaddrs* all = nullptr;
  std::string found;
  if (::getifaddrs(&all) != 0) return found;
  for (const ifaddrs* one = all; one != nullptr && found.empty(); one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    sockaddr_in address{};
    std::memcpy(&address, one->ifa_addr, sizeof address);
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
    if (!std::string_view(text.data()).starts_with("127.")) found = text.data();
  }
  ::freeifaddrs(all);
  return found;
}

TEST_CASE("a pool on an address of the network is probed from 127.83 as well") {
  const std::string host = OutwardAddress();
  if (host.empty()) {
    MESSAGE("skipped: no network interface with an IPv4 address");
    return;
  }
  const std::string port = std::to_string(FreePort());
  CheckClientsAndProbes("tcp:" + host + ":" + port, host);
}

TEST_CASE("the program is replaced in one step: no client is lost or goes astray meanwhile") {
  const std::uint16_t port = FreePort();
  const ListenPool pool = OpenOrFail("tcp:127.0.0.1:" + std::to_string(port), 4);
  std::atomic<bool> goes_on = true;
  std::atomic<int> flips = 0;
  std::thread flipper([&] {
    while (goes_on) {
      const std::array<std::uint16_t, 1> places = {static_cast<std::uint16_t>(flips % 2)};
      if (Steer(pool.sockets[2].get(), places)) ++flips;
    }
  });
  int failed = 0;
  std::array<std::uint32_t, 4> landed{};
  for (int i = 0; i < 3'000; ++i) {
    if (!Client("127.0.0.1", port)) ++failed;
    if (i % 500 != 499) continue;
    for (std::size_t place = 0; place < 4; ++place) {
      landed[place] += SweepQueue(pool.sockets[place].get()).value();
    }
  }
  goes_on = false;
  flipper.join();
  CHECK(failed == 0);
  CHECK(flips > 10);
  CHECK(landed[0] + landed[1] == 3'000);
  CHECK(landed[0] > 0);
  CHECK(landed[1] > 0);
  CHECK(landed[2] + landed[3] == 0);
}

TEST_CASE(
    "the widest pool with every second place chosen still has a program that the kernel takes") {
  const std::uint16_t port = FreePort();
  const std::string text = "tcp:127.0.0.1:" + std::to_string(port);
  const ListenPool pool = OpenOrFail(text, kMaxPoolWidth);
  std::vector<std::uint16_t> places;
  for (std::uint16_t place = 1; place < kMaxPoolWidth; place += 2) places.push_back(place);
  REQUIRE(Steer(pool.sockets[0].get(), places).has_value());
  std::vector<Fd> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(Client("127.0.0.1", port));
  const auto counts = Waiting(pool);
  std::uint32_t odd = 0;
  for (const std::uint16_t place : places) odd += counts[place];
  CHECK(odd == 300);
  const Fd probe = ProbeOf(AddressOf(text), 500);
  CHECK(Waiting(pool)[500] == 1);
}

TEST_CASE("runs of places cost three instructions each, however long they are") {
  std::vector<std::uint16_t> run(100);
  std::iota(run.begin(), run.end(), std::uint16_t{7});
  const std::array<std::uint16_t, 1> one = {0};
  CHECK(SteeringProgram(run).size() == SteeringProgram(one).size());
  run.push_back(500);
  CHECK(SteeringProgram(run).size() == SteeringProgram(one).size() + 3);
}

TEST_CASE("with no place chosen the kernel spreads over all sockets") {
  const std::uint16_t port = FreePort();
  const ListenPool pool = OpenOrFail("tcp:127.0.0.1:" + std::to_string(port), 2);
  REQUIRE(Steer(pool.sockets[0].get(), {}).has_value());
  std::vector<Fd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(Client("127.0.0.1", port));
  const auto counts = Waiting(pool);
  CHECK(counts[0] + counts[1] == 100);
  CHECK(counts[0] > 0);
  CHECK(counts[1] > 0);
}

TEST_CASE("a Unix socket and a place beyond all have no probe's path") {
  CHECK_FALSE(ProbePathTo(AddressOf("unix:/x"), 0).has_value());
  CHECK_FALSE(ProbePathTo(AddressOf("tcp:0.0.0.0:80"), kMaxPlaces).has_value());
  CHECK(ProbePathTo(AddressOf("tcp:0.0.0.0:80"), 511)->source == "127.83.1.255");
  CHECK(ProbePathTo(AddressOf("tcp:[::1]:80"), 3)->source_port == 61'003);
}

}  // namespace
}  // namespace oxherd::os
