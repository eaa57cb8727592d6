#include "keeper/adoption.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/number.h"
#include "os/former_process.h"
#include "os/process.h"
#include "os/process_tree.h"

namespace oxherd::keeper {
namespace {

// The last part of the path.
std::string_view FolderName(const std::string& path) {
  return std::string_view(path).substr(path.rfind('/') + 1);
}

bool HasEnded(const os::ProcessStat& stat) { return stat.state == 'Z' || stat.state == 'X'; }

// Beyond boot, pid and start time.
bool IsSurely(const LeftProcess& left, const os::ProcessStat& stat, const Preamble& preamble) {
  const Pid pid = left.facts.pid;
  if (HasEnded(stat)) return true;  // nothing can be done to it any more
  if (os::RealUserOf(pid) != left.uid) return false;
  const std::string_view cgroup = left.cgroup.text();
  if (!cgroup.empty()) return os::IsInCgroup(pid, FolderName(preamble.cgroup_root), cgroup);
  const Token token = os::TokenOf(pid);
  return token.is_set() ? token == left.facts.token : stat.session == pid;
}

// Nobody of ours saw it end.
void NoteEndUnseen(LeftProcess& left, Instant now) {
  left.main_is_reaped = true;
  if (left.facts.phase != Phase::kRunning) return;
  left.facts.phase = Phase::kExited;
  left.facts.exit = {.status = ExitStatus{}, .user_time = {}, .system_time = {}, .at = now};
}

// Between clone and exec a child that has lost its keeper ends by itself: what is there has got on.
void TakeForStarted(WorldRecord& facts, Instant now) {
  if (facts.phase != Phase::kSpawning) return;
  facts.phase = Phase::kRunning;
  facts.started_at = now;
}

// Roles whose descriptor could not be had are not there.
void KeepWhatIsOpen(Adopted& adopted) {
  Roles roles;
  std::array<os::Fd, kMaxAttached> open;
  const Roles before = adopted.left.facts.held;
  for (std::size_t i = 0; i < before.count; ++i) {
    if (!adopted.held[i]) continue;
    open[roles.count] = std::move(adopted.held[i]);
    roles.Add(before.list[i]);
  }
  adopted.left.facts.held = roles;
  adopted.held = std::move(open);
}

void ReopenPipes(Adopted& adopted) {
  const LeftProcess& left = adopted.left;
  for (std::size_t i = 0; i < left.facts.held.count; ++i) {
    const Role role = left.facts.held.list[i];
    const bool is_pipe = role == Role::kStdout || role == Role::kStderr;
    if (!is_pipe || left.inodes[i] == 0 || adopted.held[i]) continue;
    if (auto pipe = os::ReopenPipe(left.facts.pid, left.inodes[i])) {
      adopted.held[i] = std::move(*pipe);
    }
  }
}

// `adopted` has what was left open, if anything was.
void FindOne(Adopted& adopted, const Preamble& preamble, Instant now) {
  const LeftProcess& left = adopted.left;
  WorldRecord& facts = adopted.left.facts;
  os::SystemResult<os::Fd> pidfd = os::OpenPidfd(facts.pid);
  // After the pidfd: it holds on to whoever has the number now.
  const std::optional<os::ProcessStat> stat = os::ReadStat(facts.pid);
  const bool is_another = stat && left.start_ticks != 0 && stat->start_ticks != left.start_ticks;
  if (pidfd && !is_another && !left.main_is_reaped) {
    adopted.pidfd = std::move(*pidfd);
    // A start time that could not be read, then or now, says nothing either way.
    const bool is_same = stat && left.start_ticks != 0;
    facts.in_doubt = facts.in_doubt || !is_same || !IsSurely(left, *stat, preamble);
    if (!facts.in_doubt) ReopenPipes(adopted);
  } else {
    NoteEndUnseen(adopted.left, now);
    // The number is another process's by now, so nobody is left of the session that it named.
    if (stat && stat->start_ticks != left.start_ticks) facts.pid = Pid();
  }
}

// "SERVICE\nADDRESS\nNUMBER" of this service: the number.
std::optional<std::int32_t> NumberOf(std::string_view name, std::string_view service) {
  if (!name.starts_with(service) || !name.substr(service.size()).starts_with('\n')) {
    return std::nullopt;
  }
  return ParseNumber<std::int32_t>(name.substr(name.rfind('\n') + 1));
}

// A program that took its sockets by LISTEN_FDS: which they are shows in what it has open.
void FindNumber(const Estate& estate, Adopted& process) {
  WorldRecord& facts = process.left.facts;
  for (const LeftHeld& held : estate.held) {
    if (facts.listen_number >= 0) return;
    const auto number = NumberOf(held.name.text(), facts.label.service.text());
    if (number && os::HasSocket(facts.pid, held.inode)) facts.listen_number = *number;
  }
}

// Sockets live as long as somebody has them: the instances do.
std::vector<AdoptedHeld> FindSockets(const Estate& estate, std::vector<Adopted>& processes) {
  std::vector<std::uint64_t> inodes;
  inodes.reserve(estate.held.size());
  for (const LeftHeld& held : estate.held) inodes.push_back(held.inode);
  std::vector<os::Fd> sockets(inodes.size());
  std::size_t missing = inodes.size();
  for (Adopted& process : processes) {
    if (!process.pidfd || process.left.facts.in_doubt) continue;
    FindNumber(estate, process);
    if (missing == 0) continue;
    missing -= os::FetchSockets(process.pidfd.get(), process.left.facts.pid, inodes, sockets);
  }
  std::vector<AdoptedHeld> found;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i]) found.push_back({estate.held[i].name, std::move(sockets[i])});
  }
  return found;
}

