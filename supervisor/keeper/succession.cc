#include "keeper/succession.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace oxherd::keeper {
namespace {

constexpr std::array<char, 8> kMagic = {'o', 'x', 'h', 'e', 'r', 'd', 'K', '\n'};

enum class BlockKind : std::uint8_t { kFree = 1, kProcess = 2, kHeld = 3 };

// FNV-1a: against bytes that were never written, not against people; the file is ours alone.
std::uint64_t Checksum(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const std::byte byte : bytes) {
    sum = (sum ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  }
  return sum;
}

// Fields one after the other, into or out of bytes whose room was chosen for all of them.
class Writing {
 public:
  explicit Writing(std::span<std::byte> bytes) : bytes_(bytes) {}
  template <typename Number>
    requires std::is_integral_v<Number> || std::is_enum_v<Number>
  void operator()(const Number& number) {
    Raw(&number, sizeof number);
  }
  template <typename Tag, typename Number>
  void operator()(const Id<Tag, Number>& id) {
    (*this)(id.number());
  }
  template <typename One, std::size_t kCount>
  void operator()(const std::array<One, kCount>& all) {
    for (const One& one : all) (*this)(one);
  }
  void Text(std::string_view text) {
    (*this)(static_cast<std::uint32_t>(text.size()));
    Raw(text.data(), text.size());
  }

