// Who has a TCP port that somebody else wants, and what a program's file says about how it is
// loaded: facts for messages.
//
// Everything here reads /proc for every process of the machine, some milliseconds: only once
// something has failed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "os/tcp_dump.h"

namespace oxherd::os {

// A command line is cut to so many bytes.
constexpr std::size_t kMostCommandBytes = 80;

struct PortHolder {
  enum class How : std::uint8_t {
    kListens,
    kConnects,    // an outgoing connection has it as its own port
    kJustEnded,   // only connections that have ended and wait for their time to be over
    kNotToBeSeen  // nothing that the kernel lists: bound without listening, or free by now
  };
  How how = How::kNotToBeSeen;
  TcpEndpoint local;               // where it listens
  std::uint8_t family = 0;         // AF_INET, AF_INET6
  std::uint32_t uid = 0;           // of who made the socket
  Pid pid{};                       // not set: no process that we may look at has it
  std::string command;             // of that process: "node server.js"
  std::optional<std::string> pm2;  // it belongs to PM2: the name there; empty: it is PM2's daemon
};
// Of several sockets the first whose process can be seen.
[[nodiscard]] Result<PortHolder> HolderOf(std::uint16_t port);

// Those of these sockets, of any port, that the process has open.
[[nodiscard]] std::vector<TcpSocket> OpenIn(Pid process, const std::vector<TcpSocket>& sockets);

// The name that PM2 gives a process, from what its environment was at the start: the value of
// `name`, if there is a `pm_id` too. Pure.
[[nodiscard]] std::string Pm2NameIn(std::string_view environment);
// "PM2 v5.4.3: God Daemon (/root/.pm2)". Pure.
[[nodiscard]] bool IsPm2Daemon(std::string_view command);

// How the kernel loads a program (elf(5), PT_INTERP).
enum class Loading : std::uint8_t {
  kNotElf,  // a script, or unreadable
  kStatic,  // no dynamic loader: no LD_PRELOAD
  kMusl,    // musl's: it takes no library that needs glibc
  kDynamic,
};
[[nodiscard]] Loading LoadingOf(const std::string& program);

}  // namespace oxherd::os
