// Desk: the keeper's book on a test's desk, with a kernel that does what it is told and a daemon
// that only listens.
#pragma once

#include <cerrno>
#include <csignal>
#include <string>
#include <type_traits>
#include <vector>

#include "keeper/book.h"

namespace oxherd::keeper {

inline constexpr Instant kStart = InstantFromNanoseconds(1'000'000'000'000);

template <typename Wanted, typename Variant>
std::vector<Wanted> Only(const std::vector<Variant>& all) {
  std::vector<Wanted> found;
  for (const Variant& one : all) {
    if (const auto* wanted = std::get_if<Wanted>(&one)) found.push_back(*wanted);
  }
  return found;
}

// A book with a kernel that does what it is told, and a daemon that only listens.
class Desk {
 public:
  explicit Desk(std::uint32_t processes = 8)
      : book({.processes = processes, .held = 2, .heartbeat = true, .keeper = Pid(7)}) {}

  // A daemon is up and has heard the world, which is empty at first.
  Desk& WithDaemon() {
    book.OnTick(now);
    book.OnDaemonStarted(now);
    book.OnRequest(World{}, now);
    Effects();
    Reports();
    return *this;
  }

  std::vector<Effect> Effects() {
    std::vector<Effect> all;
    while (const std::optional<Effect> effect = book.NextEffect()) all.push_back(*effect);
    return all;
  }
  std::vector<Report> Reports() {
    std::vector<Report> all;
    while (const std::optional<Outgoing> out = book.NextReport()) {
      all.push_back(out->report);
      book.ReportSent();
    }
    return all;
  }

  static Spawn SpawnOf(std::uint64_t token, ProcessKind kind = ProcessKind::kInstance) {
    Spawn spawn;
    spawn.token = Token(token);
    spawn.label.service = Name("api");
    spawn.label.kind = kind;
    spawn.roles.Add(Role::kPlan);
    spawn.roles.Add(Role::kStdout);
    return spawn;
  }
  void Running(std::uint64_t token, ProcessKind kind = ProcessKind::kInstance) {
    book.OnRequest(SpawnOf(token, kind), now);
    book.OnForked(Token(token), Pid(static_cast<int>(100 + token)), true);
    book.OnStarted(Token(token), now);
    Effects();
    Reports();
  }
  void Exit(std::uint64_t token, int code = 0) {
    book.OnMainExited(Token(token), {.status = ExitStatus::Code(code), .at = now});
  }
  // The daemon dies and the next one is up, not having asked for anything yet.
  void NewDaemon() {
    book.OnDaemonGone(now);
    book.OnTick(book.NextDeadline() > now ? book.NextDeadline() : now);
    Effects();
    book.OnDaemonStarted(now);
  }
  void Advance(Duration by) {
    now += by;
    book.OnTick(now);
  }

  Book book;
  Instant now = kStart;
};

}  // namespace oxherd::keeper
