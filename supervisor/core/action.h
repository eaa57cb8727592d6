// Actions: what the core wants done. The keeper's protocol, plus a few of the daemon's own.
//
// An action names everything; whoever performs it counts and chooses nothing. Specs are not in
// here: they are looked up in the state by service and generation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "core/failure.h"
#include "core/spec.h"

namespace oxherd {

enum class ProcessKind : std::uint8_t {
  kInstance,
  kPreReload,  // hooks: processes with a token of their own
  kPreStop,
  kPostStop,
};

// The answer to one Probe.
enum class ProbeOutcome : std::uint8_t {
  kGood,
  kBad,
  kForeign,  // answered, but by a process that is not of this instance: proves nothing
  kVoid,     // cannot be judged (suspend, starved loop, cancelled): counts for nothing
};

namespace action {

struct Spawn {  // to the keeper
  Token token;
  InstanceId instance;
  Generation generation;
  ProcessKind kind = ProcessKind::kInstance;
  std::optional<SocketNumber> socket{};  // with `listen`: its socket of every pool of its spec
};
struct Stop {  // to the keeper: the signal now, SIGKILL to the whole tree at `kill_at`
  Token token;
  std::uint8_t signal = 0;
  KillMode scope = KillMode::kGroup;
  Instant kill_at;
};
struct Kill {  // to the keeper: SIGKILL to the whole tree now
  Token token;
};
struct Signal {  // to the keeper: one signal to the main process, which reloads itself
  Token token;
  std::uint8_t signal = 0;
};
struct Acknowledge {  // to the keeper: exit and gone of this token are in the image
  Token token;
};
struct Probe {  // to the probes: ask this instance once, with the spec's timeout
  Token token;
  InstanceId instance;
  Generation generation;
  Token check;                           // for a command check: the token of its process
  std::optional<SocketNumber> socket{};  // with `listen`: asked through this socket
};
struct Reply {  // to the client, if it is there: the request's outcome is in the state
  RequestId request;
};
struct SaveWishes {};  // what is wanted has changed: write state.json

// ---- traffic. A pool is the sockets of one service at one address, numbered 0 … width-1. In the
// order of the actions, a pool is opened and listens again before the Spawn that is given it.
struct OpenPool {  // to the pools, which answer PoolOpened; what is open already stays as it is
  std::string service;
  std::string address;
  std::uint16_t width = 0;  // sockets in all: never less than are open
  Token pool{};             // what is said of it carries this
  // Of a pool that was open under an earlier daemon: those that it may have made listen again, at
  // places that nobody knows. They are shut down first, so that the known ones have theirs.
  std::vector<SocketNumber> down{};
  // Those from this number on an earlier daemon may have added, before or after another was shut:
  // nobody knows their places. Nobody has one of them either; they are made anew.
  std::optional<std::uint16_t> known{};
  // Nothing is known of it: if an earlier daemon has opened it, the kernel is asked for the order.
  bool asks_order = false;
};
struct ClosePool {  // no client waits where nobody will come
  // What becomes of the copies that processes have. kServeOn: whoever is stopping closes its own,
  // or ends; were its accept(2) to fail, Node 18 would exit with the requests that it has. kEnd:
  // shutdown(2), for nobody is to accept any more, and the address is free at once.
  enum class Copies : std::uint8_t { kEnd, kServeOn };
  std::string service;
  std::string address;
  Copies copies = Copies::kEnd;
};
struct Steer {  // to the kernel: from now on new connections go to these
  std::string service;
  std::string address;
  std::vector<std::uint16_t> places;  // indexes in the kernel's order, sorted; never empty
  std::vector<SocketNumber> order;    // which socket is at each place; a probe goes by it
};
struct WatchDrain {  // to the drain watch: answer Drained when nothing of it is under way any more
  Token token;
  std::string service;
  SocketNumber socket = 0;
  Millis drain{0};  // not before
};
struct Sweep {  // nobody will serve what waits in this socket's queue: move it, or reset it
  std::string service;
  std::string address;
  SocketNumber socket = 0;
  // All that listen and have no living owner, this one too. Where the kernel moves the clients of a
  // socket that is shut to another (net.ipv4.tcp_migrate_req), shutting all of these down leads
  // them to the living. Empty: nobody lives who is well.
  std::vector<SocketNumber> idle{};
};
struct Relisten {  // the shut socket listens again, made anew, as the last of its pool: Relistened
  std::string service;
  std::string address;
  SocketNumber socket = 0;
};

// Something happened that people want to read: a log line, a progress line, an event.
struct Tell {
  enum class Kind : std::uint8_t {
    kSpawning,     // token
    kStarted,      // pid
    kReady,        // millis: from spawn to ready
    kExited,       // failure.status; millis: uptime
    kSpawnFailed,  // failure
    kNotReady,     // failure
    kUnhealthy,
    kHealthyAgain,
    kDraining,  // millis: until the stop signal
    kUndrained,
    kStopping,  // number: signal; millis: until SIGKILL
    kKilling,   // SIGKILL was sent
    kUnkillable,
    kStopped,  // millis: from the stop signal to gone
    kBackoff,  // millis: delay; number: crashes
    kFailed,   // failure; millis: until the next try; number: crashes
    kDone,     // millis: from spawn to exit; a oneshot's 0, or a service's end by itself
    kHookStarted,
    kHookFailed,   // failure
    kReloadBegun,  // generation: target
    kReloadDone,
    kRollingBack,   // failure
    kRolledBack,    // failure
    kReplacing,     // by health check, limit, cron
    kWaitingFor,    // failure.service: the dependency
    kAdopted,       // found running after the daemon was started anew
    kLeftovers,     // a tree whose main process ended is being killed
    kStopsFirst,    // this once, as `listen` was added (number 1) or taken away (number 0)
    kReopened,      // failure.address is opened for IPv4 alone, as failure.text is what it binds
    kSignalled,     // number: signal; it was told to reload itself
    kAddressFound,  // listen = "auto": it binds failure.address, which is the service's from now on
    kRunSkipped,    // the time of a scheduled oneshot has come, and its last run still lasts
  };
  Kind kind;
  InstanceId instance;
  Generation generation;
  Token token;
  std::uint32_t millis = 0;
  std::int32_t number = 0;
  Failure failure;
};

}  // namespace action

using Action = std::variant<action::Spawn, action::Stop, action::Kill, action::Acknowledge,
                            action::Probe, action::Reply, action::SaveWishes, action::Tell,
                            action::OpenPool, action::ClosePool, action::Steer, action::WatchDrain,
                            action::Sweep, action::Relisten, action::Signal>;
using Actions = std::vector<Action>;

}  // namespace oxherd
