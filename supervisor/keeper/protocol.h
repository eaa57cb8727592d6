// The messages between the daemon and the keeper: plain structs, one datagram each.
//
// They travel over a SOCK_SEQPACKET socketpair that the keeper makes anew for every daemon, so a
// message is whole and in order or is not there at all; what a dead daemon had already sent is
// carried out before its death is. Descriptors ride along by SCM_RIGHTS, in the order each message
// names. Requests go down (daemon to keeper), reports go up.
//
// The conversation: the keeper says Hello. The daemon asks for the World before anything else:
// until it has asked, it hears nothing but Hello, Beat and refusals. The answer is a WorldRecord
// for each process known, a WorldHeld for each held descriptor, and a WorldEnd; from a record's
// WorldRecord on, that record's news come as single reports. For one token the order is Started,
// KillFired or Exited, Gone, and each is said once to each daemon (the World counts as having said
// it).
//
// Nothing here allocates. Source: unix(7), seqpacket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/tcp_address.h"
#include "base/time.h"

namespace oxherd::keeper {

// Raised when a message changes its meaning. A reader refuses other versions.
constexpr std::uint16_t kProtocolVersion = 3;
constexpr std::size_t kMaxMessageBytes = 256;
constexpr std::size_t kMaxNameBytes = 64;
// "SERVICE\nADDRESS\nNUMBER", also with the longest path of a Unix socket.
constexpr std::size_t kMaxHeldNameBytes = 192;
// Descriptors that one Spawn can bring: the plan, and what the child gets or the keeper holds.
constexpr std::size_t kMaxAttached = 8;

// A short text that lives in the message.
template <std::size_t kMost>
class ShortText {
 public:
  static_assert(kMost <= 255);
  constexpr ShortText() = default;
  // Longer texts are cut at the bound; whoever makes names checks their length before.
  constexpr explicit ShortText(std::string_view text) {
    for (const char c : text.substr(0, kMost)) bytes_[size_++] = c;
  }
  [[nodiscard]] constexpr std::string_view text() const { return {bytes_.data(), size_}; }
  friend constexpr bool operator==(const ShortText& a, const ShortText& b) {
    return a.text() == b.text();
  }

 private:
  std::array<char, kMost> bytes_{};
  std::uint8_t size_ = 0;
};
using Name = ShortText<kMaxNameBytes>;          // of a service
using HeldName = ShortText<kMaxHeldNameBytes>;  // of a held descriptor

enum class ProcessKind : std::uint8_t { kInstance, kHook, kCheck };

// What a process is for. The keeper only keeps it and tells it to the next daemon, with one
// exception: checks do not outlive the daemon that asked for them.
struct Label {
  Name service;
  SlotIndex slot = 0;
  Generation generation;
  ProcessKind kind = ProcessKind::kInstance;

  friend bool operator==(const Label&, const Label&) = default;
};

// What each descriptor attached to a Spawn is. The child opens a pipe's other end by itself
// (MappedDescriptor::Open::kReadWrite): until Started somebody else has to be its writer, or its
// reader sees the end.
enum class Role : std::uint8_t {
  kPlan,     // sealed memfd with the encoded Plan (keeper/plan.h); exactly one, and the first
  kStdout,   // read end of the pipe for standard output; the keeper holds it
  kStderr,   // read end of the pipe for standard error; the keeper holds it
  kChannel,  // our end of a Node channel; the keeper holds it
  kNotify,   // the token's notify socket; the keeper holds it
  kPassed,   // for the child alone; the keeper closes it after the spawn
};
struct Roles {
  std::array<Role, kMaxAttached> list{};
  std::uint8_t count = 0;

  [[nodiscard]] constexpr std::span<const Role> view() const {
    return std::span(list).first(count);
  }
  constexpr void Add(Role role) { list[count++] = role; }  // at most kMaxAttached times
  friend bool operator==(const Roles& a, const Roles& b) {
    return a.count == b.count && a.list == b.list;
  }
};

// Whom a signal is for.
enum class Scope : std::uint8_t {
  kGroup,  // the process group of the main process; what has left it, once that has ended
  kMain,   // the main process alone
};

// ---- Requests: daemon to keeper. ----

// Starts a process. Attached: one descriptor for each role, in order. A token that the keeper knows
// already is not spawned again: its state is reported instead (as a WorldRecord).
// Answer: Started or SpawnFailed.
struct Spawn {
  Token token;
  Label label;
  Roles roles;

  friend bool operator==(const Spawn&, const Spawn&) = default;
};

// Sends `signal` (0: none) and SIGCONT after it, once the exec is confirmed, and SIGKILL to the
// whole tree at `kill_at`, exactly then, also while no daemon is alive. A second Stop sends no
// second signal and can only bring `kill_at` forward. A main process that is gone already gets no
// signal; the rest of its tree keeps the deadline. A token that is unknown, or whose tree is empty,
// is left alone.
struct Stop {
  Token token;
  std::uint8_t signal = 0;
  Scope scope = Scope::kGroup;
  Instant kill_at = kNever;

  friend bool operator==(const Stop&, const Stop&) = default;
};

// SIGKILL to the whole tree now.
struct Kill {
  Token token;