 private:
  void Raw(const void* from, std::size_t size) {
    std::memcpy(bytes_.data(), from, size);
    bytes_ = bytes_.subspan(size);
  }
  std::span<std::byte> bytes_;
};

class Reading {
 public:
  explicit Reading(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <typename Number>
    requires std::is_integral_v<Number>
  void operator()(Number& number) {
    if constexpr (std::is_same_v<Number, bool>) {
      std::uint8_t byte = 0;
      Raw(&byte, sizeof byte);
      number = byte != 0;
    } else {
      Raw(&number, sizeof number);
    }
  }
  template <typename Tag, typename Number>
  void operator()(Id<Tag, Number>& id) {
    Number number{};
    (*this)(number);
    id = Id<Tag, Number>(number);
  }
  template <typename One, std::size_t kCount>
  void operator()(std::array<One, kCount>& all) {
    for (One& one : all) (*this)(one);
  }
  std::string_view Text() {
    std::uint32_t size = 0;
    (*this)(size);
    if (size > bytes_.size()) {
      ok_ = false;
      return "";
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), size);
    bytes_ = bytes_.subspan(size);
    return text;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  void Raw(void* to, std::size_t size) {
    if (size > bytes_.size()) {
      ok_ = false;
      return;
    }
    std::memcpy(to, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
  }
  std::span<const std::byte> bytes_;
  bool ok_ = true;
};

// What stands behind the facts in a process's block.
template <typename Io, typename Process, typename Number>
void Fields(Io& io, Process& process, Number& scope) {
  io(process.waiting_signal);
  io(scope);
  io(process.is_child);
  io(process.main_is_reaped);
  io(process.is_killed);
  io(process.start_ticks);
  io(process.uid);
  io(process.inodes);
  io(process.pidfd);
  io(process.held);
}

constexpr std::size_t kSumBytes = sizeof(std::uint64_t);

// The checksum stands first and is about the rest.
template <std::size_t kSize>
void Seal(std::array<std::byte, kSize>& bytes) {
  const std::uint64_t sum = Checksum(std::span<const std::byte>(bytes).subspan(kSumBytes));
  std::memcpy(bytes.data(), &sum, sizeof sum);
}

bool IsSound(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  std::memcpy(&sum, bytes.data(), sizeof sum);
  return sum == Checksum(bytes.subspan(kSumBytes));
}

Writing Begin(Block& block, BlockKind kind) {
  block.fill(std::byte{});
  Writing io{std::span<std::byte>(block).subspan(kSumBytes)};
  io(kind);
  return io;
}

std::optional<LeftProcess> DecodeProcess(Reading& io) {
  LeftProcess process;
  const std::string_view facts = io.Text();
  const std::optional<Report> report = DecodeReport(std::as_bytes(std::span(facts)));
  if (!report || !std::holds_alternative<WorldRecord>(*report)) return std::nullopt;
  process.facts = std::get<WorldRecord>(*report);
  process.cgroup = CgroupName(io.Text());
  std::uint8_t scope = 0;
  Fields(io, process, scope);
  process.waiting_scope = scope == 0 ? Scope::kGroup : Scope::kMain;
  bool may_listen = false;
  io(may_listen);
  if (may_listen) {
    ListenGrant grant;
    io(grant.number);
    io(grant.secret);
    process.listen = grant;
  }
  if (!io.ok()) return std::nullopt;
  return process;
}

bool DecodeBlock(std::span<const std::byte> bytes, Estate& estate) {
  if (!IsSound(bytes)) return false;
  Reading io(bytes.subspan(kSumBytes));
  std::uint8_t kind = 0;
  io(kind);
  switch (static_cast<BlockKind>(kind)) {
    case BlockKind::kFree: {
      Token last;
      io(last);
      estate.highest = std::max(estate.highest, last);
      return true;
    }
    case BlockKind::kProcess: {
      std::optional<LeftProcess> process = DecodeProcess(io);
      if (!process) return false;
      estate.highest = std::max(estate.highest, process->facts.token);
      estate.processes.push_back(*process);
      return true;
    }
    case BlockKind::kHeld: {
      LeftHeld held;
      held.name = HeldName(io.Text());
      io(held.inode);
      io(held.descriptor);
      if (io.ok()) estate.held.push_back(held);
      return io.ok();
    }
  }
  return false;
}

// Those of the preamble, as they are written and as they are read.
template <typename Io, typename APreamble>
void Numbers(Io& io, APreamble& preamble) {
  io(preamble.boot);
  io(preamble.daemon_number);
  io(preamble.open_files_soft);
  io(preamble.open_files_hard);
  io(preamble.lock);
  io(preamble.control_socket);
  io(preamble.image);
  io(preamble.fetch_socket);
}

Result<Preamble> DecodePreamble(std::span<const std::byte> bytes) {
  if (bytes.size() < kPreambleBytes) return MakeError("it is too short");
  bytes = bytes.first(kPreambleBytes);
  Preamble preamble;
  std::array<char, kMagic.size()> magic{};
  std::uint32_t version = 0;
  Reading io(bytes.subspan(kSumBytes));
  io(magic);
  io(version);
  if (magic != kMagic) return MakeError("it is none of ours");
  if (version != kSuccessionVersion) {
    return MakeError("it is of version " + std::to_string(version) + ", not " +
                     std::to_string(kSuccessionVersion));
  }
  if (!IsSound(bytes)) return MakeError("it is damaged");
  Numbers(io, preamble);
  preamble.cgroup_root = std::string(io.Text());
  preamble.listen_socket = std::string(io.Text());
  if (!io.ok()) return MakeError("it is damaged");
  return preamble;
}

}  // namespace

void Encode(const Preamble& preamble, PreambleBytes& bytes) {
  bytes.fill(std::byte{});
  Writing io{std::span<std::byte>(bytes).subspan(kSumBytes)};
  io(kMagic);
  io(kSuccessionVersion);
  Numbers(io, preamble);
  const bool fits = preamble.cgroup_root.size() <= kMaxCgroupRoot;
  io.Text(fits ? std::string_view(preamble.cgroup_root) : std::string_view());
  io.Text(std::string_view(preamble.listen_socket).substr(0, kMaxNameBytes));
  Seal(bytes);
}

void Encode(const LeftProcess& process, Block& block) {
  Writing io = Begin(block, BlockKind::kProcess);
  MessageBuffer facts;
  const std::span<const std::byte> encoded = Encode(Report(process.facts), facts);
  io.Text({reinterpret_cast<const char*>(encoded.data()), encoded.size()});
  io.Text(process.cgroup.text());
  const auto scope = static_cast<std::uint8_t>(process.waiting_scope);
  Fields(io, process, scope);
  io(process.listen.has_value());
  if (process.listen) {
    io(process.listen->number);
    io(process.listen->secret);
  }
  Seal(block);
}

void Encode(const LeftHeld& held, Block& block) {
  Writing io = Begin(block, BlockKind::kHeld);
  io.Text(held.name.text());
  io(held.inode);
  io(held.descriptor);
  Seal(block);
}

void EncodeFree(Token last, Block& block) {
  Writing io = Begin(block, BlockKind::kFree);
  io(last);
  Seal(block);
}

Result<Estate> DecodeEstate(std::span<const std::byte> bytes) {
  Estate estate;
  OXHERD_TRY_ASSIGN(estate.preamble, DecodePreamble(bytes));
  bytes = bytes.subspan(kPreambleBytes);
  while (!bytes.empty()) {
    const std::span<const std::byte> block = bytes.first(std::min(bytes.size(), kBlockBytes));
    bytes = bytes.subspan(block.size());
    // Places in between that were never written are holes.
    if (std::ranges::all_of(block, [](std::byte byte) { return byte == std::byte{}; })) continue;
    if (block.size() < kBlockBytes || !DecodeBlock(block, estate)) ++estate.damaged;
  }
  return estate;
}

std::string EncodeEstate(const Estate& estate) {
  std::string text;
  const auto add = [&text](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  PreambleBytes preamble;
  Encode(estate.preamble, preamble);
  add(preamble);
  Block block;
  for (const LeftProcess& process : estate.processes) {
    Encode(process, block);
    add(block);
  }
  for (const LeftHeld& held : estate.held) {
    Encode(held, block);
    add(block);
  }
  EncodeFree(estate.highest, block);
  add(block);
  return text;
}

}  // namespace oxherd::keeper
