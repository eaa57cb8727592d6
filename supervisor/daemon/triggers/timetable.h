// The timetable: what `cron_restart` and `schedule` say, on the wall clock of this machine.
//
// Knows when the next time of each service comes, and puts an event before the core when it has
// come; what becomes of it is the core's to decide. What was due while no daemon was there, or
// while the machine slept for long, is not made up for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "core/cron.h"
#include "core/state.h"
#include "daemon/daemon_log.h"
#include "daemon/inbox.h"
#include "daemon/loop.h"
#include "os/wall_timer.h"

namespace oxherd {

// What is later than this when it is seen (the clock was set forward, or the machine slept) is not
// run any more; what was run is not run again if the clock is set back by less. As cron(8) has it.
constexpr Seconds kTooLate = std::chrono::hours(3);

class Timetable {
 public:
  struct Parts {
    const State& state;
    Inbox& inbox;
    DaemonLog& log;
    std::function<WallTime()> now = os::WallNow;
  };
  explicit Timetable(Parts parts) : parts_(std::move(parts)) {}

  // Without it nothing wakes for the times: before the first Update().
  [[nodiscard]] Status WatchIn(Loop& loop);

  // Takes over what the services' specs say now. Cheap where nothing has changed.
  void Update();
  // The timer woke up, or the clock was set: events for what is due.
  void OnTime(os::WallTimer::Woken woken);

  // When the service is replaced or run next; nothing if it is not.
  [[nodiscard]] std::optional<WallSeconds> NextOf(std::string_view service) const;

 private:
  struct Entry {
    std::string service;
    SpecPtr spec;
    Cron cron;
    TimeZone zone;
    WallSeconds zone_read_at{};
    std::optional<WallSeconds> next;
    std::optional<WallSeconds> last;  // that was run

    [[nodiscard]] bool runs_it() const { return !spec->schedule.empty(); }
    [[nodiscard]] const std::string& text() const {
      return runs_it() ? spec->schedule : spec->cron_restart;
    }
  };

  [[nodiscard]] WallSeconds Now() const;
  [[nodiscard]] std::optional<Entry> Make(const Service& service, const SpecPtr& spec) const;
  void ReadZone(Entry& entry) const;
  void Advance(Entry& entry, WallSeconds now) const;
  void Run(const Entry& entry) const;
  void Arm();

  Parts parts_;
  std::vector<Entry> entries_;  // in the order of the services
  std::optional<os::WallTimer> timer_;
  std::unique_ptr<Loop::Watch> watch_;
};

}  // namespace oxherd
