#include "os/port_holder.h"

#include <elf.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ranges>
#include <span>

#include "os/fd.h"
#include "os/listeners.h"
#include "os/process_tree.h"

namespace oxherd::os {
namespace {

constexpr std::uint32_t kAnyState = ~std::uint32_t{0} >> 20;
constexpr std::size_t kMostProcBytes = std::size_t{1} << 17;
constexpr int kMostAncestors = 64;
constexpr std::size_t kMostProgramHeaders = 64;

// The beginning of a small file; empty if it cannot be read.
std::string Beginning(const std::string& path, std::size_t most) {
  const Fd file(Try([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  std::string text;
  if (!file) return text;
  std::array<char, 4096> piece{};
  while (text.size() < most) {
    const ssize_t size = Try([&] { return ::read(file.get(), piece.data(), piece.size()); });
    if (size <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(size));
  }
  return text;
}

std::string ProcFile(Pid pid, const char* name) {
  return Beginning("/proc/" + std::to_string(pid.number()) + "/" + name, kMostProcBytes);
}

// Words apart by spaces. A process that has no command line is a thread of the kernel, or ended.
std::string CommandOf(Pid pid) {
  std::string words = ProcFile(pid, "cmdline");
  while (!words.empty() && words.back() == '\0') words.pop_back();
  std::ranges::replace(words, '\0', ' ');
  if (words.empty()) words = "a process";
  if (words.size() > kMostCommandBytes) {
    std::size_t end = kMostCommandBytes;
    while ((static_cast<unsigned char>(words[end]) & 0xC0U) == 0x80U) --end;  // within a letter
    words.resize(end);
    words += "…";
  }
  return words;
}

std::optional<std::string> Pm2NameOf(Pid pid) {
  const std::string name = Pm2NameIn(ProcFile(pid, "environ"));
  Pid ancestor = pid;
  for (int i = 0; i < kMostAncestors && ancestor.number() > 1; ++i) {
    if (IsPm2Daemon(CommandOf(ancestor))) return ancestor == pid ? "" : name;
    const auto stat = ParseStat(ProcFile(ancestor, "stat"));
    if (!stat) break;
    ancestor = stat->parent;
  }
  return std::nullopt;
}

PortHolder::How HowOf(const TcpSocket& socket) {
  if (socket.state == TCP_LISTEN) return PortHolder::How::kListens;
  if (socket.state == TCP_TIME_WAIT || socket.inode == 0) return PortHolder::How::kJustEnded;
  return PortHolder::How::kConnects;
}

template <typename Header, typename Segment>
Loading LoadingIn(int file) {
  Header header{};
  if (::pread(file, &header, sizeof header, 0) != sizeof header) return Loading::kNotElf;
  if (header.e_phentsize != sizeof(Segment)) return Loading::kNotElf;
  const std::size_t count = std::min<std::size_t>(header.e_phnum, kMostProgramHeaders);
  for (std::size_t i = 0; i < count; ++i) {
    Segment segment{};
    const auto at = static_cast<off_t>(header.e_phoff + i * sizeof segment);
    if (::pread(file, &segment, sizeof segment, at) != sizeof segment) return Loading::kNotElf;
    if (segment.p_type != PT_INTERP) continue;
    std::array<char, 64> loader{};
    const std::size_t size = std::min<std::size_t>(segment.p_filesz, loader.size() - 1);
    if (::pread(file, loader.data(), size, static_cast<off_t>(segment.p_offset)) < 0) {
      return Loading::kNotElf;
    }
    return std::string_view(loader.data()).contains("ld-musl") ? Loading::kMusl : Loading::kDynamic;
  }
  return Loading::kStatic;
}

}  // namespace

Result<PortHolder> HolderOf(std::uint16_t port) {
  OXHERD_TRY_ASSIGN(std::vector<TcpSocket> sockets, DumpTcp(kAnyState, port));
  if (sockets.empty()) return PortHolder{};
  // Who listens comes before who is connected, and that before what has ended.
  const PortHolder::How how = std::ranges::min(sockets | std::views::transform(HowOf));
  std::erase_if(sockets, [&](const TcpSocket& socket) { return HowOf(socket) != how; });
  std::vector<std::uint64_t> inodes;
  inodes.reserve(sockets.size());
  for (const TcpSocket& socket : sockets) inodes.push_back(socket.inode);
  const bool has_owner = how != PortHolder::How::kJustEnded;
  const std::optional<SocketOwner> owner = has_owner ? OwnerOf(inodes) : std::nullopt;
  const std::vector<TcpSocket> its = owner ? OpenIn(owner->pid, sockets) : std::vector<TcpSocket>();
  const TcpSocket& socket = its.empty() ? sockets.front() : its.front();
  return PortHolder{.how = how,
                    .local = socket.local,
                    .family = socket.family,
                    .uid = socket.uid,
                    .pid = owner ? owner->pid : Pid(),
                    .command = owner ? CommandOf(owner->pid) : "",
                    .pm2 = owner ? Pm2NameOf(owner->pid) : std::nullopt};
}

std::vector<TcpSocket> OpenIn(Pid process, const std::vector<TcpSocket>& sockets) {
  std::vector<TcpSocket> open;
  for (const TcpSocket& socket : sockets) {
    const std::array inode = {socket.inode};
    if (socket.inode != 0 && ProcessHas(process, inode)) open.push_back(socket);
  }
  return open;
}

std::string Pm2NameIn(std::string_view environment) {
  constexpr std::string_view kName = "name=";
  std::string name;
  bool has_id = false;
  while (!environment.empty()) {
    const std::string_view entry = environment.substr(0, environment.find('\0'));
    if (entry.starts_with(kName)) name = entry.substr(kName.size());
    has_id |= entry.starts_with("pm_id=");
    environment.remove_prefix(std::min(environment.size(), entry.size() + 1));
  }
  return has_id ? name : "";
}

bool IsPm2Daemon(std::string_view command) {
  return command.starts_with("PM2 ") && command.contains("God Daemon");
}

Loading LoadingOf(const std::string& program) {
  const Fd file(Try([&] { return ::open(program.c_str(), O_RDONLY | O_CLOEXEC); }));
  std::array<char, EI_NIDENT> identity{};
  if (!file) return Loading::kNotElf;
  if (::pread(file.get(), identity.data(), identity.size(), 0) !=
      static_cast<ssize_t>(identity.size())) {
    return Loading::kNotElf;
  }
  if (std::memcmp(identity.data(), ELFMAG, SELFMAG) != 0) return Loading::kNotElf;
  if (identity[EI_CLASS] == ELFCLASS64) return LoadingIn<Elf64_Ehdr, Elf64_Phdr>(file.get());
  if (identity[EI_CLASS] == ELFCLASS32) return LoadingIn<Elf32_Ehdr, Elf32_Phdr>(file.get());
  return Loading::kNotElf;
}

}  // namespace oxherd::os