os::Fd Own(std::int32_t number) {
  if (number < 0 || ::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) return os::Fd();
  return os::Fd(number);
}

}  // namespace

Inheritance TakeOver(Estate estate, Instant now) {
  Inheritance inheritance;
  const Preamble& preamble = estate.preamble;
  inheritance.lock = Own(preamble.lock);
  inheritance.control_socket = Own(preamble.control_socket);
  inheritance.image = Own(preamble.image);
  inheritance.fetch_socket = Own(preamble.fetch_socket);
  for (const LeftProcess& left : estate.processes) {
    Adopted adopted;
    adopted.left = left;
    adopted.pidfd = Own(left.pidfd);
    for (std::size_t i = 0; i < left.facts.held.count; ++i) adopted.held[i] = Own(left.held[i]);
    // Of one that was never started nothing is said: it is as if nobody had asked for it.
    if (!left.facts.pid.is_set()) continue;
    TakeForStarted(adopted.left.facts, now);
    // Whoever left it had not heard of it yet.
    if (!adopted.pidfd) FindOne(adopted, preamble, now);
    KeepWhatIsOpen(adopted);
    inheritance.processes.push_back(std::move(adopted));
  }
  for (const LeftHeld& held : estate.held) {
    os::Fd descriptor = Own(held.descriptor);
    if (descriptor) inheritance.held.push_back({held.name, std::move(descriptor)});
  }
  inheritance.highest = estate.highest;
  inheritance.preamble = std::move(estate.preamble);
  return inheritance;
}

std::optional<Inheritance> FindAgain(Estate estate, Instant now) {
  const std::optional<os::BootId> boot = os::ReadBootId();
  if (!boot || *boot != estate.preamble.boot) return std::nullopt;
  Inheritance inheritance;
  for (const LeftProcess& left : estate.processes) {
    if (!left.facts.pid.is_set()) continue;  // it was never started
    Adopted adopted;
    adopted.left = left;
    adopted.left.is_child = false;
    TakeForStarted(adopted.left.facts, now);
    FindOne(adopted, estate.preamble, now);
    KeepWhatIsOpen(adopted);
    inheritance.processes.push_back(std::move(adopted));
  }
  inheritance.held = FindSockets(estate, inheritance.processes);
  inheritance.highest = estate.highest;
  inheritance.preamble = std::move(estate.preamble);
  inheritance.preamble.daemon_number = 0;  // ours is the first: if it cannot be started we say so
  return inheritance;
}

}  // namespace oxherd::keeper
