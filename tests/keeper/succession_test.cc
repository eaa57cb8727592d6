// What one keeper writes down and the next one reads.
#include <doctest/doctest.h>

#include <string>

#include "keeper/succession.h"

namespace oxherd::keeper {
namespace {

Estate Sample() {
  Estate estate;
  estate.preamble.boot.fill('b');
  estate.preamble.daemon_number = 3;
  estate.preamble.cgroup_root = "/sys/fs/cgroup/oxherd-12";
  estate.preamble.listen_socket = "oxherd-listen-1:2";
  estate.preamble.open_files_soft = 1024;
  estate.preamble.lock = 5;
  LeftProcess process;
  process.facts.token = Token(41);
  process.facts.label = {.service = Name("api"), .slot = 2, .generation = Generation(7)};
  process.facts.phase = Phase::kRunning;
  process.facts.pid = Pid(4711);
  process.facts.held.Add(Role::kStdout);
  process.is_child = true;
  process.start_ticks = 123456;
  process.uid = 1000;
  process.cgroup = CgroupName("api.2");
  process.listen = ListenGrant{.number = 3, .secret = {1, 2, 3}};
  process.inodes[0] = 99;
  process.held[0] = 17;
  estate.processes.push_back(process);
  estate.held.push_back({.name = HeldName("api\ntcp:[::]:80\n0"), .inode = 5, .descriptor = 9});
  estate.highest = Token(50);
  return estate;
}

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST_CASE("an estate is read as it was written") {
  const Estate sample = Sample();
  const Result<Estate> read = DecodeEstate(Bytes(EncodeEstate(sample)));
  REQUIRE(read.has_value());
  CHECK(read->preamble == sample.preamble);
  CHECK(read->processes == sample.processes);
  CHECK(read->held == sample.held);
  CHECK(read->highest == Token(50));
  CHECK(read->damaged == 0);
}

TEST_CASE("whatever byte of an estate is wrong, nothing false is read") {
  const std::string whole = EncodeEstate(Sample());
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    const Result<Estate> read = DecodeEstate(Bytes(bytes));
    if (!read) continue;
    CHECK(read->damaged == 1);
    for (const LeftProcess& process : read->processes) CHECK(process == Sample().processes[0]);
  }
}

TEST_CASE("an estate that was cut off is read as far as it goes") {
  const std::string whole = EncodeEstate(Sample());
  for (std::size_t size = 0; size < whole.size(); size += 13) {
    const std::string part = whole.substr(0, size);
    const Result<Estate> read = DecodeEstate(Bytes(part));
    if (size < kPreambleBytes) {
      CHECK_FALSE(read.has_value());
    } else {
      REQUIRE(read.has_value());
      CHECK(read->processes.size() <= 1);
    }
  }
}

TEST_CASE("the longest names fit into a block") {
  Estate estate = Sample();
  LeftProcess& process = estate.processes[0];
  process.facts.label.service = Name(std::string(kMaxNameBytes, 's'));
  process.cgroup = CgroupName(std::string(127, 'c'));
  while (process.facts.held.count < kMaxAttached) process.facts.held.Add(Role::kNotify);
  estate.held[0].name = HeldName(std::string(kMaxHeldNameBytes, 'h'));
  const Result<Estate> read = DecodeEstate(Bytes(EncodeEstate(estate)));
  REQUIRE(read.has_value());
  CHECK(read->processes == estate.processes);
  CHECK(read->held == estate.held);
}

}  // namespace
}  // namespace oxherd::keeper
