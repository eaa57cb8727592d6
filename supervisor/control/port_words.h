// Wording: who has a port that a service wants, and how to mend that.
//
// Pure. Each cause has a sentence of its own; what it advises is followed by a test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"

namespace oxherd::control {

struct TakenPort {
  enum class Cause : std::uint8_t {
    kStranger,     // `pid`, `command`; where pid is not set, a process of `uid` that we cannot see
    kPm2,          // the same; `name`: PM2's name for it, empty: it is PM2's own daemon
    kGeneration,   // generation `other` of the same service
    kSibling,      // `name`, another instance of the same generation: "api/1"
    kOldSibling,   // `name`, generation `other`, whose turn to be stopped has not come
    kService,      // `name`, an instance of another service, `pid`
    kListenOf,     // the sockets that are held for service `name`
    kOwnListen,    // the sockets that are held for this very service: it did not take them
    kOldListen,    // the sockets of the running generation, whose listen named it: `listed` with it
    kSecondPort,   // as kGeneration or kSibling; `listed`: what is in listen now, as it is written
    kConnection,   // an outgoing connection of `command`, `pid`
    kJustEnded,    // a connection that has ended
    kNotToBeSeen,  // nobody who can be seen
  };
  enum class Why : std::uint8_t { kUnknown, kStatic, kMusl, kSudo };  // kOwnListen

  Cause cause = Cause::kNotToBeSeen;
  std::uint16_t port = 0;
  std::string host;  // where it listens, if not everywhere: "127.0.0.1", "[::1]"
  Pid pid;
  std::uint32_t uid = 0;
  std::string command;
  std::string name;
  Generation other;
  Why why = Why::kUnknown;
  std::vector<std::string> listed;
};

// Stands after "port 3000 is taken by" or "is answered by": "gen 7, which runs until the new one is
// ready; write listen = 3000, or reload_strategy = \"stop-first\"". No full stop.
[[nodiscard]] std::string TakenBy(const TakenPort& taken);

}  // namespace oxherd::control
