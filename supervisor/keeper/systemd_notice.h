// What systemd hears from the keeper: that it is ready, how it is, that its loop runs, and that a
// stop goes on.
//
// A pure schedule over os::NotifyPeer. Without a NOTIFY_SOCKET it never does anything. Nothing in
// it blocks, and nothing allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "os/notify_peer.h"

namespace oxherd::keeper {

// The exit code of a keeper that was to leave its instances running: the unit takes it for success,
// and its ExecStopPost (packaging/systemd/empty-cgroup) then kills nobody.
constexpr int kExitLeavingInstances = 75;

class SystemdNotice {
 public:
  enum class Daemon : std::uint8_t {
    kStarting,  // the first one has not asked for the world yet
    kAtWork,
    kDown,  // it has died; the next one is on its way
  };
  struct Facts {
    Daemon daemon = Daemon::kStarting;
    Pid daemon_pid;
    std::uint32_t processes = 0;  // whose tree is not empty
    bool stops = false;           // somebody has told us to end
    friend bool operator==(const Facts&, const Facts&) = default;
  };

  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of our environment. Source: sd_notify(3),
  // sd_watchdog_enabled(3).
  static SystemdNotice OfThisProcess();
  // Somebody is told.
  [[nodiscard]] bool has_listener() const { return peer_.has_value(); }

  // Sends what is new or due: READY=1 once, STATUS= at most every second, WATCHDOG=1 three times
  // in its period, EXTEND_TIMEOUT_USEC= as long as it stops. Call it in every turn of the loop.
  void Tell(const Facts& facts, Instant now);
  // When it is wanted next; kNever if never.
  [[nodiscard]] Instant NextDeadline() const;

 private:
  // True if the peer took it; else it is tried again soon.
  bool Send(std::string_view text, Instant now);
  bool SendStatus(const Facts& facts, Instant now);

  std::optional<os::NotifyPeer> peer_;
  Duration watchdog_every_{0};  // 0: nobody watches
  bool said_ready_ = false;
  bool said_stopping_ = false;
  std::optional<Facts> said_;
  Instant status_at_ = kNever;  // when a status that waits may be sent
  Instant last_status_ = Instant::min();
  Instant watchdog_at_ = kNever;
  Instant extend_at_ = kNever;
  Instant again_at_ = kNever;  // the peer had no room
};

// The environment for a daemon of ours: `environment` less what systemd said to the keeper alone
// (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID), with a null at the end. The words are not copied.
// Allocates.
[[nodiscard]] std::vector<const char*> EnvironmentForDaemon(char* const* environment);

}  // namespace oxherd::keeper
