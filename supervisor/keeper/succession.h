// What a keeper writes down for the one after it: every process and every held descriptor, in
// blocks of one size.
//
// One form for all ways in which a keeper can end: the file that keeper/journal.h keeps, for when
// nobody of ours is left; and a memfd with the numbers of open descriptors, for a keeper that execs
// anew, or a daemon that becomes the next keeper. Pure; encoding allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "keeper/plan.h"
#include "keeper/protocol.h"

namespace oxherd::keeper {

// Raised when the meaning of a block changes: nothing is taken over across it.
constexpr std::uint32_t kSuccessionVersion = 1;
// In the runtime directory: keeper/journal.h.
constexpr const char* kJournalName = "instances";
constexpr std::size_t kBlockBytes = 768;
constexpr std::size_t kPreambleBytes = 4096;
constexpr std::size_t kMaxCgroupRoot = 2048;
using CgroupName = ShortText<127>;

// The head of it all.
struct Preamble {
  std::array<char, 36> boot{};  // another one after each boot: then nothing of it is true
  std::uint32_t daemon_number = 0;
  std::string cgroup_root;    // directory of the instances' cgroups; empty: none
  std::string listen_socket;  // as Hello says it
  // Open files of whoever started the first keeper: what children get.
  std::uint64_t open_files_soft = 0;
  std::uint64_t open_files_hard = 0;
  // Open descriptors; -1 in the file.
  std::int32_t lock = -1;
  std::int32_t control_socket = -1;
  std::int32_t image = -1;
  std::int32_t fetch_socket = -1;

  friend bool operator==(const Preamble&, const Preamble&) = default;
};

// One process, by what the keeper knows of it.
struct LeftProcess {
  WorldRecord facts;
  // A stop signal that waits for the exec; 0: none.
  std::uint8_t waiting_signal = 0;
  Scope waiting_scope = Scope::kGroup;
  bool is_child = false;          // of the process that will read this
  bool main_is_reaped = false;    // nothing but the rest of its tree is left
  bool is_killed = false;         // everything of its tree that turns up is killed
  std::uint64_t start_ticks = 0;  // with the boot, what tells a process from all others
  std::uint32_t uid = 0;
  CgroupName cgroup;  // below the root; empty: none
  std::optional<ListenGrant> listen;
  std::array<std::uint64_t, kMaxAttached> inodes{};  // of what is held, by role
  // Open descriptors; -1 in the file.
  std::int32_t pidfd = -1;
  std::array<std::int32_t, kMaxAttached> held = {-1, -1, -1, -1, -1, -1, -1, -1};

  friend bool operator==(const LeftProcess&, const LeftProcess&) = default;
};

// One descriptor held by name.
struct LeftHeld {
  HeldName name;
  std::uint64_t inode = 0;
  std::int32_t descriptor = -1;

  friend bool operator==(const LeftHeld&, const LeftHeld&) = default;
};

struct Estate {
  Preamble preamble;
  std::vector<LeftProcess> processes;
  std::vector<LeftHeld> held;
  Token highest;
  std::size_t damaged = 0;  // blocks that do not hold what was written
};

// Visits every place in an estate where the number of a descriptor is, -1 for none: visit(number).
template <typename AnEstate, typename Visit>
void ForEachDescriptor(AnEstate& estate, Visit visit) {
  auto& preamble = estate.preamble;
  visit(preamble.lock);
  visit(preamble.control_socket);
  visit(preamble.image);
  visit(preamble.fetch_socket);
  for (auto& process : estate.processes) {
    visit(process.pidfd);
    for (auto& one : process.held) visit(one);
  }
  for (auto& held : estate.held) visit(held.descriptor);
}

using Block = std::array<std::byte, kBlockBytes>;
using PreambleBytes = std::array<std::byte, kPreambleBytes>;

// A text that is too long is left out.
void Encode(const Preamble& preamble, PreambleBytes& bytes);
void Encode(const LeftProcess& process, Block& block);
void Encode(const LeftHeld& held, Block& block);
// A place that is free; it still tells the highest token that was there.
void EncodeFree(Token last, Block& block);

// All of it, as it stands in a file or a memfd. An error for what is no such thing, or of another
// version; a block that was cut off or damaged is counted and left out.
[[nodiscard]] Result<Estate> DecodeEstate(std::span<const std::byte> bytes);
[[nodiscard]] std::string EncodeEstate(const Estate& estate);

}  // namespace oxherd::keeper