  friend bool operator==(const Kill&, const Kill&) = default;
};

// One signal, no deadline. Ignored unless the main process runs.
struct Signal {
  Token token;
  std::uint8_t signal = 0;
  Scope scope = Scope::kMain;

  friend bool operator==(const Signal&, const Signal&) = default;
};

// The daemon has saved that this token is gone: the keeper forgets it. Counts only after Gone was
// said (alone or in a WorldRecord); an earlier one is ignored, so send it in answer to Gone, not to
// Exited. A token whose spawn failed needs none: it is forgotten once SpawnFailed is on its way.
struct Ack {
  Token token;

  friend bool operator==(const Ack&, const Ack&) = default;
};

// Keeps the attached descriptor under a name until Drop, across daemons. A name that is held
// already gets the new descriptor.
struct Hold {
  HeldName name;

  friend bool operator==(const Hold&, const Hold&) = default;
};

struct Drop {
  HeldName name;

  friend bool operator==(const Drop&, const Drop&) = default;
};

// Asks for everything the keeper knows; see the top.
struct World {
  friend bool operator==(const World&, const World&) = default;
};

// The answer to the keeper's Beat of the same number.
struct BeatAnswer {
  std::uint32_t number = 0;

  friend bool operator==(const BeatAnswer&, const BeatAnswer&) = default;
};

// Once this daemon is gone the keeper execs its new program in place, and that starts the new
// daemon; what goes wrong is Refused to the next daemon, and the old keeper goes on. Attached: a
// sealed memfd with the absolute paths of keeper and daemon, each ended by a NUL.
struct Upgrade {
  friend bool operator==(const Upgrade&, const Upgrade&) = default;
};

enum class Remains : std::uint8_t {
  kKill,   // trees that are still there are killed, and waited for (10 s at most)
  kLeave,  // trees stay as they are
};

// The daemon is about to exit and the keeper with it: once the daemon is gone the keeper exits with
// `exit_code`.
struct Bye {
  std::uint8_t exit_code = 0;
  Remains remains = Remains::kKill;

  friend bool operator==(const Bye&, const Bye&) = default;
};

// The order is part of the protocol: append only.
using Request =
    std::variant<Spawn, Stop, Kill, Signal, Ack, Hold, Drop, World, BeatAnswer, Upgrade, Bye>;

// ---- Reports: keeper to daemon. ----

// The first message to every daemon.
struct Hello {
  std::uint16_t version = kProtocolVersion;
  Pid keeper;
  std::uint32_t daemon_number = 0;  // 1 for the keeper's first daemon
  bool use_image = true;            // false: crashed too often, start from the world and state.json
  std::uint8_t terminations = 0;    // SIGTERM and SIGINT so far: 1 = stop everything, 2 = at once
  Name listen_socket{};             // OXHERD_LISTEN_SOCKET for children; empty: there is none

  friend bool operator==(const Hello&, const Hello&) = default;
};

// The program runs (its exec is confirmed). Attached: a pidfd.
struct Started {
  Token token;
  Pid pid;
  bool in_cgroup = false;
  Instant at{};

  friend bool operator==(const Started&, const Started&) = default;
};

// Where a start failed. After all of them the token is forgotten and no program ran.
enum class Stage : std::uint8_t {
  kTable,        // the keeper's table is full
  kPlan,         // the plan is missing, not sealed, or cannot be read
  kPipe,         // no descriptors left for the start itself
  kClone,        // clone3(2): EAGAIN (RLIMIT_NPROC, pids.max), ENOMEM
  kDescriptors,  // a descriptor of the map is not there
  kSession,      // setsid(2), standard input
  kLimits,       // setrlimit(2), nice, oom_score_adj
  kUser,         // setgroups(2), setgid(2), setuid(2)
  kDirectory,    // chdir(2)
  kExec,         // execve(2): ENOENT, EACCES, ENOEXEC, ETXTBSY, E2BIG
  kDied,         // it died between clone and exec; errno is 0
};

struct SpawnFailed {
  Token token;
  Stage stage = Stage::kClone;
  std::int32_t error_number = 0;

  friend bool operator==(const SpawnFailed&, const SpawnFailed&) = default;
};

// How the main process ended, and what it used (wait4(2)).
struct ExitRecord {
  ExitStatus status;
  Duration user_time{};
  Duration system_time{};
  Instant at{};

  friend bool operator==(const ExitRecord&, const ExitRecord&) = default;
};

struct Exited {
  Token token;
  ExitRecord record;

  friend bool operator==(const Exited&, const Exited&) = default;
};

// The tree is empty: no process of this token is left.
struct Gone {
  Token token;
  Instant at{};

  friend bool operator==(const Gone&, const Gone&) = default;
};

// `kill_at` came and SIGKILL went to the tree. Not said for Kill.
struct KillFired {
  Token token;
  Instant at{};

