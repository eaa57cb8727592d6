// Scenario: all that a seed means. What runs, what people do and when, and which faults there are.
//
// Plain data, so that the shrinker can drop parts of it. What a process does is drawn from the
// seed and the process's own identity, so that dropping a step leaves the rest as it was.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "core/event.h"
#include "core/spec.h"
#include "core/state.h"

namespace oxherd::sim {

constexpr std::size_t kMaxServices = 3;
constexpr Instant kBeginning{Seconds(1000)};

// Services are called a, b and c.
[[nodiscard]] inline std::string ServiceName(std::size_t index) {
  return std::string(1, static_cast<char>('a' + index));
}
[[nodiscard]] inline std::size_t ServiceIndex(std::string_view name) {
  return static_cast<std::size_t>(name[0] - 'a');
}

// How well the processes of a version behave while faults are on.
enum class Quality : std::uint8_t { kGood, kFlaky, kBroken };

// Which address the program of a version binds, of the one that `listen` opens for every family.
enum class Wants : std::uint8_t { kAny, kIpv4, kNarrow };

struct Version {
  SpecPtr spec;
  Quality quality = Quality::kGood;
  Wants wants = Wants::kAny;  // the address that its program binds
  // As its Oxfile says it, where that is listen = "auto"; `spec` then is what it comes to.
  SpecPtr asked = {};

  [[nodiscard]] const SpecPtr& written() const { return asked != nullptr ? asked : spec; }
};

struct Step {
  enum class Kind : std::uint8_t {
    kRequest,
    kDuplicate,  // the same request once more
    kReplace,    // a limit, cron or watch
    kCrash,      // the daemon dies during the next event it takes, after `cut` of its actions
    kHang,       // the daemon does nothing any more
    kKill,       // something outside kills a process
    kStranger,   // events about tokens that are unknown or dead
    kTerminate,  // SIGTERM to the keeper
    kSchedule,   // the time of a scheduled oneshot has come
    kKeeper,     // the keeper is killed: the daemon, if it lives, brings up the next one
    kBoth,       // keeper and daemon are killed: the next keeper finds what is left
  };
  Kind kind = Kind::kRequest;
  Duration at{};  // since the beginning
  Verb verb = Verb::kNone;
  std::uint8_t services = 0;                        // bit set
  std::array<std::uint8_t, kMaxServices> oxfile{};  // the version of each service in the Oxfile
  bool forced = false;
  bool keep = false;
  std::uint16_t parallel = 1;
  event::Request::Until until = event::Request::Until::kReady;
  Duration timeout{};      // wait; 0: none
  std::uint16_t slot = 0;  // drain, resume
  std::int32_t count = 0;  // scale
  bool relative = false;
  std::uint16_t number = 0;  // kCrash: the cut; kKill: which; kDuplicate: of which request
};

// Faults of the machinery, each of which the shrinker tries to switch off.
struct Faults {
  bool slow_messages = false;  // the socketpair's messages take their time
  bool shuffle = true;         // what happens at the same instant happens in any order
  bool bad_processes = true;   // else every process behaves
  bool bad_probes = false;     // health answers that are void or somebody else's
  bool heartbeat = false;      // the keeper asks whether the daemon lives
  bool ports_taken = false;    // pools cannot be opened, now and then
  bool lost_image = false;     // now and then a new daemon finds none that can be read
  bool whole_image = false;    // write the image record by record, as the daemon does
};

struct Scenario {
  std::uint64_t seed = 0;
  Settings settings;
  Faults faults;
  std::size_t services = 1;
  bool has_ready_log = false;    // some version is ready by a line of output, or says so
  Duration knocks_every{};       // clients come to every pool; 0: nobody listens
  bool has_auto_listen = false;  // in some version
  bool moves_clients = false;    // net.ipv4.tcp_migrate_req
  std::size_t most_scaled = 0;   // instances that somebody may have scaled a service to
  bool boot = false;             // begins with saved wishes instead of a request
  std::array<std::vector<Version>, kMaxServices> versions;
  std::vector<Step> steps;
  Duration quiet_after{};  // then faults stop
};

[[nodiscard]] Scenario Draw(std::uint64_t seed);
// The same, into a scenario whose memory is used again.
void Draw(std::uint64_t seed, Scenario& scenario);

}  // namespace oxherd::sim
