// Events: everything that can enter the core.
//
// Facts come from the keeper and the probes and carry the token they are about; an event with a
// token that no state holds is dropped in one place (supervisor.cc). Requests come from people and
// carry the client's random id; the same id twice is one request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/exit_status.h"
#include "base/ids.h"
#include "base/time.h"
#include "core/action.h"
#include "core/failure.h"
#include "core/spec.h"

namespace oxherd {

using SpecPtr = std::shared_ptr<const Spec>;

namespace event {

struct Started {
  Token token;
  Pid pid;
};
struct SpawnFailed {
  Token token;
  std::uint8_t stage = 0;   // keeper: SpawnStage
  std::int32_t number = 0;  // errno
};
struct Exited {
  Token token;
  ExitStatus status;
};
struct Gone {
  Token token;
};
struct KillFired {
  Token token;
};
struct Probed {
  Token token;
  ProbeOutcome outcome = ProbeOutcome::kVoid;
  Generation other;  // kForeign: which of our generations answered, if one of ours
};
struct LogMatched {  // a line of its output matches `ready_log`
  Token token;
};
struct Notified {  // it spoke to its notify socket, or over Node's channel
  Token token;
  enum class Kind : std::uint8_t { kReady, kStopping, kStatus } kind = Kind::kReady;
};

// ---- traffic
struct PoolOpened {  // the answer to OpenPool
  std::string service;
  std::string address;
  std::uint16_t width = 0;  // sockets that are open now, in the order of their numbers
  bool shared = false;      // one socket for all: it cannot be steered
  // Those that listen, by place, where the kernel was asked (OpenPool::asks_order). Empty: as they
  // were opened.
  std::vector<SocketNumber> order{};
  std::string error;    // not empty: nothing was opened, and why
  bool is_own = false;  // error: the service itself has the port, by its processes or its pools
  Token pool{};         // of OpenPool; not set, here and below: of whichever there is
};
struct Drained {  // the answer to WatchDrain
  Token token;
};
struct SocketShut {  // it was shut down, by a program or by a Sweep: it left the kernel's order
  std::string service;
  std::string address;
  SocketNumber socket = 0;
  Token pool{};
};
struct Relistened {  // the answer to Relisten, in its place among what is heard of that pool; or
                     // said unasked: the program that had shut it listens again
  std::string service;
  std::string address;
  SocketNumber socket = 0;
  bool failed = false;  // it cannot be had again
  Token pool{};
};
struct AddressRefused {  // the process asked for an address that its pool does not give it
  Token token;
  std::string address;  // of the pool
  enum class Why : std::uint8_t {
    kFamily,    // it wants IPv4, the pool is IPv6
    kWidth,     // it wants a narrower address
    kUnlisted,  // no pool has its port: it has listen = "auto" (`address` is empty)
  } why = Why::kFamily;
  std::string wanted;  // as it is written in `listen`: "0.0.0.0:3000"
};

struct Signalled {  // the answer to Signal: the keeper has it
  Token token;
};

struct Due {};  // time has passed: deadlines up to `now` are handled

// A person's command. `specs` are the services that the Oxfile defines now, frozen; only the
// verbs that read the Oxfile carry them. `names` are services ("api") or instances ("api/0"), in no
// order; none means every service in `specs` (start: those with autostart).
struct Request {
  RequestId id;
  Verb verb = Verb::kNone;
  std::vector<std::string> names;
  std::vector<SpecPtr> specs;
  std::uint16_t parallel = 1;   // reload: services at a time
  bool forced = false;          // stop, shutdown: SIGKILL now; drain: even the last one
  bool keep_instances = false;  // shutdown: leave them running (daemon stop --keep)
  // wait: until all are kReady (Ready), kHealthy (Ready and not Unhealthy) or kDone (oneshots done)
  enum class Until : std::uint8_t { kReady, kHealthy, kDone };
  Until until = Until::kReady;
  std::optional<Millis> timeout;  // wait
  std::int32_t count = 0;         // scale: so many, or, if `relative`, so many more
  bool relative = false;
};

// Replace the instances of a service from their frozen spec: a limit, cron or watch says so.
struct Replace {
  std::string service;
  std::optional<SlotIndex> slot;  // nothing: all, one after the other
  std::string why = {};           // for people: "312 MB in use, limit 256 MB"
};

// The time of a scheduled oneshot has come: it is run, unless its last run still lasts.
struct Schedule {
  std::string service;
};

// What was wanted when the state was saved: at a cold start, before any other event.
struct Boot {
  struct Wish {
    SpecPtr spec;
    Generation generation;
    bool wanted = true;
    // Earlier ones that were Ready, oldest first: for a rollback by hand.
    struct Earlier {
      Generation generation;
      SpecPtr spec;
    };
    std::vector<Earlier> earlier{};
  };
  std::vector<Wish> wishes;
};

}  // namespace event

using Event =
    std::variant<event::Started, event::SpawnFailed, event::Exited, event::Gone, event::KillFired,
                 event::Probed, event::LogMatched, event::Due, event::Request, event::Replace,
                 event::Boot, event::Notified, event::PoolOpened, event::Drained, event::SocketShut,
                 event::AddressRefused, event::Relistened, event::Schedule, event::Signalled>;

}  // namespace oxherd