  friend bool operator==(const KillFired&, const KillFired&) = default;
};

enum class Phase : std::uint8_t {
  kSpawning,  // its exec is not confirmed: Started or SpawnFailed will follow
  kRunning,
  kExited,  // the main process is gone, the tree is not empty
  kGone,    // the tree is empty; waits for Ack
};

// All there is to know of one token. Attached: a pidfd (not while kSpawning, or if there is none),
// then one descriptor for each of `held`, in order. Points in time that have not come are kNever.
struct WorldRecord {
  Token token;
  Label label;
  Phase phase = Phase::kSpawning;
  Pid pid;
  bool in_cgroup = false;
  Instant started_at = kNever;
  Instant stop_sent_at = kNever;  // the stop signal is on its way
  Instant kill_at = kNever;
  Instant kill_fired_at = kNever;
  ExitRecord exit;  // of kExited and kGone
  Instant gone_at = kNever;
  Roles held;  // never kPlan or kPassed
  // It was left by an earlier keeper and is not surely what was started: it gets no signal.
  bool in_doubt = false;
  bool has_pidfd = true;  // false: its main process was gone before this keeper came
  // Which listening sockets it was given; -1: none, or nobody knows.
  std::int32_t listen_number = -1;

  friend bool operator==(const WorldRecord&, const WorldRecord&) = default;
};

// One held descriptor, attached.
struct WorldHeld {
  HeldName name;

  friend bool operator==(const WorldHeld&, const WorldHeld&) = default;
};

struct WorldEnd {
  std::uint32_t records = 0;
  std::uint32_t held = 0;
  Token highest;  // the highest token that the keeper was ever given: the next one is above it

  friend bool operator==(const WorldEnd&, const WorldEnd&) = default;
};

// The keeper asks whether the daemon is alive; answer at once.
struct Beat {
  std::uint32_t number = 0;

  friend bool operator==(const Beat&, const Beat&) = default;
};

// A request that could not be carried out and has no other answer.
struct Refused {
  std::uint8_t request = 0;  // index in Request; 255 for a message that cannot be read
  Token token;
  HeldName name;
  std::int32_t error_number = 0;

  friend bool operator==(const Refused&, const Refused&) = default;
};

// A process that was left to us and belongs to no tree (its environment cleared, its session its
// own). It is never signalled. Said at most once for each; some may be left out.
struct Stray {
  Pid pid;

  friend bool operator==(const Stray&, const Stray&) = default;
};

// The control socket was deleted and has been made again. Attached: the new listening socket, which
// takes the place of the old one.
struct NewControlSocket {
  friend bool operator==(const NewControlSocket&, const NewControlSocket&) = default;
};

// The process has got this held socket through the preload library, for the first time. (What it
// took by LISTEN_FDS is not seen.) Some may be left out: of one process the first
// kMaxListenNews alone are said, and none that were due when the daemon died.
struct ListenTaken {
  Token token;
  HeldName name;

  friend bool operator==(const ListenTaken&, const ListenTaken&) = default;
};

enum class ListenMismatch : std::uint8_t {
  kFamily,    // an IPv4 program, an IPv6 socket
  kWidth,     // the socket is open to more clients than it asked for, or to others
  kUnlisted,  // nothing is held at that port
};
// The process wanted to bind a listed port and may not have what is held: its bind(2) fails with
// EADDRNOTAVAIL. Or, with kUnlisted, one that the library was to tell of: its bind(2) waits. Said
// as ListenTaken is.
struct ListenRefused {
  Token token;
  ListenMismatch why = ListenMismatch::kFamily;
  TcpAddress asked;

  friend bool operator==(const ListenRefused&, const ListenRefused&) = default;
};
// ListenTaken and ListenRefused that are said of one process.
constexpr std::size_t kMaxListenNews = 8;

// The order is part of the protocol: append only.
using Report =
    std::variant<Hello, Started, SpawnFailed, Exited, Gone, KillFired, WorldRecord, WorldHeld,
                 WorldEnd, Beat, Refused, Stray, NewControlSocket, ListenTaken, ListenRefused>;

using MessageBuffer = std::array<std::byte, kMaxMessageBytes>;

// Writes the message into the buffer and returns the bytes to send; every message fits.
[[nodiscard]] std::span<const std::byte> Encode(const Request& request, MessageBuffer& buffer);
[[nodiscard]] std::span<const std::byte> Encode(const Report& report, MessageBuffer& buffer);

// Nothing for bytes that are no message of this version: wrong version, kind, length, enum value,
// or more roles than there can be. Never fails in another way, whatever the bytes.
[[nodiscard]] std::optional<Request> DecodeRequest(std::span<const std::byte> bytes);
[[nodiscard]] std::optional<Report> DecodeReport(std::span<const std::byte> bytes);

// Whether the first descriptor of the record is a pidfd.
[[nodiscard]] constexpr bool HasPidfd(const WorldRecord& record) {
  return record.phase != Phase::kSpawning && record.has_pidfd;
}

// How many descriptors travel with the message.
[[nodiscard]] std::size_t AttachedCount(const Request& request);
[[nodiscard]] std::size_t AttachedCount(const Report& report);

// "clone", "chdir", "exec", …: the word that people read in an error.
[[nodiscard]] std::string_view StageName(Stage stage);

}  // namespace oxherd::keeper
